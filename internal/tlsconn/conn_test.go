package tlsconn

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"testing"

	"wsgauge/internal/evloop"
)

// echo sends back what comes, then ends the stream as it ended.
func echo(c *tls.Conn) {
	io.Copy(c, c)
	c.CloseWrite()
}

func TestEcho(t *testing.T) {
	both(t, func(t *testing.T, version string, client bool) {
		s := talk(t, newLink(), version, client, echo)
		s.shake()
		if got := s.conn.State(); tls.VersionName(got.Version) != "TLS "+version || got.DidResume {
			t.Errorf("agreed on %s", tls.VersionName(got.Version))
		}
		sent := make([]byte, 300_000)
		rand.NewChaCha8([32]byte{}).Read(sent)
		if n, err := s.conn.Write(0, sent); n != len(sent) || err != nil {
			t.Fatalf("Write: %d, %v", n, err)
		}
		s.conn.Notify(0)
		for s.turn() {
		}
		if s.err != io.EOF || !s.conn.Notified() {
			t.Errorf("ended with %v, notified %v", s.err, s.conn.Notified())
		}
		if !bytes.Equal(s.got, sent) {
			t.Errorf("got %d bytes back of %d, or others", len(s.got), len(sent))
		}
		if _, err := s.conn.Write(0, []byte("more")); err == nil {
			t.Error("written after close_notify")
		}
	})
}

// A socket that takes a few bytes, or none, makes writes short; what was not
// accepted is offered again, and arrives once.
func TestFullSocket(t *testing.T) {
	both(t, func(t *testing.T, version string, client bool) {
		l := newLink()
		s := talk(t, l, version, client, echo)
		s.shake()
		room := 0
		l.write = func() int { n := room; room = 0; return n }
		sent := make([]byte, 100_000)
		rand.NewChaCha8([32]byte{1}).Read(sent)
		if n, err := s.conn.Write(0, sent); n != 0 || err != evloop.ErrAgain {
			t.Fatalf("a full socket took %d bytes, %v", n, err)
		}
		room = 32_000 // not all of the first piece
		if n, err := s.conn.Write(0, sent); n != 0 || err != evloop.ErrAgain {
			t.Fatalf("bytes counted that the socket has not taken: %d, %v", n, err)
		}
		room = 40_000
		done, err := s.conn.Write(0, sent)
		if done != chunkLen || err != nil {
			t.Fatalf("%d, %v", done, err)
		}
		l.write = func() int { return 1 << 30 }
		for done < len(sent) {
			n, err := s.conn.Write(0, sent[done:])
			if done += n; err != nil && err != evloop.ErrAgain {
				t.Fatal(err)
			}
		}
		if s.conn.pending != nil {
			t.Error("a buffer is kept")
		}
		s.conn.Notify(0)
		for s.turn() {
		}
		if !bytes.Equal(s.got, sent) {
			t.Errorf("got %d bytes back of %d, or others", len(s.got), len(sent))
		}
	})
}

// The peer's end of the stream, as it should be and otherwise.
func TestEnds(t *testing.T) {
	both(t, func(t *testing.T, version string, client bool) {
		bye := []byte("goodbye")
		s := talk(t, newLink(), version, client, func(c *tls.Conn) { c.Write(bye); c.CloseWrite() })
		for s.turn() {
		}
		if s.err != io.EOF || !s.conn.Notified() || !bytes.Equal(s.got, bye) {
			t.Errorf("close_notify: %v, notified %v, %q", s.err, s.conn.Notified(), s.got)
		}
		s = talk(t, newLink(), version, client, func(c *tls.Conn) { c.Write(bye) })
		for s.turn() {
		}
		if s.err != io.EOF || s.conn.Notified() || !bytes.Equal(s.got, bye) {
			t.Errorf("FIN: %v, notified %v, %q", s.err, s.conn.Notified(), s.got)
		}
		s = talk(t, newLink(), version, client, func(c *tls.Conn) { c.Write(bye); c.NetConn().Write([]byte{23, 3, 3, 0, 99, 1}) })
		for s.turn() {
		}
		s.wants(false, Truncated)
		s = talk(t, newLink(), version, client, func(c *tls.Conn) { c.Write(bye); c.NetConn().Write(bytes.Repeat([]byte{23, 3, 3, 0, 30}, 9)) })
		for s.turn() {
		}
		s.wants(false, Broken)
		if !bytes.Equal(s.got, bye) {
			t.Errorf("what came before is %q", s.got)
		}
	})
}

