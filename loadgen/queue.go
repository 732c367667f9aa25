package loadgen

import (
	"wsgauge/internal/evloop"
	"wsgauge/loadgen/wire"
)

// queue is what waits for a connection's socket: bytes, and behind them parts that
// are made into bytes when their turn comes, so that a large message that waits
// costs no memory.
type queue struct {
	bytes   []byte
	done    int   // of bytes
	base    int64 // stream position of bytes[0]
	waiting []*message
	later   []part
	owed    int // payload bytes of later

	ponging bool   // a pong is among all that
	pinged  bool   // … and another ping has come since
	ping    []byte // … the payload of the latest
}

// part is bytes, with the message that they end if any, or a message to be made.
type part struct {
	bytes  []byte
	m      *message
	stream *stream
}

// flushTurn bounds what one connection writes before others have their turn.
const flushTurn = 4 * streamChunk

// unmade is the end of a message whose last bytes have not been made.
const unmade = -1

func (q *queue) pending() int { return len(q.bytes) - q.done + q.owed }

func (c *conn) enqueue(p []byte, m *message) {
	q := c.queue
	q.ponging = q.ponging || m != nil && m.pong
	if len(q.later) > 0 {
		if m != nil {
			m.end = unmade
		}
		q.later = append(q.later, part{bytes: append([]byte(nil), p...), m: m})
		q.owed += len(p)
		return
	}
	q.bytes = append(q.bytes, p...)
	if m != nil {
		q.ends(m)
	}
}

// ends notes that m ends with the last of the bytes.
func (q *queue) ends(m *message) {
	m.end = q.base + int64(len(q.bytes))
	q.waiting = append(q.waiting, m)
}

// answerPing answers a ping. Of those that come while a pong waits for the socket only
// the latest is answered, which is all that an endpoint has to do (RFC 6455 section
// 5.5.3): a peer that pings and does not read would fill the memory.
func (c *conn) answerPing(payload []byte) {
	if q := c.queue; q != nil && q.ponging {
		q.pinged, q.ping = true, append(q.ping[:0], payload...)
		return
	}
	c.sendPong(payload)
}

func (c *conn) sendPong(payload []byte) {
	w := c.worker
	m := w.slab.message()
	*m = message{alone: true, pong: true}
	w.frame = wire.AppendFrame(w.frame[:0], wire.Pong, true, w.mask(), payload)
	c.write(w.frame, m)
}

// ponged is told that the socket has taken the pong that waited.
func (c *conn) ponged() {
	q := c.queue
	again := q.pinged && c.state == open // after a close frame nobody waits for it
	q.ponging, q.pinged = false, false
	if again {
		c.sendPong(q.ping)
	}
}

// writeStream sends a large message piece by piece, as the socket takes it.
func (c *conn) writeStream(s *stream) {
	if c.queue == nil {
		c.queue = &queue{}
	}
	s.m.end = unmade
	c.queue.later = append(c.queue.later, part{stream: s})
	c.queue.owed += s.size
	if c.flush() && c.queue != nil {
		c.want()
	}
}

// refill makes bytes of the first part; there is one, and the bytes before it are
// written.
func (q *queue) refill(w *worker) {
	q.base += int64(len(q.bytes))
	q.bytes, q.done = q.bytes[:0], 0
	p := &q.later[0]
	m := p.m
	if s := p.stream; s != nil {
		before := s.at
		q.bytes = s.next(q.bytes, w)
		q.owed -= s.at - before
		if s.at < s.size {
			return
		}
		m = s.m
	} else {
		q.bytes = append(q.bytes, p.bytes...)
		q.owed -= len(p.bytes)
	}
	if m != nil {
		q.ends(m)
	}
	q.later[0] = part{}
	q.later = q.later[1:]
}

// flush writes what is queued; false when the connection has ended.
func (c *conn) flush() bool {
	q := c.queue
	if q == nil {
		c.want()
		return true
	}
	for written := 0; q.pending() > 0 && written < flushTurn; {
		if q.done == len(q.bytes) {
			q.refill(c.worker)
		}
		n, err := c.put(q.bytes[q.done:])
		if err == evloop.ErrAgain {
			return true
		}
		if err != nil {
			c.peerEnded("closed_reset")
			return false
		}
		now := evloop.Now()
		c.lastByte = now
		q.done += n
		written += n
		for len(q.waiting) > 0 && q.waiting[0].end <= q.base+int64(q.done) {
			m := q.waiting[0]
			q.waiting = q.waiting[1:]
			pong := m.pong
			c.accepted(m, now)
			if pong {
				c.ponged()
			}
		}
		if q.done < len(q.bytes) { // the socket is full
			break
		}
	}
	if q.pending() == 0 {
		c.queue = nil
		if c.state == closingFIN {
			c.sendFIN()
		}
		if c.state == ended { // the peer was faster
			return false
		}
		c.want()
		return true
	}
	if q.done > len(q.bytes)/2 { // keep the copy cheap and the memory bounded
		q.base += int64(q.done)
		q.bytes = append(q.bytes[:0], q.bytes[q.done:]...)
		q.done = 0
	}
	return true
}
