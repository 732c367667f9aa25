package tlsconn

import (
	"errors"
	"io"
	"iter"
	"net"
	"time"

	"wsgauge/internal/evloop"
)

// flight is a handshake under way.
type flight struct {
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
	err   error
}

// handshake goes on with the handshake, as far as the bytes at hand allow.
func (c *Conn) handshake() error {
	e := c.engine
	f := c.flight
	if f == nil {
		if e.closed || len(e.flights) >= e.limit {
			return ErrCrowded
		}
		f = &flight{}
		f.next, f.stop = iter.Pull(func(yield func(struct{}) bool) {
			f.yield = yield
			f.err = c.tls.Handshake()
		})
		c.flight = f
		e.flights[c] = struct{}{}
	}
	if _, asleep := f.next(); asleep {
		return errWait
	}
	c.landed()
	if f.err != nil {
		return f.err
	}
	c.ready = true
	return nil
}

func (c *Conn) landed() {
	c.flight = nil
	delete(c.engine.flights, c)
}

// transport is the connection as crypto/tls sees it: reading takes what the
// running call brought, writing gathers what it will send.
type transport Conn

// Read is where a handshake sleeps until more comes, and where a read after it
// ends for now.
func (t *transport) Read(p []byte) (int, error) {
	c := (*Conn)(t)
	e := c.engine
	for len(e.in) == 0 {
		switch {
		case c.closed:
			return 0, net.ErrClosed
		case e.fin:
			c.finGiven = true
			return 0, io.EOF
		case c.flight == nil:
			return 0, errWait
		case !c.flight.yield(struct{}{}):
			return 0, net.ErrClosed
		}
	}
	n := copy(p, e.in)
	e.in = e.in[n:]
	return n, nil
}

// Write gathers.
func (t *transport) Write(p []byte) (int, error) {
	e := (*Conn)(t).engine
	e.out = append(e.out, p...)
	return len(p), nil
}

// Close does nothing: the socket is the caller's.
func (t *transport) Close() error { return nil }

// LocalAddr is asked for by nobody.
func (t *transport) LocalAddr() net.Addr { return nowhere{} }

// RemoteAddr is asked for when a session is stored and no ServerName is known.
func (t *transport) RemoteAddr() net.Addr { return nowhere{} }

// SetDeadline and its likes do nothing: the loop has its own timers.
func (t *transport) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (t *transport) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (t *transport) SetWriteDeadline(time.Time) error { return nil }

type nowhere struct{}

func (nowhere) Network() string { return "memory" }
func (nowhere) String() string  { return "memory" }

// errWait ends a read of crypto/tls that can be taken up again: a net.Error that
// says that it is temporary is the one kind that it does not remember.
var errWait error = wait{}

type wait struct{}

func (wait) Error() string        { return "tls: nothing to read now" }
func (wait) Timeout() bool        { return true }
func (wait) Temporary() bool      { return true }
func (wait) Is(target error) bool { return target == evloop.ErrAgain }

var errBacklog = errors.New("tls: the peer asks for answers and does not read them")
