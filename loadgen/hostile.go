package loadgen

import (
	"time"

	"wsgauge/internal/evloop"
	"wsgauge/loadgen/wire"
)

// How a client can offend against the protocol ([ConnectPlan].Behave). What comes of it
// is counted as failures of opening and as closures, by who ends the connection and how;
// an answer that the offence has called for is no corrupt message.
const (
	// slowHead sends the upgrade request a byte at a time until it is whole or the
	// attempt's timeout has passed.
	slowHead = "slow_head"
	// garbage sends, after the 101, bytes that are no frame.
	garbage = "garbage"
	// neverRead reads nothing any more after the 101, while it may send.
	neverRead = "never_read"
	// hugeClaim sends, after the 101, the header of a frame of 2^62 bytes, and none of
	// them.
	hugeClaim = "huge_claim"
	// earlyBytes sends a frame behind the request, before there is a 101.
	earlyBytes = "early_bytes"
)

// Behaviours are the ways in which a client can offend.
func Behaviours() []string {
	return []string{slowHead, garbage, neverRead, hugeClaim, earlyBytes}
}

// slowEvery is the time between two bytes of a slow head.
const slowEvery = int64(100 * time.Millisecond)

// garbageBytes is how many bytes of garbage there are: more than any frame's header.
const garbageBytes = 64

// behaves is how the client offends; empty: not at all.
func (c *conn) behaves() string {
	if c.life == nil {
		return ""
	}
	return c.life.plan.Behave
}

// deaf tells whether the client reads nothing: to close it, it hears again.
func (c *conn) deaf() bool { return c.state == open && c.behaves() == neverRead && !c.life.hears }

// slowly sends a request byte by byte.
type slowly struct {
	conn  *conn
	bytes []byte // not sent
	timer evloop.Timer
}

// sendSlowly begins to send the request in hand.
func (c *conn) sendSlowly(request []byte) {
	s := &slowly{conn: c, bytes: append([]byte(nil), request...)}
	s.timer.Owner = s
	c.opening.slow = s
	s.Expire(evloop.Now())
}

// Expire sends the next byte.
func (s *slowly) Expire(now int64) {
	next := s.bytes[:1]
	if s.bytes = s.bytes[1:]; len(s.bytes) > 0 {
		s.conn.worker.loop.Arm(&s.timer, now+slowEvery) // before the write, which may end all
	}
	s.conn.write(next, nil)
}

// stopSlowly ends what sendSlowly has begun.
func (o *opening) stopSlowly(w *worker) {
	if o != nil && o.slow != nil {
		w.loop.Disarm(&o.slow.timer)
		o.slow = nil
	}
}

// early is the frame that comes behind the request: a ping, whose answer nobody
// could take for that to a message.
func (w *worker) early(dst []byte) []byte {
	return wire.AppendFrame(dst, wire.Ping, true, w.mask(), []byte("early"))
}

// offend does what is to be done when the tunnel has opened.
func (c *conn) offend() {
	w := c.worker
	switch c.behaves() {
	case garbage:
		// All reserved bits and a reserved opcode, of which no extension was agreed on
		// (RFC 6455 section 5.2).
		w.frame = w.frame[:0]
		for range garbageBytes {
			w.frame = append(w.frame, 0xff)
		}
		c.write(w.frame, nil)
	case hugeClaim:
		w.frame = wire.AppendHeader(w.frame[:0], wire.Binary, true, 1<<62, w.mask())
		c.write(w.frame, nil)
	case neverRead:
		c.want()
	}
}

// deafReady serves the socket of a client that does not read: only its end is noticed.
func (c *conn) deafReady(ready evloop.Events) {
	switch {
	case ready.Has(evloop.Broken):
		c.peerEnded("closed_reset")
	case ready.Has(evloop.HungUp):
		c.peerEnded(c.endClass())
	case ready.Has(evloop.Writable):
		c.flush()
	}
}
