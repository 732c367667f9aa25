package loadgen

import (
	"bytes"
	"errors"

	"wsgauge/internal/evloop"
	"wsgauge/internal/tlsconn"
	"wsgauge/loadgen/wire"
)

// caller is a connection of an http step. It carries one request at a time.
type caller struct {
	of       *requesting
	timer    evloop.Timer // of the request; leaving: the longest wait for the server's end
	response wire.Response
	tls      *tlsconn.Conn // nil: plain
	unsent   []byte        // of the request
	due      int64         // when the request was due that it carries
	fd       int32
	state    callerState
	used     bool // it has carried a request before
}

type callerState uint8

const (
	callerDialing callerState = iota
	callerSecuring
	callerBusy    // a request is out, its response awaited
	callerIdle    // it may carry another
	callerLeaving // it may not; the server's end is awaited
	callerEnded
)

// leaveWait is how long the server may take to end a connection that it does not want to
// keep. Whoever ends first keeps the port for a minute (TIME_WAIT); with a connection
// for each request that would soon be all ports of the generator.
const leaveWait = int64(1e9)

// maxLeaving bounds the connections of a worker that wait so.
const maxLeaving = 1024

// dial opens a connection for a request.
func (s *requesting) dial(due int64) {
	w := s.worker
	c := &caller{of: s, due: due, fd: -1}
	c.timer.Owner = c
	s.room--
	s.callers[c] = struct{}{}
	number := uint32(w.residue() + s.dials*w.stride())
	s.dials++
	fd, err := evloop.Dial(w.remote(number), w.local(number))
	if err != nil {
		c.fail(dialClass(err))
		return
	}
	c.fd = int32(fd)
	if err := w.loop.Add(fd, evloop.Writable, c); err != nil {
		w.broken(err)
		c.fail("dial_failed")
		return
	}
	w.loop.Arm(&c.timer, evloop.Now()+int64(s.plan.Timeout))
}

// carries tells whether it has a request that is not answered.
func (c *caller) carries() bool { return c.state <= callerBusy }

// Ready serves the socket.
func (c *caller) Ready(ready evloop.Events) {
	switch c.state {
	case callerDialing:
		c.dialed()
		return
	case callerSecuring:
		c.secure()
		return
	}
	if ready.Has(evloop.Writable) && !c.flush() {
		return
	}
	if ready.Has(evloop.Readable | evloop.Broken | evloop.HungUp) {
		c.read()
		for c.state != callerEnded && c.tls != nil && c.tls.Ended() {
			c.read() // its end came together with data: no event tells of it again
		}
	}
}

// dialed takes the outcome of the TCP connect.
func (c *caller) dialed() {
	if err := evloop.SocketError(int(c.fd)); err != nil {
		c.fail(dialClass(err))
		return
	}
	if c.of.tls == nil {
		c.write()
		return
	}
	c.tls = c.of.worker.secures().Client(c.of.tls)
	c.state = callerSecuring
	if err := c.tls.Start(int(c.fd)); err != nil {
		c.fail(tlsClass(err))
		return
	}
	c.want()
}

// secure goes on with the handshake, and sends the request when it is over.
func (c *caller) secure() {
	buf := c.of.worker.loop.Scratch()
	n, err := c.receive(buf)
	switch {
	case c.tls.Ready():
	case err == evloop.ErrAgain:
		c.want()
		return
	default:
		c.fail(tlsClass(err))
		return
	}
	if n > 0 { // nobody has asked anything yet
		c.fail("http_protocol_error")
		return
	}
	c.write()
}

// carry takes a request over an idle connection.
func (c *caller) carry(due int64) {
	w := c.of.worker
	c.due, c.used = due, true
	w.loop.Arm(&c.timer, evloop.Now()+int64(c.of.plan.Timeout))
	c.write()
}

// write begins to send the request.
func (c *caller) write() {
	c.state, c.response, c.unsent = callerBusy, wire.Response{}, c.of.request
	if c.flush() {
		c.want()
	}
}

// flush sends what is left of the request; false when the connection has ended.
func (c *caller) flush() bool {
	if len(c.unsent) == 0 {
		c.want()
		return true
	}
	put := evloop.Write
	if c.tls != nil {
		put = c.tls.Write
	}
	n, err := put(int(c.fd), c.unsent)
	if err != nil && err != evloop.ErrAgain {
		c.broken(err)
		return false
	}
	if c.unsent = c.unsent[n:]; len(c.unsent) == 0 {
		c.want()
	}
	return true
}

// want asks the loop for what the connection waits for now.
func (c *caller) want() {
	want := evloop.Readable
	if len(c.unsent) > 0 || c.tls != nil && c.tls.Blocked() {
		want |= evloop.Writable
	}
	if err := c.of.worker.loop.Want(int(c.fd), want); err != nil {
		c.of.worker.broken(err)
	}
}