func (s *session) wants(handshake bool, cause Cause) {
	s.t.Helper()
	var e *Error
	if !errors.As(s.err, &e) || e.Handshake != handshake || e.Cause != cause {
		s.t.Errorf("ended with %v, want handshake %v and cause %d", s.err, handshake, cause)
	}
	if _, err := s.conn.Read(0, s.buffer); err != s.err {
		s.t.Errorf("and then with %v", err)
	}
}

// Ends of the handshake: bytes that are no TLS, a stream that is cut off at every
// length, a client that does not trust us, one without a common version.
func TestHandshakeFails(t *testing.T) {
	clientConfig, serverConfig := configs(t, "", false)
	server := func(t *testing.T, bytes []byte) *session {
		l := newLink()
		s := &session{t: t, link: l, engine: NewEngine(1), buffer: make([]byte, MinRead)}
		l.sockets(s.engine)
		l.toUs, l.theyEnd = bytes, true
		s.conn = s.engine.Server(serverConfig)
		for s.turn() {
		}
		if s.engine.Handshakes() != 0 {
			t.Error("the handshake is still under way")
		}
		return s
	}
	t.Run("garbage", func(t *testing.T) { server(t, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")).wants(true, Broken) })
	t.Run("alert", func(t *testing.T) { server(t, []byte{21, 3, 3, 0, 2, 2, 40}).wants(true, Refused) })
	t.Run("oversized", func(t *testing.T) { server(t, []byte{22, 3, 1, 255, 255, 1}).wants(true, Broken) })
	t.Run("cut off", func(t *testing.T) {
		l := newLink()
		e := NewEngine(1)
		l.sockets(e)
		c := e.Client(clientConfig)
		if err := c.Start(0); err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		hello := l.toPeer
		for n := range len(hello) {
			server(t, hello[:n:n]).wants(true, Truncated)
		}
	})
	t.Run("distrust", func(t *testing.T) {
		l := newLink()
		s := talk(t, l, "", false, nil)
		stranger := clientConfig.Clone()
		stranger.ServerName = "example.org"
		s2 := &session{t: t, link: newLink(), engine: NewEngine(1), buffer: make([]byte, MinRead)}
		s2.link.sockets(s2.engine)
		s2.conn = s2.engine.Client(stranger)
		ended := make(chan error, 1)
		go func() { ended <- tls.Server(peerEnd{s2.link}, serverConfig).Handshake(); peerEnd{s2.link}.Close() }()
		if err := s2.conn.Start(0); err != nil {
			t.Fatal(err)
		}
		for s2.turn() {
		}
		s2.wants(true, Broken)
		s2.link.end()
		var op *net.OpError
		if err := <-ended; !errors.As(err, &op) || op.Op != "remote error" {
			t.Errorf("the server heard %v instead of an alert", err)
		}
		s.shake()
	})
	t.Run("version", func(t *testing.T) {
		old, err := ServerConfigFor(t, Options{Max: "1.2"})
		if err != nil {
			t.Fatal(err)
		}
		l := newLink()
		s := &session{t: t, link: l, engine: NewEngine(1), buffer: make([]byte, MinRead)}
		l.sockets(s.engine)
		s.conn = s.engine.Server(old)
		modern := clientConfig.Clone()
		modern.MinVersion = tls.VersionTLS13
		ended := make(chan error, 1)
		go func() { ended <- tls.Client(peerEnd{l}, modern).Handshake() }()
		for s.turn() {
		}
		s.wants(true, Broken)
		l.end()
		if err := <-ended; err == nil {
			t.Error("the client went on")
		}
	})
}

// ServerConfigFor is a server's configuration for versions of the test's choice.
func ServerConfigFor(t *testing.T, o Options) (*tls.Config, error) {
	t.Helper()
	c, err := o.config()
	if err != nil {
		return nil, err
	}
	trusted, err := madeTrust()
	if err != nil {
		return nil, err
	}
	c.Certificates = trusted.server.Certificates
	return c, nil
}

func TestResumption(t *testing.T) {
	for _, version := range []string{"1.2", "1.3"} {
		for _, resumption := range []bool{false, true} {
			client, server := configs(t, version, resumption)
			for i := range 3 {
				l := newLink()
				e := NewEngine(1)
				l.sockets(e)
				s := &session{t: t, link: l, engine: e, conn: e.Client(client), buffer: make([]byte, MinRead)}
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					c := tls.Server(peerEnd{l}, server)
					c.Write([]byte("x"))
					c.Close()
				}()
				if err := s.conn.Start(0); err != nil {
					t.Fatal(err)
				}
				for s.turn() {
				}
				<-ended
				if got, want := s.conn.State().DidResume, resumption && i > 0; got != want {
					t.Errorf("TLS %s, resumption %v: connection %d resumed: %v", version, resumption, i, got)
				}
			}
		}
	}
}

// No more handshakes are under way than the engine allows, and those that nobody
// finishes end with the engine or their connection, coroutine and all.
func TestStalledHandshakes(t *testing.T) {
	client, _ := configs(t, "", false)
	before := runtime.NumGoroutine()
	l := newLink()
	e := NewEngine(3)
	l.sockets(e)
	var conns []*Conn
	for range 3 {
		c := e.Client(client)
		if err := c.Start(0); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	extra := e.Client(client)
	if err := extra.Start(0); !errors.Is(err, ErrCrowded) {
		t.Errorf("one too many: %v", err)
	}
	conns[0].Close()
	conns[0].Close()
	if err := e.Client(client).Start(0); err != nil {
		t.Errorf("a place is free: %v", err)
	}
	e.Close()
	if n := e.Handshakes(); n != 0 {
		t.Errorf("%d handshakes are left", n)
	}
	if err := e.Client(client).Start(0); !errors.Is(err, ErrCrowded) {
		t.Errorf("a handshake after the end: %v", err)
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines are left", n-before)
	}
}

// After the handshake a connection has no goroutine; traffic makes none.
func TestNoGoroutineAfterTheHandshake(t *testing.T) {
	both(t, func(t *testing.T, version string, client bool) {
		before := runtime.NumGoroutine()
		s := talk(t, newLink(), version, client, echo)
		s.shake()
		if n := runtime.NumGoroutine(); n > before+1 { // the peer's
			t.Errorf("%d goroutines more", n-before-1)
		}
	})
}

// A peer that goes on asking for new keys and never reads the answers is let go.
func TestUnreadAnswersAreBounded(t *testing.T) {
	l := newLink()
	c := NewEngine(1)
	l.sockets(c)
	l.write = func() int { return 0 }
	conn := &Conn{engine: c}
	for range maxPending / 1000 {
		c.out = append(c.out[:0], make([]byte, 1000)...)
		if err := conn.emit(0); err != evloop.ErrAgain {
			t.Fatal(err)
		}
	}
	c.out = append(c.out[:0], make([]byte, 1000)...)
	if err := conn.emit(0); err != errBacklog || len(conn.pending) > maxPending {
		t.Errorf("%v with %d bytes waiting", err, len(conn.pending))
	}
}

func TestMisuse(t *testing.T) {
	client, _ := configs(t, "", false)
	e := NewEngine(1)
	newLink().sockets(e)
	c := e.Client(client)
	defer c.Close()
	if _, err := c.Write(0, []byte("x")); err == nil {
		t.Error("written before the handshake")
	}
	if _, err := c.Read(0, make([]byte, MinRead-1)); err == nil {
		t.Error("read without room")
	}
	if _, err := (Options{Min: "1.1"}).config(); err == nil {
		t.Error("TLS 1.1")
	}
	if _, err := (Options{Min: "1.3", Max: "1.2"}).config(); err == nil {
		t.Error("1.3 to 1.2")
	}
	if _, err := ClientConfig([]byte("none"), "x", Options{}); err == nil {
		t.Error("no authority")
	}
	if _, err := ServerConfig("/nonexistent", "/nonexistent", Options{}); err == nil {
		t.Error("no certificate")
	}
}
