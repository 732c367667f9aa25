package tlsconn

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"

	"wsgauge/internal/evloop"
)

// Conn is one end of a TLS connection. It does not hold the socket: every call
// names it.
type Conn struct {
	engine *Engine
	tls    *tls.Conn
	flight *flight // while the handshake is under way

	pending []byte // encrypted; the socket has not taken pending[sent:]
	sent    int
	owed    int // bytes of the caller's that are in pending and not yet accepted

	records  records
	end      error // what every further Read gives; io.EOF stands for (0, nil)
	ready    bool  // the handshake is over
	finGiven bool  // crypto/tls has been told of the end of the stream
	notified bool  // the peer has ended the stream by close_notify
	closed   bool
}

// Ready tells whether the handshake is over and application data may be written.
func (c *Conn) Ready() bool { return c.ready }

// Ended tells whether the next [Conn.Read] gives the end of the stream, or the
// error that ended it, without looking at the socket. No event of the socket
// may announce it any more: whoever has read, asks.
func (c *Conn) Ended() bool { return c.end != nil }

// Notified tells whether the peer has ended the stream as it should (close_notify,
// RFC 8446 section 6.1), and not by FIN alone.
func (c *Conn) Notified() bool { return c.notified }

// Blocked tells whether something of TLS's own (not of the application's) waits
// for the socket to take it: an event of its being writable should lead to a
// [Conn.Read], which sends it. A handshake goes on only then.
func (c *Conn) Blocked() bool { return c.owed == 0 && len(c.pending) > 0 }

// State describes what the handshake has agreed on.
func (c *Conn) State() tls.ConnectionState { return c.tls.ConnectionState() }

// Start begins the client's handshake once the socket is connected: it sends the
// ClientHello. [Conn.Read] goes on with it.
func (c *Conn) Start(fd int) error {
	if _, err := c.take(fd, nil, false, nil); err != evloop.ErrAgain {
		return err
	}
	return nil
}

// Read reads the socket once and gives what application data came of it: n bytes
// in p, which must have room for [MinRead]; (0, nil) at the end of the stream;
// evloop.ErrAgain when nothing is there, which is so as long as the handshake
// lasts; an errno of the socket; or an [*Error]. What TLS itself has to say
// (handshake, alerts, answers to key updates) is sent in the same call.
func (c *Conn) Read(fd int, p []byte) (int, error) {
	if len(p) < MinRead {
		return 0, fmt.Errorf("tls: room for %d bytes; a read needs %d", len(p), MinRead)
	}
	if c.end != nil {
		return 0, c.ended()
	}
	e := c.engine
	if c.Blocked() {
		if err := c.flush(fd); err != nil && err != evloop.ErrAgain {
			return 0, err
		}
	}
	// No more than fits: every record of it is longer than its content, so all
	// that becomes readable finds room in p.
	room := min(len(p), len(e.socket)) - c.records.inside
	k, err := e.read(fd, e.socket[:room])
	if err != nil {
		return 0, err
	}
	return c.take(fd, e.socket[:k], k == 0, p)
}

// ended is what the end of the stream looks like to a reader.
func (c *Conn) ended() error {
	if c.end == io.EOF {
		return nil
	}
	return c.end
}

// take gives crypto/tls what the socket brought, and the socket what crypto/tls
// has to say to it.
func (c *Conn) take(fd int, in []byte, fin bool, p []byte) (int, error) {
	e := c.engine
	e.in, e.fin, e.out = in, fin, e.out[:0]
	c.records.pass(in)
	n, err := c.advance(p)
	e.in = nil
	said := c.emit(fd)
	switch {
	case said == errBacklog:
		err = said
	case err == errWait && n > 0:
		return n, nil
	case err == errWait && said != nil:
		return 0, said // the socket is broken, or full; then there is nothing to do now
	case err == errWait:
		return 0, evloop.ErrAgain
	}
	c.end = c.classify(err)
	if n > 0 {
		return n, nil
	}
	return 0, c.ended()
}

