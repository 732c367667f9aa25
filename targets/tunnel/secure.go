package tunnel

import (
	"crypto/tls"
	"errors"

	"wsgauge/internal/evloop"
	"wsgauge/internal/tlsconn"
)

// handshakesAtOnce bounds the TLS handshakes of a process that are under way, on
// both legs together.
const handshakesAtOnce = 1 << 14

// security is what a server needs besides when a leg of it speaks TLS. The
// connections are found by their descriptors, so that a plain tunnel stays as
// small as it is.
type security struct {
	engine   *tlsconn.Engine
	front    *tls.Config   // nil: plain
	backends []*tls.Config // by backend; empty: plain
	conns    []*tlsconn.Conn
}

func newSecurity(o *Options) *security {
	if o.TLS == nil && o.BackendTLS == nil {
		return nil
	}
	s := &security{engine: tlsconn.NewEngine(handshakesAtOnce), front: o.TLS}
	for _, b := range o.Backends {
		c := o.BackendTLS
		if c != nil && c.ServerName == "" {
			c = c.Clone()
			c.ServerName = b.Addr().String()
		}
		s.backends = append(s.backends, c)
	}
	return s
}

func (s *security) put(fd int, c *tlsconn.Conn) {
	for fd >= len(s.conns) {
		s.conns = append(s.conns, nil)
	}
	s.conns[fd] = c
}

// tls returns the TLS connection of an end, nil when it is plain or closed.
func (t *tunnel) tls(e *end) *tlsconn.Conn {
	s := t.server.security
	if s == nil || e.fd < 0 || int(e.fd) >= len(s.conns) {
		return nil
	}
	return s.conns[e.fd]
}

// secureClient makes the client's side speak TLS, when the server does.
func (t *tunnel) secureClient() {
	if s := t.server.security; s != nil && s.front != nil {
		s.put(int(t.client.fd), s.engine.Server(s.front))
	}
}

// secureBackend prepares the backend's side, when it speaks TLS.
func (t *tunnel) secureBackend(backend int) bool {
	s := t.server.security
	if s == nil || s.backends[backend] == nil {
		return false
	}
	s.put(int(t.backend.fd), s.engine.Client(s.backends[backend]))
	return true
}

// forgetTLS is called before the end's descriptor is closed.
func (t *tunnel) forgetTLS(e *end) {
	if c := t.tls(e); c != nil {
		c.Close()
		t.server.security.conns[e.fd] = nil
	}
}

// room gives the buffer for one read of e, limit bytes of it when it is plain.
func (t *tunnel) room(e *end, limit int) []byte {
	if t.tls(e) != nil {
		limit = readLen
	}
	return t.server.loop.Scratch()[:limit]
}

func (t *tunnel) readFrom(e *end, p []byte) (int, error) {
	if c := t.tls(e); c != nil {
		return c.Read(int(e.fd), p)
	}
	return evloop.Read(int(e.fd), p)
}

func (t *tunnel) writeTo(e *end, p []byte) (int, error) {
	if c := t.tls(e); c != nil {
		return c.Write(int(e.fd), p)
	}
	return evloop.Write(int(e.fd), p)
}

func (t *tunnel) endWrites(e *end) error {
	if c := t.tls(e); c != nil {
		return c.EndWrites(int(e.fd))
	}
	return evloop.EndWrites(int(e.fd))
}

// atEnd tells whether TLS has read the end of e's stream, which no event of its
// socket tells of again.
func (t *tunnel) atEnd(e *end) bool {
	c := t.tls(e)
	return c != nil && c.Ended()
}

// insecure counts an end by TLS itself, and tells whether err is one.
func (t *tunnel) insecure(err error) bool {
	if err == nil || t.server.security == nil {
		return false
	}
	if e := (*tlsconn.Error)(nil); !errors.As(err, &e) {
		return false
	}
	t.server.stats.insecure.Add(1)
	return true
}

// secured goes on with the handshake with the backend, and with the request once
// it is over.
func (o *opening) secured() {
	t := o.tunnel
	c := t.tls(&t.backend)
	p := t.room(&t.backend, readLen)
	n, err := c.Read(int(t.backend.fd), p)
	if !c.Ready() {
		if err == evloop.ErrAgain {
			o.watch()
			return
		}
		t.insecure(err)
		o.failed(err)
		return
	}
	o.connected()
	if err := t.drain(&t.backend); err != nil {
		o.failed(err)
		return
	}
	o.watch()
	if n > 0 {
		o.readAnswer(p[:n])
	}
}
