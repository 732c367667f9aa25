package loadgen

import (
	"wsgauge/internal/evloop"
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
			c.worker.accepted(q.waiting[0], now)
			q.waiting = q.waiting[1:]
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
