package echo

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"wsgauge/internal/certs"
	"wsgauge/internal/tlsconn"
)

// secrets makes both sides' configurations.
func secrets(t *testing.T, client tlsconn.Options) (clients, server *tls.Config) {
	t.Helper()
	f, err := certs.Make(t.TempDir(), []netip.Addr{netip.MustParseAddr("127.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(f.CA)
	if err != nil {
		t.Fatal(err)
	}
	if server, err = tlsconn.ServerConfig(f.Cert, f.Key, tlsconn.Options{Resumption: true}); err != nil {
		t.Fatal(err)
	}
	if clients, err = tlsconn.ClientConfig(ca, "127.0.0.1", client); err != nil {
		t.Fatal(err)
	}
	return clients, server
}

// upgradeOver opens a tunnel over whatever c is.
func upgradeOver(t *testing.T, c net.Conn) *peer {
	t.Helper()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	p := &peer{t, c, bufio.NewReader(c)}
	p.send([]byte("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"))
	for {
		line, err := p.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == "\r\n" {
			return p
		}
	}
}

func TestTLS(t *testing.T) {
	for _, version := range []string{"1.2", "1.3"} {
		clients, server := secrets(t, tlsconn.Options{Min: version, Max: version})
		s := serve(t, Options{TLS: server})
		c, err := tls.Dial("tcp", s.Addr().String(), clients)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		p := upgradeOver(t, c)
		for _, size := range []int{0, 1, 125, 4 << 10, 70_000} {
			p.send(binary(pattern(size)))
			p.expect(ws.OpBinary, true, pattern(size))
		}
		// Large messages both ways at once: what the kernel does not take waits.
		const n, size = 30, 200_000
		go func() {
			for range n {
				p.send(binary(pattern(size)))
			}
		}()
		for range n {
			p.expect(ws.OpBinary, true, pattern(size))
		}
		p.send(masked(ws.OpClose, true, ws.NewCloseFrameBody(1000, "")))
		p.expectClose(1000) // close_notify too: without it the end would be an error
		settle(t, "connections", 0, s.Connections)
		if n := s.TLSFailures(); n != 0 {
			t.Errorf("%d failures", n)
		}
	}
}

// corked keeps what is written while the cork is in.
type corked struct {
	net.Conn
	in   bool
	kept []byte
}

func (c *corked) Write(p []byte) (int, error) {
	if c.in {
		c.kept = append(c.kept, p...)
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// A message and close_notify that come together are answered, and the connection
// closed, though TCP stays open on the client's side.
func TestTLSHalfClose(t *testing.T) {
	clients, server := secrets(t, tlsconn.Options{})
	s := serve(t, Options{TLS: server})
	raw := &corked{Conn: dial(t, s).Conn}
	c := tls.Client(raw, clients)
	p := upgradeOver(t, c)
	raw.in = true
	p.send(binary(pattern(100)))
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	raw.Conn.SetDeadline(time.Now().Add(20 * time.Second)) // crypto/tls has let it run out
	if _, err := raw.Conn.Write(raw.kept); err != nil {
		t.Fatal(err)
	}
	p.expect(ws.OpBinary, true, pattern(100))
	settle(t, "connections", 0, s.Connections)
}

func TestTLSGarbage(t *testing.T) {
	clients, server := secrets(t, tlsconn.Options{})
	s := serve(t, Options{TLS: server})
	honest, err := tls.Dial("tcp", s.Addr().String(), clients)
	if err != nil {
		t.Fatal(err)
	}
	defer honest.Close()
	bystander := upgradeOver(t, honest)
	for i, garbage := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x15\x03\x03\x00\x02\x02\x28", "\x16\x03\x01\xff\xff\x01", "\x80\x2e\x01\x00\x02",
		"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
	} {
		c := dial(t, s)
		c.send([]byte(garbage))
		if _, err := io.ReadAll(c.Reader); err != nil {
			t.Errorf("%q: %v instead of the end of the stream", garbage, err)
		}
		c.Close()
		settle(t, "connections", 1, s.Connections)
		if n := s.TLSFailures(); n != i+1 {
			t.Errorf("%q: %d failures are counted, want %d", garbage, n, i+1)
		}
	}
	// Clients that stall, and the server's end with them.
	for range 5 {
		dial(t, s).send([]byte("\x16\x03\x01\x01"))
	}
	bystander.send(text("still here"))
	bystander.expect(ws.OpText, true, []byte("still here"))
}

func TestProbeTLS(t *testing.T) {
	clients, server := secrets(t, tlsconn.Options{})
	s := serve(t, Options{TLS: server})
	if err := ProbeTLS(within(t, 5*time.Second), s.Addr(), "", "", netip.Addr{}, clients); err != nil {
		t.Error(err)
	}
	settle(t, "connections", 0, s.Connections)
	strangers, _ := secrets(t, tlsconn.Options{})
	var failed *ProbeError
	if err := ProbeTLS(within(t, 5*time.Second), s.Addr(), "", "", netip.Addr{}, strangers); !errors.As(err, &failed) || failed.Phase != "tls" {
		t.Errorf("a stranger's certificate: %v", err)
	}
	if err := ProbeTLS(within(t, 5*time.Second), serve(t, Options{}).Addr(), "", "", netip.Addr{}, clients); !errors.As(err, &failed) || failed.Phase != "tls" {
		t.Errorf("a plain server: %v", err)
	}
}
