package tunnel

import (
	"bufio"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"wsgauge/internal/evloop"
)

func TestBadRequests(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b)})
	for name, c := range map[string]struct{ text, want string }{
		"no HTTP":             {"hello\r\n\r\n", badRequest},
		"TLS":                 {"\x16\x03\x01\x02\x00\x01\x00\x01", badRequest},
		"HTTP/2":              {"PRI * HTTP/2.0\r\n\r\n", badRequest},
		"bare LF":             {"GET / HTTP/1.1\nHost: x\n\n", badRequest},
		"bare CR":             {"GET / HTTP/1.1\r\nHost: x\rX: y\r\n\r\n", badRequest},
		"NUL":                 {"GET / HTTP/1.1\r\nHost: x\x00\r\n\r\n", badRequest},
		"folded line":         {"GET / HTTP/1.1\r\nHost: x\r\n y\r\n\r\n", badRequest},
		"space before colon":  {"GET / HTTP/1.1\r\nHost : x\r\n\r\n", badRequest},
		"no Host":             {"GET / HTTP/1.1\r\n\r\n", badRequest},
		"two Hosts":           {"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", badRequest},
		"two lengths":         {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", badRequest},
		"signed length":       {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n", badRequest},
		"length and coding":   {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", badRequest},
		"coding in HTTP/1.0":  {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", badRequest},
		"other coding":        {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", notImplemented},
		"coding twice":        {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", notImplemented},
		"upgrade with a body": {strings.TrimSuffix(upgradeRequest, "\r\n") + "Content-Length: 5\r\n\r\nhello", badRequest},
		"CONNECT":             {"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n", notImplemented},
		"too large":           {"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("y", headLimit), headTooLarge},
		"bad chunk":           {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", badRequest},
	} {
		t.Run(name, func(t *testing.T) {
			client := dial(t, s.Addr())
			client.send(c.text)
			if got, err := client.all(); got != c.want || err != nil {
				t.Errorf("answer %q, %v; want %q", got, err, c.want)
			}
		})
	}
	b.none()
	clean(t, s)
}

func TestBadResponses(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b)})
	for name, text := range map[string]string{
		"nothing":       "",
		"half a head":   switching[:40],
		"no HTTP":       "hello\r\n\r\n",
		"bad status":    "HTTP/1.1 abc OK\r\n\r\n",
		"bare LF":       "HTTP/1.1 200 OK\n\n",
		"two lengths":   "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
		"no such field": "HTTP/1.1 101 Switching Protocols\r\nUpgrade : websocket\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			client := dial(t, s.Addr())
			client.send(upgradeRequest)
			server := b.accept()
			server.expect(upgradeRequest)
			server.send(text)
			server.Close()
			if got, err := client.all(); got != badGateway || err != nil {
				t.Errorf("answer %q, %v", got, err)
			}
		})
	}
	t.Run("reset", func(t *testing.T) {
		client := dial(t, s.Addr())
		client.send(upgradeRequest)
		server := b.accept()
		server.expect(upgradeRequest)
		server.reset()
		if got, err := client.all(); got != badGateway || err != nil {
			t.Errorf("answer %q, %v", got, err)
		}
	})
	clean(t, s)
}

func TestBackendRefuses(t *testing.T) {
	b := listenBackend(t)
	b.ln.Close()
	s := serve(t, Options{Backends: backends(b)})
	client := dial(t, s.Addr())
	client.send(upgradeRequest)
	if got, err := client.all(); got != badGateway || err != nil {
		t.Errorf("answer %q, %v", got, err)
	}
	clean(t, s)
	if n := s.Stats().Failed; n != 1 {
		t.Errorf("%d failures counted, want 1", n)
	}
}

func fullBackend(t *testing.T) (addr netip.AddrPort, ln int, drain func()) {
	t.Helper()
	ln, addr, err := evloop.Listen(anyPort, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { evloop.CloseSocket(ln) })
	queued := 0
	for ; ; queued++ {
		c, err := net.DialTimeout("tcp", addr.String(), 100*time.Millisecond)
		if err != nil {
			break
		}
		defer c.Close()
	}
	return addr, ln, func() {
		for range queued {
			fd, _, err := evloop.Accept(ln)
			if err != nil {
				t.Fatal(err)
			}
			evloop.CloseSocket(fd)
		}
	}
}

func TestDialTimeout(t *testing.T) {
	addr, _, _ := fullBackend(t)
	s := serve(t, Options{Backends: []netip.AddrPort{addr}, DialTimeout: 100 * time.Millisecond})
	client := dial(t, s.Addr())
	began := time.Now()
	client.send(upgradeRequest)
	if got, err := client.all(); got != gatewayTimeout || err != nil {
		t.Errorf("answer %q, %v", got, err)
	}
	if took := time.Since(began); took < 90*time.Millisecond {
		t.Errorf("gave up after %v", took)
	}
	clean(t, s)
}

func TestSlowDial(t *testing.T) {
	addr, ln, drain := fullBackend(t)
	s := serve(t, Options{Backends: []netip.AddrPort{addr}})
	client := dial(t, s.Addr())
	early := "early"
	client.send(upgradeRequest + early)
	client.silent()
	drain()
	var fd int
	eventually(t, "the backend is reached", func() (reached bool) {
		var err error
		fd, _, err = evloop.Accept(ln)
		return err == nil
	})
	defer evloop.CloseSocket(fd)
	read := func(want string) {
		t.Helper()
		var got []byte
		eventually(t, "all has come", func() bool {
			p := make([]byte, len(want))
			n, err := evloop.Read(fd, p)
			if got = append(got, p[:n]...); err != nil && err != evloop.ErrAgain {
				t.Fatal(err)
			}
			return len(got) >= len(want)
		})
		if string(got) != want {
			t.Fatalf("the backend got %q, want %q", got, want)
		}
	}
	read(upgradeRequest)
	if _, err := evloop.Write(fd, []byte(switching)); err != nil {
		t.Fatal(err)
	}
	client.expect(switching)
	read(early)
}

func TestSources(t *testing.T) {
	b := listenBackend(t)
	bad, good := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("127.0.0.9")
	s := serve(t, Options{Backends: backends(b), Sources: []netip.Addr{bad, good}})
	for range 3 {
		_, server := open(t, s.Addr(), b)
		if from := server.RemoteAddr().(*net.TCPAddr).AddrPort().Addr(); from != good {
			t.Errorf("dialled from %v, want %v", from, good)
		}
	}
	s = serve(t, Options{Backends: backends(b), Sources: []netip.Addr{bad}})
	client := dial(t, s.Addr())
	client.send(upgradeRequest)
	if got, err := client.all(); got != unavailable || err != nil {
		t.Errorf("without a port: %q, %v", got, err)
	}
}

func TestHeadTimeouts(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b), HeadTimeout: 80 * time.Millisecond})
	client := dial(t, s.Addr())
	client.send(upgradeRequest[:30])
	if got, err := client.all(); got != "" || err != nil {
		t.Errorf("half a request: %q, %v", got, err)
	}
	client = dial(t, s.Addr())
	client.send(upgradeRequest)
	server := b.accept()
	server.expect(upgradeRequest)
	server.send(switching[:30])
	if got, err := client.all(); got != gatewayTimeout || err != nil {
		t.Errorf("half a response: %q, %v", got, err)
	}
	clean(t, s)
}

