package tunnel

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"
)

var anyPort = netip.MustParseAddrPort("127.0.0.1:0")

const (
	upgradeRequest = "GET /chat?x=1 HTTP/1.1\r\nHost: example.org\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)

// backend is a server of which a test decides every byte.
type backend struct {
	t    testing.TB
	addr netip.AddrPort
	ln   *net.TCPListener
}

func listenBackend(t testing.TB) *backend {
	t.Helper()
	ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(anyPort))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return &backend{t: t, addr: ln.Addr().(*net.TCPAddr).AddrPort(), ln: ln}
}

// accept gives the next connection that the tunnel has dialled.
func (b *backend) accept() *peer {
	b.t.Helper()
	if err := b.ln.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		b.t.Fatal(err)
	}
	c, err := b.ln.AcceptTCP()
	if err != nil {
		b.t.Fatalf("nothing reached the backend: %v", err)
	}
	return newPeer(b.t, c)
}

// none checks that nothing connects.
func (b *backend) none() {
	b.t.Helper()
	if err := b.ln.SetDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		b.t.Fatal(err)
	}
	if c, err := b.ln.AcceptTCP(); err == nil {
		c.Close()
		b.t.Error("the backend was dialled")
	}
}

// echo serves every connection until the listener closes: 101, then every byte
// comes back.
func (b *backend) echo() {
	go func() {
		for {
			c, err := b.ln.AcceptTCP()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if _, err := readHead(c); err != nil {
					return
				}
				if _, err := io.WriteString(c, switching); err != nil {
					return
				}
				buf := make([]byte, 512)
				for {
					n, err := c.Read(buf)
					if err != nil {
						return
					}
					if _, err := c.Write(buf[:n]); err != nil {
						return
					}
				}
			}()
		}
	}()
}

// readHead reads to an empty line and not a byte further.
func readHead(c io.Reader) (string, error) {
	var head []byte
	one := make([]byte, 1)
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		if _, err := c.Read(one); err != nil {
			return string(head), err
		}
		head = append(head, one[0])
	}
	return string(head), nil
}

// peer is one end of a connection in a test; everything fails within seconds.
type peer struct {
	*net.TCPConn
	t testing.TB
}

func newPeer(t testing.TB, c *net.TCPConn) *peer {
	t.Helper()
	t.Cleanup(func() { c.Close() })
	p := &peer{c, t}
	p.extend()
	return p
}

// extend gives everything on this connection another ten seconds.
func (p *peer) extend() {
	p.t.Helper()
	if err := p.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		p.t.Fatal(err)
	}
}

func dial(t testing.TB, addr netip.AddrPort) *peer {
	t.Helper()
	c, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(addr))
	if err != nil {
		t.Fatal(err)
	}
	return newPeer(t, c)
}

func (p *peer) send(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p, text); err != nil {
		p.t.Fatalf("sending %.20q: %v", text, err)
	}
}

func (p *peer) expect(text string) {
	p.t.Helper()
	got := make([]byte, len(text))
	n, err := io.ReadFull(p, got)
	if err != nil || string(got) != text {
		p.t.Fatalf("read %q, %v; want %q", got[:n], err, text)
	}
}

// expectEnd checks that FIN comes next.
func (p *peer) expectEnd() {
	p.t.Helper()
	if n, err := p.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		p.t.Fatalf("read %d bytes, %v; want the end", n, err)
	}
}

// silent checks that nothing comes for a moment.
func (p *peer) silent() {
	p.t.Helper()
	if err := p.SetReadDeadline(time.Now().Add(40 * time.Millisecond)); err != nil {
		p.t.Fatal(err)
	}
	if n, err := p.Read(make([]byte, 1)); !os.IsTimeout(err) {
		p.t.Fatalf("read %d bytes, %v; want nothing", n, err)
	}
	if err := p.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) reset() {
	p.t.Helper()
	if err := p.SetLinger(0); err != nil {
		p.t.Fatal(err)
	}
	p.Close()
}

// all reads to the end and tells how it came.
func (p *peer) all() (string, error) {
	data, err := io.ReadAll(p)
	return string(data), err
}

// serve runs a tunnel in this process until the test ends.
func serve(t testing.TB, o Options) *Server {
	t.Helper()
	if !o.Listen.IsValid() {
		o.Listen = anyPort
	}
	s, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return s
}

// open opens a tunnel and gives both of its peers.
func open(t testing.TB, addr netip.AddrPort, b *backend) (client, server *peer) {
	t.Helper()
	client = dial(t, addr)
	client.send(upgradeRequest)
	server = b.accept()
	server.expect(upgradeRequest)
	server.send(switching)
	client.expect(switching)
	return client, server
}

// on looks at a server's state from its loop's thread.
func on[T any](t testing.TB, s *Server, look func() T) T {
	t.Helper()
	seen := make(chan T, 1)
	if !s.loop.Post(func() { seen <- look() }) {
		t.Fatal("the loop has ended")
	}
	return <-seen
}

// eventually waits for something that another process or thread is about to do.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within five seconds: %s", what)
		}
	}
}

// clean checks that a server holds nothing any more.
func clean(t testing.TB, s *Server) {
	t.Helper()
	eventually(t, "everything is given back", func() bool {
		return on(t, s, func() bool {
			return s.loop.Open() == 1 && s.admitted == 0 && s.pool.lent == 0 && len(s.unwatched) == 0
		})
	})
	if n := s.Stats().Open; n != 0 {
		t.Errorf("%d tunnels are said to be open", n)
	}
}

func backends(all ...*backend) (addrs []netip.AddrPort) {
	for _, b := range all {
		addrs = append(addrs, b.addr)
	}
	return addrs
}
