package echo

import (
	"time"

	"wsgauge/internal/evloop"
	"wsgauge/internal/tlsconn"
)

const (
	// readLimit bounds what one connection reads in its turn, and with it what
	// the server can owe a client that does not read.
	readLimit = 64 << 10
	// partingLimit bounds the time from the decision to end a connection to its
	// end, for a client that does not read its answer or never sends FIN.
	partingLimit = 3 * time.Second
)

// conn is one connection. Idle, this is all there is of it.
type conn struct {
	worker  *worker
	tls     *tlsconn.Conn // nil: plain
	fd      int
	session session
	after   next  // what follows when everything is written
	task    *task // what the client has ordered; nil: nothing ever
	reading bool  // its frames are being looked at
	parting bool  // FIN is sent; what still comes is thrown away
	sent    int   // how much of pending the kernel has taken

	kept    []byte       // the beginning of a head or frame that is not whole yet
	pending []byte       // answers that the kernel did not take; nothing is read meanwhile
	timer   evloop.Timer // of one phase at a time: TLS handshake, half a head, parting
}

// Ready goes on with whatever the connection waits for.
func (c *conn) Ready(ready evloop.Events) {
	switch {
	case ready.Has(evloop.Broken | evloop.HungUp):
		c.end()
	case c.parting:
		c.drain()
	case c.pending != nil:
		c.flush()
	default:
		c.receive()
	}
}

// receive is the hot path: one read, one write, all in the loop's scratch.
func (c *conn) receive() {
	w := c.worker
	room := w.loop.Scratch()
	limit := readLimit
	if !c.session.upgraded && c.tls == nil {
		limit = headLimit
	}
	have := copy(room, c.kept)
	n, err := c.read(room[have:limit])
	if err == evloop.ErrAgain {
		return
	}
	if c.insecure(err) {
		w.loop.Disarm(&c.timer)
		c.after = fail
		c.proceed()
		return
	}
	if err != nil || n == 0 {
		c.end()
		return
	}
	w.codec.client, c.reading = c, true
	out, rest, after := w.codec.consume(&c.session, room[:have+n])
	w.codec.client, c.reading = nil, false
	c.keep(rest)
	c.boundHead(len(rest) > 0)

	c.send(out, after)
}

// keep holds rest, which lies in the scratch buffer, until more comes.
func (c *conn) keep(rest []byte) {
	if len(rest) == 0 {
		c.worker.pool.put(c.kept)
		c.kept = nil
		return
	}
	if c.kept == nil {
		c.kept = c.worker.pool.get(len(rest))
	}
	c.kept = append(c.kept[:0], rest...)
}

func (c *conn) send(out []byte, after next) {
	c.after = after
	n := 0
	if len(out) > 0 {
		var err error
		if n, err = c.write(out); err != nil && err != evloop.ErrAgain {
			c.end()
			return
		}
	}
	if n == len(out) {
		c.proceed()
		return
	}
	c.pending = append(c.worker.pool.get(len(out)-n), out[n:]...)
	c.sent = 0
	if after != goOn {
		c.bound()
	}
	c.want(evloop.Writable)
}

// flush writes what is pending; a client that reads again gets it piece by piece.
func (c *conn) flush() {
	n, err := c.write(c.pending[c.sent:])
	if err == evloop.ErrAgain {
		return
	}
	if err != nil {
		c.end()
		return
	}
	if c.sent += n; c.sent < len(c.pending) {
		return
	}
	c.worker.pool.put(c.pending)
	c.pending = nil
	c.proceed()
}

// proceed does what follows the last byte written.
func (c *conn) proceed() {
	switch c.after {
	case goOn:
		if c.tls != nil && c.tls.Ended() {
			c.receive() // the end came with the data: the socket will not tell
			return
		}
		c.pump()
	case finish:
		if c.tls != nil {
			c.tls.Notify(c.fd)
		}
		c.end()
	case fail:
		// Closing with bytes unread would send RST, which may overtake the answer.
		if err := c.endWrites(); err != nil {
			c.end() // the client has gone already
			return
		}
		c.parting = true
		c.bound()
		c.want(evloop.Readable)
	}
}

func (c *conn) drain() {
	n, err := evloop.Read(c.fd, c.worker.loop.Scratch())
	if n == 0 && err != evloop.ErrAgain {
		c.end()
	}
}

// want changes what is waited for, as the last thing a handler does. The kernel
// refuses only for lack of memory, and a connection that cannot be waited for is
// lost.
func (c *conn) want(e evloop.Events) {
	if err := c.worker.loop.Want(c.fd, e); err != nil {
		c.end()
	}
}

// boundHead bounds the time from a request head's first byte to its last; half tells that
// one has begun. Between requests a connection may rest as long as it likes: proxies keep
// some for later.
func (c *conn) boundHead(half bool) {
	if half = half && !c.session.upgraded; half == c.timer.Armed() {
		return
	}
	if !half {
		c.worker.loop.Disarm(&c.timer)
		return
	}
	c.worker.loop.Arm(&c.timer, evloop.Now()+int64(c.worker.server.headTime))
}

func (c *conn) bound() {
	if !c.timer.Armed() {
		c.worker.loop.Arm(&c.timer, evloop.Now()+int64(partingLimit))
	}
}

// Expire ends a handshake, a head or a parting that took too long.
func (c *conn) Expire(int64) { c.end() }

// end closes the connection and gives back all it held. Nothing may be done with
// it afterwards.
func (c *conn) end() {
	w := c.worker
	if c.task != nil {
		c.task.end()
	}
	w.loop.Disarm(&c.timer)
	if c.tls != nil {
		c.tls.Close()
	}
	w.loop.Close(c.fd)
	w.pool.put(c.kept)
	w.pool.put(c.pending)
	c.kept, c.pending = nil, nil
	w.server.open.Add(-1)
}