func TestClientGoesBeforeItsTunnel(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b)})
	client := dial(t, s.Addr())
	client.send(upgradeRequest[:30])
	client.Close()
	clean(t, s)
	client = dial(t, s.Addr())
	client.send(upgradeRequest)
	server := b.accept()
	server.expect(upgradeRequest)
	client.reset()
	if _, err := server.all(); !isReset(err) {
		t.Errorf("the backend sees %v, want a reset", err)
	}
	clean(t, s)
}

func TestTooManyTunnels(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b), MaxTunnels: 2})
	open(t, s.Addr(), b)
	open(t, s.Addr(), b)
	third := dial(t, s.Addr())
	third.send(upgradeRequest + strings.Repeat("more", 50000))
	r, err := http.ReadResponse(bufio.NewReader(third), nil)
	if err != nil || r.StatusCode != 503 || !r.Close {
		t.Fatalf("answer %+v, %v", r, err)
	}
	third.expectEnd()
	third.send(strings.Repeat("more", 50000))
	third.Close()
	b.none()
	if st := s.Stats(); st.Refused != 1 || st.Open != 2 || st.Total != 2 {
		t.Errorf("stats: %+v", st)
	}
}

func TestPlacesAreFreedAgain(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b), MaxTunnels: 1})
	for range 5 {
		client, server := open(t, s.Addr(), b)
		refused := dial(t, s.Addr())
		refused.send(upgradeRequest)
		if got, err := refused.all(); got != unavailable || err != nil {
			t.Fatalf("the second: %q, %v", got, err)
		}
		client.Close()
		server.expectEnd()
		server.Close()
		eventually(t, "the place is free", func() bool { return s.Stats().Open == 0 })
	}
}

func TestLingeringEnds(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b)})
	client := dial(t, s.Addr())
	client.send("nonsense\r\n\r\n")
	client.expect(badRequest)
	client.expectEnd()
	clean(t, s) // within five seconds, though the client is still there
	flood := dial(t, s.Addr())
	flood.send("nonsense\r\n\r\n")
	var err error
	for sent := 0; err == nil && sent < 64<<20; sent += 1 << 16 {
		_, err = flood.Write(make([]byte, 1<<16))
	}
	if err == nil {
		t.Error("64 MiB after a refusal were taken")
	}
	clean(t, s)
}

func isReset(err error) bool {
	return err != nil && (strings.Contains(err.Error(), syscall.ECONNRESET.Error()))
}
