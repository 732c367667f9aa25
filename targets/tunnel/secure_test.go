package tunnel

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"wsgauge/internal/certs"
	"wsgauge/internal/tlsconn"
)

// secrets are what everyone has: a server's configuration for 127.0.0.1, and a
// client's that trusts it.
func secrets(t *testing.T, o tlsconn.Options) (client, server *tls.Config) {
	t.Helper()
	f, err := certs.Make(t.TempDir(), []netip.Addr{netip.MustParseAddr("127.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(f.CA)
	if err != nil {
		t.Fatal(err)
	}
	if client, err = tlsconn.ClientConfig(ca, "", o); err != nil {
		t.Fatal(err)
	}
	if server, err = tlsconn.ServerConfig(f.Cert, f.Key, o); err != nil {
		t.Fatal(err)
	}
	return client, server
}

// stream is one end of a tunnel, plain or not.
type stream interface {
	net.Conn
	CloseWrite() error
}

// securely dials the tunnel with TLS.
func securely(t *testing.T, s *Server, config *tls.Config) *tls.Conn {
	t.Helper()
	config = config.Clone()
	config.ServerName = "127.0.0.1"
	return tls.Client(dial(t, s.Addr()), config)
}

// legs opens a tunnel with TLS on either leg, or both.
func legs(t *testing.T, front, back bool, o tlsconn.Options) (s *Server, client, server stream) {
	t.Helper()
	clients, servers := secrets(t, o)
	b := listenBackend(t)
	options := Options{Backends: backends(b)}
	if front {
		options.TLS = servers
	}
	if back {
		options.BackendTLS = clients
	}
	s = serve(t, options)
	if front {
		client = securely(t, s, clients)
	} else {
		client = dial(t, s.Addr())
	}
	request := make(chan error, 1)
	go func() {
		_, err := io.WriteString(client, upgradeRequest)
		request <- err
	}()
	server = b.accept()
	if back {
		server = tls.Server(server, servers)
	}
	got, err := readHead(server)
	if err != nil || got != upgradeRequest {
		t.Fatalf("the backend got %q, %v", got, err)
	}
	if err := <-request; err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(server, switching); err != nil {
		t.Fatal(err)
	}
	if got, err := readHead(client); err != nil || got != switching {
		t.Fatalf("the client got %q, %v", got, err)
	}
	return s, client, server
}

func everyLeg(t *testing.T, f func(t *testing.T, front, back bool, o tlsconn.Options)) {
	for _, version := range []string{"1.2", "1.3"} {
		for _, l := range []struct {
			name        string
			front, back bool
		}{{"front", true, false}, {"back", false, true}, {"both", true, true}} {
			t.Run(version+" "+l.name, func(t *testing.T) { f(t, l.front, l.back, tlsconn.Options{Min: version, Max: version}) })
		}
	}
}

// Bytes pass both ways in any amount, also when the receiver lets them wait, and
// each end's close arrives at the other while the other direction goes on.
func TestTLSTunnel(t *testing.T) {
	everyLeg(t, func(t *testing.T, front, back bool, o tlsconn.Options) {
		s, client, server := legs(t, front, back, o)
		large := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB
		for _, way := range []struct{ from, to stream }{{client, server}, {server, client}} {
			sent := make(chan error, 1)
			go func() {
				_, err := way.from.Write(large)
				sent <- err
			}()
			time.Sleep(50 * time.Millisecond) // the tunnel fills up
			got := make([]byte, len(large))
			if _, err := io.ReadFull(way.to, got); err != nil || !bytes.Equal(got, large) {
				t.Fatalf("what came is not what was sent: %v", err)
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
		}
		if _, err := io.WriteString(client, "last words"); err != nil {
			t.Fatal(err)
		}
		if err := client.CloseWrite(); err != nil { // close_notify alone: TCP stays open
			t.Fatal(err)
		}
		if got, err := io.ReadAll(server); err != nil || string(got) != "last words" {
			t.Fatalf("%q, %v", got, err)
		}
		if _, err := io.WriteString(server, "goodbye"); err != nil {
			t.Fatal(err)
		}
		if err := server.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(client); err != nil || string(got) != "goodbye" {
			t.Fatalf("%q, %v", got, err)
		}
		clean(t, s)
		if n := s.Stats().Insecure; n != 0 {
			t.Errorf("%d ends by TLS", n)
		}
	})
}

// A stream that is cut off is not passed on as one that has ended.
func TestTLSCutOff(t *testing.T) {
	s, client, server := legs(t, true, true, tlsconn.Options{})
	raw := client.(*tls.Conn).NetConn().(*peer)
	raw.send("\x17\x03\x03\x00\x99\x01")
	raw.CloseWrite()
	if _, err := io.ReadAll(server); err == nil {
		t.Error("the backend saw the end of the stream")
	}
	clean(t, s)
	if n := s.Stats().Insecure; n != 1 {
		t.Errorf("%d ends by TLS", n)
	}
}

func TestTLSRefusals(t *testing.T) {
	clients, servers := secrets(t, tlsconn.Options{})
	strangers, theirs := secrets(t, tlsconn.Options{})
	t.Run("front", func(t *testing.T) {
		b := listenBackend(t)
		s := serve(t, Options{Backends: backends(b), TLS: servers, HeadTimeout: 200 * time.Millisecond})
		for _, garbage := range []string{"GET / HTTP/1.1\r\n\r\n", "\x15\x03\x03\x00\x02\x02\x28", "\x16\x03\x01\xff\xff\x01"} {
			c := dial(t, s.Addr())
			c.send(garbage)
			if _, err := c.all(); err != nil {
				t.Errorf("%q: %v", garbage, err)
			}
			c.Close()
		}
		if n := s.Stats().Insecure; n != 3 {
			t.Errorf("%d ends by TLS", n)
		}
		stalled := dial(t, s.Addr())
		stalled.send("\x16\x03\x01\x01")
		if _, err := stalled.all(); err != nil {
			t.Errorf("a handshake that stalls: %v", err)
		}
		if err := securely(t, s, strangers).Handshake(); err == nil {
			t.Error("trusted by a stranger")
		}
		malformed := securely(t, s, clients)
		io.WriteString(malformed, "no request\r\n\r\n")
		if got, err := io.ReadAll(malformed); err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 400 ") {
			t.Errorf("%q, %v", got, err)
		}
		malformed.Close()
		b.none()
		clean(t, s)
	})
	for name, backend := range map[string]func(*peer){
		"plain":   func(p *peer) { io.WriteString(p, "HTTP/1.1 400 Bad Request\r\n\r\n"); io.Copy(io.Discard, p) },
		"strange": func(p *peer) { tls.Server(p, theirs).Handshake() },
		"gone":    func(*peer) {},
		"silent":  func(p *peer) { io.Copy(io.Discard, p) },
	} {
		t.Run("back "+name, func(t *testing.T) {
			b := listenBackend(t)
			s := serve(t, Options{Backends: backends(b), BackendTLS: clients, HeadTimeout: 300 * time.Millisecond})
			c := dial(t, s.Addr())
			c.send(upgradeRequest)
			p := b.accept()
			go func() { backend(p); p.Close() }()
			want := badGateway
			if name == "silent" {
				want = gatewayTimeout
			}
			c.expect(want)
			c.expectEnd()
			c.Close()
			clean(t, s)
		})
	}
}

// Responses that are no tunnel pass through TLS too.
func TestTLSRelay(t *testing.T) {
	clients, servers := secrets(t, tlsconn.Options{})
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b), TLS: servers, BackendTLS: clients})
	body := strings.Repeat("x", 300_000)
	go func() {
		c, err := b.ln.AcceptTCP()
		if err != nil {
			return
		}
		defer c.Close()
		secure := tls.Server(c, servers)
		if _, err := readHead(secure); err != nil {
			return
		}
		io.WriteString(secure, "HTTP/1.1 200 OK\r\n\r\n"+body)
		secure.CloseWrite() // and no FIN until the client has it all
		io.Copy(io.Discard, secure)
	}()
	c := securely(t, s, clients)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	got, err := io.ReadAll(c)
	if err != nil || string(got) != "HTTP/1.1 200 OK\r\n\r\n"+body {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	c.Close()
	clean(t, s)
}

func TestTLSInjected(t *testing.T) {
	clients, servers := secrets(t, tlsconn.Options{})
	b := listenBackend(t)
	b.echo()
	s := serve(t, Options{Backends: backends(b), TLS: servers, Inject: Injection{Delay: 30 * time.Millisecond}})
	c := securely(t, s, clients)
	io.WriteString(c, upgradeRequest)
	if _, err := readHead(c); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	io.WriteString(c, "late")
	c.CloseWrite()
	got, err := io.ReadAll(c)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) || string(got) != "late" || time.Since(began) < 30*time.Millisecond {
		t.Errorf("%q after %v, %v", got, time.Since(began), err)
	}
	c.Close()
	clean(t, s)
}
