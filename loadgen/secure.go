package loadgen

import (
	"crypto/tls"
	"errors"

	"wsgauge/internal/evloop"
	"wsgauge/internal/tlsconn"
)

// handshakesAtOnce bounds the TLS handshakes of a worker that are under way. Each
// has a stack until it is over, so a target that accepts and never answers costs
// memory here; far beyond what a machine opens at once, an attempt fails as
// tls_crowded, which is the generator's doing.
const handshakesAtOnce = 1 << 16

// secures makes what the worker's TLS connections share.
func (w *worker) secures() *tlsconn.Engine {
	if w.tls == nil {
		w.tls = tlsconn.NewEngine(handshakesAtOnce)
		w.tls.ReadWith(func(fd int, p []byte) (n int, err error) {
			if !w.stamping {
				return evloop.Read(fd, p)
			}
			n, w.age, err = evloop.ReadStamped(fd, p)
			return n, err
		})
	}
	return w.tls
}

// tlsConfig returns the configuration for a connect step. Steps that ask for the
// same share one, and with it the sessions to take up again.
func (w *worker) tlsConfig(o TLSOptions) (*tls.Config, error) {
	if c := w.tlsConfigs[o]; c != nil {
		return c, nil
	}
	trust := w.assignment.TLS
	c, err := tlsconn.ClientConfig([]byte(trust.CA), trust.Name, tlsconn.Options(o))
	if err != nil {
		return nil, err
	}
	c.InsecureSkipVerify = trust.Insecure
	if w.tlsConfigs == nil {
		w.tlsConfigs = map[TLSOptions]*tls.Config{}
	}
	w.tlsConfigs[o] = c
	return c, nil
}

// startTLS begins the handshake on a socket that has just connected.
func (c *conn) startTLS() {
	w := c.worker
	config, err := w.tlsConfig(c.opening.plan.TLS)
	if err != nil {
		w.broken(err)
		c.failOpening("tls_failed")
		return
	}
	c.tls = w.secures().Client(config)
	c.state = securing
	if err := c.tls.Start(int(c.fd)); err != nil {
		c.failOpening(tlsClass(err))
		return
	}
	c.want()
}

// secure goes on with the handshake, and sends the request when it is over.
func (c *conn) secure() {
	w := c.worker
	buf := w.loop.Scratch()
	n, _, err := c.receive(buf)
	now := evloop.Now()
	w.now = now
	switch {
	case c.tls.Ready():
	case err == evloop.ErrAgain:
		c.want()
		return
	default:
		c.failOpening(tlsClass(err))
		return
	}
	c.rec().Record(TLS, now-c.opening.connected)
	c.rec().Agreed(c.tls.State())
	c.askUpgrade(now)
	if n > 0 && c.state == upgrading { // before it was asked: that is for the head to judge
		c.upgradeBytes(buf[:n])
	}
	c.checkTLSEnd()
}

// checkTLSEnd sees to an end of the stream that came together with data: no event
// of the socket tells of it again.
func (c *conn) checkTLSEnd() {
	if c.state != ended && c.tls != nil && c.tls.Ended() {
		c.readOnce()
	}
}

// tlsClass is the failure that the end of a handshake counts as.
func tlsClass(err error) string {
	var e *tlsconn.Error
	switch {
	case !errors.As(err, &e), e.Cause == tlsconn.Truncated:
		return "tls_closed" // FIN or RST
	case e.Cause == tlsconn.Crowded:
		return "tls_crowded"
	}
	return "tls_failed"
}

// tlsEnded is the end of a connection by TLS, after the handshake.
func (c *conn) tlsEnded(e *tlsconn.Error) {
	switch {
	case e.Cause == tlsconn.Refused:
		c.peerEnded("closed_by_alert")
	case e.Cause == tlsconn.Truncated:
		c.peerEnded("closed_truncated")
	case c.state == upgrading:
		c.failOpening("tls_failed")
	default:
		if c.state == open {
			c.rec().Fail("tls_failed")
			c.lost()
		}
		c.end("closed_by_us") // the alert is out
	}
}

// endClass is the closure that the end of the stream counts as. Without
// close_notify a peer may have been cut off (RFC 8446 section 6.1).
func (c *conn) endClass() string {
	if c.tls != nil && !c.tls.Notified() {
		return "closed_without_notify"
	}
	return "closed_by_peer"
}

// put writes once to the socket.
func (c *conn) put(p []byte) (int, error) {
	if c.tls != nil {
		return c.tls.Write(int(c.fd), p)
	}
	return evloop.Write(int(c.fd), p)
}

// letGo gives back what TLS holds. Who ends a connection in order says so.
func (c *conn) letGo() {
	if c.tls == nil {
		return
	}
	if c.state == closingClean || c.state == answering {
		c.tls.Notify(int(c.fd))
	}
	c.tls.Close()
	c.tls = nil
}

// Agreed counts what a TLS handshake has agreed on.
func (r *Recorder) Agreed(s tls.ConnectionState) {
	text := tls.VersionName(s.Version) + " " + tls.CipherSuiteName(s.CipherSuite)
	if s.DidResume {
		text += " resumed"
	}
	add(&r.Counts.TLS, text, 1)
}
