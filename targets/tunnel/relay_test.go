package tunnel

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const smuggled = "GET /admin HTTP/1.1\r\nHost: example.org\r\n\r\n"

// Every way in which a response can end, to an upgrade request that is followed
// at once by what would be a second request. The response passes as it came, and
// the backend never sees the second request.
func TestRefusedUpgradePassesAndNothingIsSmuggled(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b)})
	for name, response := range map[string]string{
		"length":          "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"length 0":        "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
		"same length":     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length: 2\r\n\r\nhi",
		"chunked":         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA;x=\"y\"\r\n0123456789\r\n0\r\n\r\n",
		"trailers":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\nX: y\r\nZ: z\r\n\r\n",
		"no content":      "HTTP/1.1 204 No Content\r\n\r\n",
		"not modified":    "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
		"upgrade needed":  "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\n!",
		"101 to elsewhat": "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
	} {
		for cut := range len(response) + 1 {
			if cut%7 != 0 && cut != len(response) {
				continue
			}
			client := dial(t, s.Addr())
			client.send(upgradeRequest + smuggled)
			server := b.accept()
			server.expect(upgradeRequest)
			server.send(response[:cut])
			if cut%2 == 0 {
				time.Sleep(300 * time.Microsecond)
			}
			client.send(smuggled)
			server.send(response[cut:])
			if got, err := client.all(); got != response || err != nil {
				t.Fatalf("%s, cut at %d: the client got %q, %v; want %q", name, cut, got, err, response)
			}
			client.Write([]byte(smuggled)) // may find the connection closed
			if got, err := server.all(); got != "" || err != nil {
				t.Fatalf("%s: the backend got %q, %v", name, got, err)
			}
			client.reset()
		}
	}
	clean(t, s)
}

func TestResponseThatEndsWithItsConnection(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b)})
	for _, head := range []string{"HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"} {
		client := dial(t, s.Addr())
		client.send(upgradeRequest + smuggled)
		server := b.accept()
		server.expect(upgradeRequest)
		text := head + strings.Repeat("line\n", 100000)
		go server.send(text)
		client.expect(text)
		client.silent()
		server.Close()
		client.expectEnd()
		client.Close()
	}
	clean(t, s)
}

func TestNoBodyAfterHEAD(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b)})
	client := dial(t, s.Addr())
	client.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
	server := b.accept()
	response := "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
	server.send(response)
	if got, err := client.all(); got != response || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// Without an Upgrade in the request, no 101 makes a tunnel.
func TestTunnelOnlyWhenAskedFor(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b)})
	for name, head := range map[string]string{
		"plain":         "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"no Connection": "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n",
		"HTTP/1.0":      "GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"POST":          "POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
	} {
		client := dial(t, s.Addr())
		client.send(head + smuggled)
		server := b.accept()
		server.expect(head)
		server.send(switching + "data")
		if got, err := client.all(); got != switching || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if got, _ := server.all(); got != "" {
			t.Errorf("%s: the backend got %q besides", name, got)
		}
	}
	if n := s.Stats().Total; n != 0 {
		t.Errorf("%d tunnels", n)
	}
}

// A body is streamed to its end, and what follows it is not.
func TestRequestBodies(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b)})
	large := strings.Repeat("0123456789abcdef", 20000)
	for name, c := range map[string]struct{ field, body string }{
		"length":  {"Content-Length: 11", "hello world"},
		"large":   {fmt.Sprintf("Content-Length: %d", len(large)), large},
		"chunked": {"Transfer-Encoding: chunked", fmt.Sprintf("%x\r\n%s\r\n3\r\nabc\r\n0\r\nT: t\r\n\r\n", len(large), large)},
	} {
		head := "POST / HTTP/1.1\r\nHost: x\r\n" + c.field + "\r\n\r\n"
		for _, cut := range []int{0, 9, len(head) - 1, len(head), len(head) + 1, len(head) + 5} {
			client := dial(t, s.Addr())
			client.send((head + c.body)[:cut])
			time.Sleep(time.Millisecond)
			go func() { client.Write([]byte((head + c.body + smuggled)[cut:])) }()
			server := b.accept()
			server.expect(head + c.body)
			server.silent()
			server.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			if got, err := client.all(); !strings.HasSuffix(got, "\r\n\r\nok") || err != nil {
				t.Fatalf("%s: %q, %v", name, got, err)
			}
			server.expectEnd()
			client.reset()
		}
	}
	clean(t, s)
}

// A backend may answer a body without reading it.
func TestAnswerBeforeTheBody(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b)})
	client := dial(t, s.Addr())
	head := "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n"
	client.send(head)
	server := b.accept()
	server.expect(head)
	interim := "HTTP/1.1 100 Continue\r\n\r\n"
	server.send(interim)
	client.expect(interim)
	client.send(strings.Repeat("x", 1000))
	server.expect(strings.Repeat("x", 1000))
	response := "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n"
	server.send(response)
	client.expect(response)
	client.expectEnd()
	client.Close()
	clean(t, s)
}

// A backend that answers and closes on a body it has not read resets its side. What
// it said first still reaches the client, which is sending all the while.
func TestAnswerWithReset(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b)})
	client := dial(t, s.Addr())
	head := "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n"
	client.send(head + "x")
	server := b.accept()
	server.expect(head)
	response := "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n"
	server.send(response)
	server.Close() // with a byte unread
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		client.Write(make([]byte, 200_000))
	}()
	client.expect(response)
	client.expectEnd()
	<-sent
	client.Close()
	clean(t, s)
}

func TestTruncationIsNotHidden(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b)})
	for _, text := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX",
	} {
		client := dial(t, s.Addr())
		client.send(upgradeRequest)
		server := b.accept()
		server.expect(upgradeRequest)
		server.send(text)
		time.Sleep(time.Millisecond)
		server.Close()
		if _, err := client.all(); !isReset(err) {
			t.Errorf("%q ended with %v, want a reset", text, err)
		}
	}
	clean(t, s)
}

// A client that reads slowly gets all of a large response, and no more than one
// buffer waits for it.
func TestSlowClientOfAPlainResponse(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b)})
	client := dial(t, s.Addr())
	client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	server := b.accept()
	text := strings.Repeat("0123456789abcdef", 1<<20)
	go server.send(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text))
	eventually(t, "bytes wait for the client", func() bool { return on(t, s, func() int { return s.pool.lent }) > 0 })
	time.Sleep(20 * time.Millisecond)
	if n := on(t, s, func() int { return s.pool.lent }); n > readLen {
		t.Errorf("%d bytes wait", n)
	}
	got, err := client.all()
	if _, body, _ := strings.Cut(got, "\r\n\r\n"); body != text || err != nil {
		t.Errorf("%d bytes of %d came, %v", len(got), len(text), err)
	}
	clean(t, s)
}
