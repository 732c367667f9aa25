package echo

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

// TestMain makes Go's own poller, which keeps two descriptors from its first use
// on, so that tests can count what is left.
func TestMain(m *testing.M) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	l.Close()
	m.Run()
}

// serve runs a server for the test, and checks at its end that it leaves nothing.
func serve(t testing.TB, o Options) *Server {
	t.Helper()
	before := descriptors(t)
	if !o.Addr.IsValid() {
		o.Addr = loopback
	}
	s, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("Serve did not return")
		}
		if n := s.Connections(); n != 0 {
			t.Errorf("%d connections after the end", n)
		}
		settle(t, "descriptors", before, func() int { return descriptors(t) })
	})
	return s
}

func descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// settle waits until count is at most want: Go's own poller and the other side's
// goroutines take a moment.
func settle(t testing.TB, what string, want int, count func() int) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for count() > want {
		if time.Now().After(deadline) {
			t.Errorf("%s: %d, want %d", what, count(), want)
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// peer is a client's end, raw.
type peer struct {
	t testing.TB
	net.Conn
	*bufio.Reader
}

func (p *peer) Read(b []byte) (int, error) { return p.Reader.Read(b) }

func dial(t testing.TB, s *Server) *peer {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return &peer{t, c, bufio.NewReader(c)}
}

// open dials and upgrades with the library's client.
func open(t testing.TB, s *Server) *peer {
	t.Helper()
	c, early, _, err := ws.Dial(context.Background(), "ws://"+s.Addr().String()+"/any?path")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if early == nil {
		early = bufio.NewReader(c)
	}
	return &peer{t, c, early}
}

func (p *peer) send(b []byte) {
	p.t.Helper()
	if _, err := p.Write(b); err != nil {
		p.t.Fatalf("sending %d bytes: %v", len(b), err)
	}
}

func (p *peer) frame() ws.Frame {
	p.t.Helper()
	f, err := ws.ReadFrame(p.Reader)
	if err != nil {
		p.t.Fatalf("waiting for a frame: %v", err)
	}
	if err := ws.CheckHeader(f.Header, ws.StateClientSide|ws.StateFragmented); err != nil && err != ws.ErrProtocolContinuationExpected {
		p.t.Fatalf("the server sent %+v: %v", f.Header, err)
	}
	return f
}

func (p *peer) expect(op ws.OpCode, fin bool, payload []byte) {
	p.t.Helper()
	f := p.frame()
	if f.Header.OpCode != op || f.Header.Fin != fin || !bytes.Equal(f.Payload, payload) {
		p.t.Fatalf("got opcode %#x fin %t with %d bytes %.40q, want opcode %#x fin %t with %d bytes %.40q",
			f.Header.OpCode, f.Header.Fin, len(f.Payload), f.Payload, op, fin, len(payload), payload)
	}
}

// expectClose wants a Close with code (0 for an empty one) and then the end of
// the stream, not a reset.
func (p *peer) expectClose(code ws.StatusCode) {
	p.t.Helper()
	var body []byte
	if code != 0 {
		body = ws.NewCloseFrameBody(code, "")
	}
	p.expect(ws.OpClose, true, body)
	p.expectEnd()
}

func (p *peer) expectEnd() {
	p.t.Helper()
	if rest, err := io.ReadAll(p.Reader); err != nil || len(rest) != 0 {
		p.t.Fatalf("%d bytes and %v instead of the end of the stream", len(rest), err)
	}
}

// masked compiles a client's frame. The payload is copied.
func masked(op ws.OpCode, fin bool, payload []byte) []byte {
	f := ws.NewFrame(op, fin, bytes.Clone(payload))
	return ws.MustCompileFrame(ws.MaskFrameInPlaceWith(f, [4]byte{0x12, 0xe4, 0x56, 0xf8}))
}

func text(s string) []byte   { return masked(ws.OpText, true, []byte(s)) }
func binary(b []byte) []byte { return masked(ws.OpBinary, true, b) }

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// pattern is n bytes that differ by their place.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8*13 + i>>16)
	}
	return b
}
