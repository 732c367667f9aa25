package echo

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestProbe(t *testing.T) {
	s := serve(t, Options{})
	for range 3 {
		began := time.Now()
		if err := Probe(within(t, 5*time.Second), s.Addr(), "example.test", "/ws?x=1", netip.MustParseAddr("127.0.0.7")); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > probeEnd {
			t.Errorf("took %v: it did not see the server's FIN", took)
		}
	}
	settle(t, "connections", 0, s.Connections)
	if err := Probe(within(t, 5*time.Second), s.Addr(), "", "", netip.Addr{}); err != nil {
		t.Error(err)
	}
}

// fake is a server that does what it likes with one connection.
func fake(t *testing.T, f func(c net.Conn, r *bufio.Reader)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(5 * time.Second))
		f(c, bufio.NewReader(c))
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return netip.MustParseAddrPort(l.Addr().String())
}

// upgrade takes the handshake, then sends more right behind the 101.
func upgrade(c net.Conn, r *bufio.Reader, more ...[]byte) *http.Request {
	req, err := http.ReadRequest(r)
	if err != nil {
		return nil
	}
	var answer bytes.Buffer
	head := "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " +
		req.Header.Get("Sec-WebSocket-Key") + "\r\n\r\n"
	if _, err := ws.Upgrade(struct {
		io.Reader
		io.Writer
	}{strings.NewReader(head), &answer}); err != nil {
		return nil
	}
	for _, m := range more {
		answer.Write(m)
	}
	c.Write(answer.Bytes())
	return req
}

func read(r *bufio.Reader) ws.Frame {
	f, err := ws.ReadFrame(r)
	if err != nil {
		return ws.Frame{}
	}
	return ws.UnmaskFrameInPlace(f)
}

func TestProbeErrorsNameThePhase(t *testing.T) {
	before := descriptors(t)
	frame := ws.MustCompileFrame
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := netip.MustParseAddrPort(closed.Addr().String())
	closed.Close()
	for _, c := range []struct {
		name, phase, says string
		status            int
		server            func(c net.Conn, r *bufio.Reader)
	}{
		{name: "nobody listens", phase: "dial", says: "refused"},
		{name: "503", phase: "upgrade", says: "status 503", status: 503, server: func(c net.Conn, r *bufio.Reader) {
			http.ReadRequest(r)
			fmt.Fprint(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
		}},
		{name: "closed at once", phase: "upgrade", says: "EOF", server: func(c net.Conn, r *bufio.Reader) { http.ReadRequest(r) }},
		{name: "silence", phase: "upgrade", says: "deadline exceeded", server: func(c net.Conn, r *bufio.Reader) { io.Copy(io.Discard, r) }},
		{name: "another message", phase: "echo", says: "EOF", server: func(c net.Conn, r *bufio.Reader) {
			upgrade(c, r)
			read(r)
			c.Write(frame(ws.NewBinaryFrame(make([]byte, probeLength))))
			c.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, r)
		}},
		{name: "too many others", phase: "echo", says: "first 64 frames", server: func(c net.Conn, r *bufio.Reader) {
			upgrade(c, r, bytes.Repeat(frame(ws.NewTextFrame([]byte("x"))), 100))
			io.Copy(io.Discard, r)
		}},
		{name: "close instead", phase: "echo", says: "code 1011", server: func(c net.Conn, r *bufio.Reader) {
			upgrade(c, r, frame(ws.NewCloseFrame(ws.NewCloseFrameBody(1011, "no"))))
			io.Copy(io.Discard, r)
		}},
		{name: "claims gigabytes", phase: "echo", says: "no echo server", server: func(c net.Conn, r *bufio.Reader) {
			upgrade(c, r, []byte{0x82, 127, 0, 0, 1, 0, 0, 0, 0, 0})
			io.Copy(io.Discard, r)
		}},
		{name: "no close", phase: "close", says: "EOF", server: func(c net.Conn, r *bufio.Reader) {
			upgrade(c, r)
			c.Write(frame(read(r)))
			read(r)
		}},
		{name: "another code", phase: "close", says: "code 1002", server: func(c net.Conn, r *bufio.Reader) {
			upgrade(c, r)
			c.Write(frame(read(r)))
			read(r)
			c.Write(frame(ws.NewCloseFrame(ws.NewCloseFrameBody(1002, ""))))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr := gone
			if c.server != nil {
				addr = fake(t, c.server)
			}
			err := Probe(within(t, 300*time.Millisecond), addr, "example.test", "/p", netip.Addr{})
			var p *ProbeError
			if !errors.As(err, &p) || p.Phase != c.phase || p.Status != c.status {
				t.Fatalf("error: %#v", err)
			}
			for _, part := range []string{c.phase, c.says, addr.String(), "ws://example.test/p"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
	settle(t, "descriptors", before, func() int { return descriptors(t) })
}

// Pings before the echo, together with the 101, are answered; the request is the
// one asked for.
func TestProbeAnswersPings(t *testing.T) {
	requests, pongs := make(chan *http.Request, 1), make(chan ws.Frame, 1)
	addr := fake(t, func(c net.Conn, r *bufio.Reader) {
		requests <- upgrade(c, r, ws.MustCompileFrame(ws.NewPingFrame([]byte("there?"))))
		message := read(r)
		pongs <- read(r)
		c.Write(ws.MustCompileFrame(message))
		c.Write(ws.MustCompileFrame(read(r)))
	})
	if err := Probe(within(t, 5*time.Second), addr, "example.test:81", "/a?b=c", netip.Addr{}); err != nil {
		t.Error(err)
	}
	if r := <-requests; r == nil || r.Host != "example.test:81" || r.RequestURI != "/a?b=c" {
		t.Errorf("request: %+v", r)
	}
	if f := <-pongs; f.Header.OpCode != ws.OpPong || string(f.Payload) != "there?" {
		t.Errorf("pong: %+v", f)
	}
}

// Probe returns when the tunnel is down, not when the closes are through.
func TestProbeWaitsForTheEnd(t *testing.T) {
	const late = 150 * time.Millisecond
	ended := make(chan time.Time, 1)
	addr := fake(t, func(c net.Conn, r *bufio.Reader) {
		upgrade(c, r)
		c.Write(ws.MustCompileFrame(read(r)))
		c.Write(ws.MustCompileFrame(read(r)))
		time.Sleep(late)
		ended <- time.Now()
	})
	if err := Probe(within(t, 10*time.Second), addr, "", "", netip.Addr{}); err != nil {
		t.Error(err)
	}
	if now := time.Now(); len(ended) == 0 || now.Before(<-ended) {
		t.Error("returned before the FIN")
	}
}

// A proxy that never passes the FIN on costs a second, not the probe.
func TestProbeDoesNotWaitForeverForTheEnd(t *testing.T) {
	release := make(chan struct{})
	addr := fake(t, func(c net.Conn, r *bufio.Reader) {
		upgrade(c, r)
		c.Write(ws.MustCompileFrame(read(r)))
		c.Write(ws.MustCompileFrame(read(r)))
		<-release
	})
	defer close(release)
	began := time.Now()
	if err := Probe(within(t, 10*time.Second), addr, "", "", netip.Addr{}); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > probeEnd+2*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestProbeStopsWithItsContext(t *testing.T) {
	addr := fake(t, func(c net.Conn, r *bufio.Reader) { io.Copy(io.Discard, r) })
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	if err := Probe(ctx, addr, "", "", netip.Addr{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error: %v", err)
	}
}