// advance goes on with the handshake and then reads until crypto/tls wants more
// than there is.
func (c *Conn) advance(p []byte) (n int, err error) {
	if !c.ready {
		if err := c.handshake(); err != nil {
			return 0, err
		}
	}
	for n < len(p) {
		m, err := c.tls.Read(p[n:])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, errWait
}

// classify says what the error of crypto/tls means to its user.
func (c *Conn) classify(err error) error {
	if c.ready && err == io.EOF {
		c.notified = !c.finGiven
		return io.EOF
	}
	cause := Broken
	var op *net.OpError
	switch {
	case errors.Is(err, ErrCrowded):
		cause = Crowded
	case c.finGiven:
		cause = Truncated
	case errors.As(err, &op) && op.Op == "remote error":
		cause = Refused
	}
	return &Error{Handshake: !c.ready, Cause: cause, Err: err}
}

// Write writes application data: as much as the socket takes now, evloop.ErrAgain
// when that is nothing. After a short count or ErrAgain the next call must begin
// with the same bytes that this one did not accept; they may already be
// encrypted. The handshake must be over.
func (c *Conn) Write(fd int, p []byte) (n int, err error) {
	if !c.ready || c.closed {
		return 0, errors.New("tls: a write before the handshake is over, or after the end")
	}
	e := c.engine
	for {
		if len(c.pending) > 0 {
			if err = c.flush(fd); err != nil {
				break
			}
		}
		n += min(c.owed, len(p)-n)
		c.owed = 0
		if n == len(p) {
			return n, nil
		}
		e.out = e.out[:0]
		chunk := p[n:min(len(p), n+chunkLen)]
		if _, err := c.tls.Write(chunk); err != nil {
			return n, &Error{Cause: Broken, Err: err}
		}
		c.owed = len(chunk)
		if err = c.emit(fd); err != nil {
			break
		}
	}
	if n > 0 && err == evloop.ErrAgain {
		err = nil
	}
	return n, err
}

// EndWrites ends our half of the stream: close_notify, when the socket takes it
// at once, then FIN. What was written before must have been accepted.
func (c *Conn) EndWrites(fd int) error {
	c.Notify(fd)
	return evloop.EndWrites(fd)
}

// Notify sends close_notify, when the handshake is over and the socket takes it
// at once. Nothing can be written after it.
func (c *Conn) Notify(fd int) {
	if !c.ready || c.closed || len(c.pending) > 0 {
		return
	}
	e := c.engine
	e.out = e.out[:0]
	// What it could complain of is the end of the connection, which is what
	// comes next anyway.
	if c.tls.CloseWrite() == nil {
		_ = c.emit(fd)
	}
}

// Close gives back what the connection holds, and ends its handshake. It sends
// nothing and leaves the socket alone.
func (c *Conn) Close() {
	if c.closed {
		return
	}
	c.closed = true
	if c.end == nil {
		c.end = net.ErrClosed
	}
	if f := c.flight; f != nil {
		f.stop()
		c.landed()
	}
	c.engine.giveBack(c.pending)
	c.pending, c.sent, c.owed = nil, 0, 0
}

// emit writes what crypto/tls has written; what the socket does not take waits.
func (c *Conn) emit(fd int) error {
	e := c.engine
	out := e.out
	if len(out) == 0 {
		return nil
	}
	e.out = out[:0]
	if len(c.pending) == 0 {
		n, err := e.write(fd, out)
		if err != nil && err != evloop.ErrAgain {
			return err
		}
		if out = out[n:]; len(out) == 0 {
			return nil
		}
		c.pending, c.sent = e.borrow(), 0
	}
	if len(c.pending)-c.sent+len(out) > maxPending {
		return errBacklog
	}
	c.pending = append(c.pending, out...)
	return evloop.ErrAgain
}

// flush writes what waits; ErrAgain when some of it still does.
func (c *Conn) flush(fd int) error {
	n, err := c.engine.write(fd, c.pending[c.sent:])
	if err != nil {
		return err
	}
	if c.sent += n; c.sent < len(c.pending) {
		return evloop.ErrAgain
	}
	c.engine.giveBack(c.pending)
	c.pending, c.sent = nil, 0
	return nil
}
