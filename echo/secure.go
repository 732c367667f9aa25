package echo

import (
	"crypto/tls"
	"errors"
	"time"

	"wsgauge/internal/evloop"
	"wsgauge/internal/tlsconn"
)

const (
	// handshakesAtOnce bounds the TLS handshakes of a loop that are under way.
	handshakesAtOnce = 1 << 14
	// handshakeLimit bounds the time of one, so that clients which never go on
	// leave.
	handshakeLimit = 10 * time.Second
)

// secure makes a connection speak TLS when the server does.
func (w *worker) secure(c *conn, config *tls.Config) {
	if config == nil {
		return
	}
	if w.tls == nil {
		w.tls = tlsconn.NewEngine(handshakesAtOnce)
	}
	c.tls = w.tls.Server(config)
	w.loop.Arm(&c.timer, evloop.Now()+int64(handshakeLimit))
}

// read reads once.
func (c *conn) read(p []byte) (int, error) {
	if c.tls == nil {
		return evloop.Read(c.fd, p)
	}
	greeted := c.tls.Ready()
	n, err := c.tls.Read(c.fd, p)
	if !greeted && c.tls.Ready() {
		c.worker.loop.Disarm(&c.timer)
	}
	return n, err
}

// write writes once.
func (c *conn) write(p []byte) (int, error) {
	if c.tls == nil {
		return evloop.Write(c.fd, p)
	}
	return c.tls.Write(c.fd, p)
}

// endWrites sends what ends our half of the stream.
func (c *conn) endWrites() error {
	if c.tls == nil {
		return evloop.EndWrites(c.fd)
	}
	return c.tls.EndWrites(c.fd)
}

// insecure counts an end by TLS itself, and tells whether err is one. Its alert
// has been sent, and is to be read before the connection goes.
func (c *conn) insecure(err error) bool {
	if err == nil || err == evloop.ErrAgain || c.tls == nil {
		return false
	}
	if e := (*tlsconn.Error)(nil); !errors.As(err, &e) {
		return false
	}
	c.worker.server.insecure.Add(1)
	return true
}

// TLSFailures returns how many connections TLS itself has ended: bytes that were
// no TLS, alerts, streams that were cut off.
func (s *Server) TLSFailures() int { return int(s.insecure.Load()) }
