package tlsconn

import (
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"wsgauge/internal/certs"
	"wsgauge/internal/evloop"
)

// link is a pair of streams in memory. One end is a net.Conn that blocks, for a
// plain crypto/tls peer; the other a socket as the loop sees it, which takes and
// gives no more at once than the test wants.
type link struct {
	mu       sync.Mutex
	news     sync.Cond
	toPeer   []byte
	toUs     []byte
	weEnded  bool
	theyEnd  bool
	read     func() int // how much the next read brings at most, 1 or more
	write    func() int // how much the next write takes; 0: nothing now
	received int        // bytes from the peer so far
}

func newLink() *link {
	l := &link{read: func() int { return 1 << 20 }, write: func() int { return 1 << 20 }}
	l.news.L = &l.mu
	return l
}

// sockets gives the engine the link in place of a descriptor.
func (l *link) sockets(e *Engine) {
	e.read = func(_ int, p []byte) (int, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.toUs) == 0 {
			if l.theyEnd {
				return 0, nil
			}
			return 0, evloop.ErrAgain
		}
		n := copy(p[:min(len(p), max(1, l.read()))], l.toUs)
		l.toUs = l.toUs[n:]
		l.received += n
		return n, nil
	}
	e.write = func(_ int, p []byte) (int, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		n := min(len(p), l.write())
		if n == 0 {
			return 0, evloop.ErrAgain
		}
		l.toPeer = append(l.toPeer, p[:n]...)
		l.news.Broadcast()
		return n, nil
	}
}

// wait sleeps until something may have come from the peer.
func (l *link) wait() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.toUs) == 0 && !l.theyEnd {
		l.news.Wait()
	}
}

func (l *link) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.weEnded = true
	l.news.Broadcast()
}

// peerEnd is the blocking end.
type peerEnd struct{ *link }

func (p peerEnd) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.toPeer) == 0 {
		if p.weEnded {
			return 0, io.EOF
		}
		p.news.Wait()
	}
	n := copy(b, p.toPeer)
	p.toPeer = p.toPeer[n:]
	return n, nil
}

func (p peerEnd) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.toUs = append(p.toUs, b...)
	p.news.Broadcast()
	return len(b), nil
}

func (p peerEnd) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.theyEnd = true
	p.news.Broadcast()
	return nil
}

func (peerEnd) LocalAddr() net.Addr              { return nowhere{} }
func (peerEnd) RemoteAddr() net.Addr             { return nowhere{} }
func (peerEnd) SetDeadline(time.Time) error      { return nil }
func (peerEnd) SetReadDeadline(time.Time) error  { return nil }
func (peerEnd) SetWriteDeadline(time.Time) error { return nil }

// trust is a certificate and who believes it.
type trust struct {
	files  certs.Files
	ca     []byte
	server *tls.Config
}

var madeTrust = sync.OnceValues(func() (trust, error) {
	dir, err := os.MkdirTemp("", "tlsconn-")
	if err != nil {
		return trust{}, err
	}
	defer os.RemoveAll(dir)
	var t trust
	if t.files, err = certs.Make(dir, []netip.Addr{netip.MustParseAddr("127.0.0.1")}); err != nil {
		return t, err
	}
	if t.ca, err = os.ReadFile(t.files.CA); err != nil {
		return t, err
	}
	t.server, err = ServerConfig(t.files.Cert, t.files.Key, Options{Resumption: true})
	return t, err
})

// configs returns both ends' configurations for one version; empty: any.
func configs(t testing.TB, version string, resumption bool) (client, server *tls.Config) {
	t.Helper()
	trusted, err := madeTrust()
	if err != nil {
		t.Fatal(err)
	}
	client, err = ClientConfig(trusted.ca, "127.0.0.1", Options{Min: version, Max: version, Resumption: resumption})
	if err != nil {
		t.Fatal(err)
	}
	return client, trusted.server
}

// both are the two roles that an engine's end can have.
func both(t *testing.T, f func(t *testing.T, version string, client bool)) {
	for _, version := range []string{"1.2", "1.3"} {
		for role, client := range map[string]bool{"client": true, "server": false} {
			t.Run(version+" "+role, func(t *testing.T) { f(t, version, client) })
		}
	}
}

// session is an engine's end that talks to a plain crypto/tls peer.
type session struct {
	t      testing.TB
	link   *link
	engine *Engine
	conn   *Conn
	got    []byte
	err    error // the end of reading; io.EOF at the end of the stream
	buffer []byte
}

// talk starts both ends; peer runs on the other one, after its handshake.
func talk(t testing.TB, l *link, version string, client bool, peer func(*tls.Conn)) *session {
	t.Helper()
	clientConfig, serverConfig := configs(t, version, false)
	s := &session{t: t, link: l, engine: NewEngine(1), buffer: make([]byte, MinRead)}
	l.sockets(s.engine)
	var theirs *tls.Conn
	if client {
		s.conn = s.engine.Client(clientConfig)
		theirs = tls.Server(peerEnd{l}, serverConfig)
	} else {
		s.conn = s.engine.Server(serverConfig)
		theirs = tls.Client(peerEnd{l}, clientConfig)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer peerEnd{l}.Close()
		if theirs.Handshake() == nil && peer != nil {
			peer(theirs)
		}
	}()
	t.Cleanup(func() {
		s.conn.Close()
		l.end()
		<-ended
		if n := s.engine.Handshakes(); n != 0 {
			t.Errorf("%d handshakes are left", n)
		}
	})
	if client {
		if err := s.conn.Start(0); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// turn waits for the peer and reads once; false at the end.
func (s *session) turn() bool {
	if s.err != nil {
		return false
	}
	if !s.conn.Ended() && !s.conn.Blocked() {
		s.link.wait()
	}
	n, err := s.conn.Read(0, s.buffer)
	s.got = append(s.got, s.buffer[:n]...)
	switch {
	case err == evloop.ErrAgain:
	case err != nil:
		s.err = err
	case n == 0:
		s.err = io.EOF
	}
	return s.err == nil
}

// shake goes on until the handshake is over.
func (s *session) shake() {
	s.t.Helper()
	for !s.conn.Ready() {
		if !s.turn() {
			s.t.Fatalf("the handshake ended with %v", s.err)
		}
	}
}