func (c *caller) receive(p []byte) (int, error) {
	if c.tls == nil {
		return evloop.Read(int(c.fd), p)
	}
	c.of.worker.stamping = false
	return c.tls.Read(int(c.fd), p)
}

func (c *caller) read() {
	w := c.of.worker
	buf := w.loop.Scratch()
	n, err := c.receive(buf)
	switch {
	case err == evloop.ErrAgain:
		if c.tls != nil {
			c.want()
		}
	case err != nil:
		c.broken(err)
	case n == 0:
		c.closed()
	default:
		c.take(buf[:n], w.loop.Now())
	}
}

// take takes bytes of the server.
func (c *caller) take(p []byte, now int64) {
	switch c.state {
	case callerBusy:
		rest, done, err := c.response.Feed(p)
		switch {
		case err != nil:
			c.fail("http_protocol_error")
		case done:
			c.answered(now, len(rest) > 0)
		}
	case callerIdle:
		// A server may say that it has waited long enough (RFC 7231 section 6.5.7). For
		// anything else there was no request.
		if !bytes.HasPrefix(p, []byte("HTTP/1.1 408")) && !bytes.HasPrefix(p, []byte("HTTP/1.0 408")) {
			c.of.step.rec.Fail("http_protocol_error")
		}
		c.giveUp()
	}
}

// answered is told of the whole response. excess says that bytes came after it.
func (c *caller) answered(now int64, excess bool) {
	s := c.of
	s.answered(c.due, now, c.response.Status())
	s.worker.loop.Disarm(&c.timer)
	switch {
	case excess: // whatever comes next could not be told from it
		s.step.rec.Fail("http_protocol_error")
		c.giveUp()
	case c.response.Persistent() && !s.plan.NewEach && len(c.unsent) == 0:
		c.state = callerIdle
		s.free = append(s.free, c)
	case s.leaving >= maxLeaving:
		c.giveUp()
	default:
		c.state = callerLeaving
		c.unsent = nil
		s.leaving++
		s.room++
		s.worker.loop.Arm(&c.timer, now+leaveWait)
	}
	s.serve(now)
	s.tryDrained()
}

// closed is the end of the stream.
func (c *caller) closed() {
	// Without close_notify the response may have been cut off (RFC 8446 section 6.1).
	whole := c.tls == nil || c.tls.Notified()
	switch {
	case c.state != callerBusy:
		c.giveUp()
	case whole && c.response.End():
		c.answered(c.of.worker.loop.Now(), false)
		if c.state == callerLeaving {
			c.giveUp()
		}
	default:
		c.cut("http_closed")
	}
}

// broken is the end of the connection by an error.
func (c *caller) broken(err error) {
	class := "http_closed"
	if broken := (*tlsconn.Error)(nil); errors.As(err, &broken) && broken.Cause != tlsconn.Truncated && broken.Cause != tlsconn.Refused {
		class = "tls_failed"
	}
	if c.state != callerBusy {
		c.giveUp()
		return
	}
	c.cut(class)
}

// cut is told that the response to its request will not come, or not all of it.
func (c *caller) cut(class string) {
	s := c.of
	if !c.used || c.response.Begun() {
		c.fail(class)
		return
	}
	// The server may have ended the idle connection while the request was on its way:
	// "When an inbound connection is closed prematurely, a client MAY open a new
	// connection and automatically retransmit an aborted sequence of requests if all of
	// those requests have idempotent methods" (RFC 7230 section 6.3.1). Once.
	due := c.due
	c.giveUp()
	s.waiting = append([]request{{due, true}}, s.waiting...)
	s.serve(evloop.Now())
}

// fail ends the connection with its request.
func (c *caller) fail(class string) {
	s := c.of
	s.failed(c.due, class)
	c.giveUp()
	s.serve(evloop.Now())
	s.tryDrained()
}

// giveUp closes the socket and makes room for another.
func (c *caller) giveUp() {
	s := c.of
	switch c.state {
	case callerEnded:
		return
	case callerLeaving: // it has made room before
		s.leaving--
	case callerIdle:
		for i, o := range s.free {
			if o == c {
				s.free = append(s.free[:i], s.free[i+1:]...)
				break
			}
		}
		s.room++
	default:
		s.room++
	}
	c.shut()
}

// shut closes the socket.
func (c *caller) shut() {
	w := c.of.worker
	if c.tls != nil {
		if c.state == callerIdle || c.state == callerLeaving {
			c.tls.Notify(int(c.fd))
		}
		c.tls.Close()
		c.tls = nil
	}
	w.loop.Disarm(&c.timer)
	if c.fd >= 0 {
		w.loop.Close(int(c.fd))
	}
	c.fd, c.state = -1, callerEnded
	delete(c.of.callers, c)
}

// Expire ends what took too long.
func (c *caller) Expire(int64) {
	switch c.state {
	case callerDialing:
		c.fail("dial_timeout")
	case callerSecuring:
		c.fail("tls_stall")
	case callerBusy:
		c.fail("http_timeout")
	case callerLeaving:
		c.giveUp()
	}
}
