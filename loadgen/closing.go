package loadgen

import (
	"wsgauge/internal/evloop"
	"wsgauge/loadgen/wire"
)

// closing is a close step on one worker.
type closing struct {
	worker  *worker
	step    *running
	plan    *ClosePlan
	conns   []*conn // not begun
	pending int     // begun, the peer's half awaited
	timer   evloop.Timer
}

func (r *running) startClose(p *ClosePlan, start int64) {
	w := r.worker
	s := &closing{worker: w, step: r, plan: p}
	s.timer.Owner = s
	r.closing = s
	w.loop.Arm(&s.timer, start) // before anything ends: the step is not over yet
	if p.Final {
		w.release()
	}
	r.each(func(c *conn) {
		if p.Which == nil || p.Which[c.group.name].Has(c.number) {
			c.settle()
			if c.inFlight() {
				s.await(c, start)
			}
		}
		switch {
		case c.state == open && (p.Which == nil || p.Which[c.group.name].Has(c.number)):
			s.conns = append(s.conns, c)
		case (c.state == upgrading || c.state == securing) && c.opening.decided && p.Which == nil:
			c.end("") // one that stalled and was kept
		}
	})
}

// await lets an attempt to come back be decided, so that it counts as one or the
// other: then it is closed at once.
func (s *closing) await(c *conn, now int64) {
	c.byStep = true
	s.pending++
	s.worker.loop.Arm(&c.timer, min(c.timer.At(), now+int64(s.plan.Timeout)))
}

// late closes a connection that has opened while it was awaited.
func (s *closing) late(c *conn) {
	c.byStep = false
	s.pending--
	s.close(c, s.worker.now)
}

func (s *closing) done() bool { return len(s.conns) == 0 && s.pending == 0 && !s.timer.Armed() }

// Expire begins some closings a turn, so that answers are read in between.
func (s *closing) Expire(now int64) {
	for range min(messagesATurn, len(s.conns)) {
		c := s.conns[0]
		s.conns = s.conns[1:]
		if c.state == open {
			s.close(c, now)
		}
	}
	if len(s.conns) > 0 {
		s.worker.loop.Arm(&s.timer, now)
		return
	}
	s.step.check()
}

func (s *closing) close(c *conn, now int64) {
	w := s.worker
	switch s.plan.How {
	case "vanish":
		c.vanish()
		return
	case "reset":
		if err := evloop.ResetOnClose(int(c.fd)); err != nil {
			w.broken(err)
		}
		c.end("closed_by_us")
		return
	case "fin":
		s.step.rec.Closure("closed_by_us")
		s.pending++
		c.byStep = true
		c.leave(closingFIN)
		if c.queue == nil {
			c.sendFIN()
		}
	default:
		if !c.closeClean() {
			return
		}
		s.pending++
		c.byStep = true
	}
	if c.state != ended {
		w.loop.Arm(&c.timer, now+int64(s.plan.Timeout))
	}
}

// closeClean begins the closing handshake (RFC 6455 section 7.1.2: a close frame,
// the peer's answer, its FIN); false when the peer was faster.
func (c *conn) closeClean() bool {
	w := c.worker
	w.frame = wire.AppendClose(w.frame[:0], 1000, "", w.mask())
	c.write(w.frame, nil)
	if c.state != open {
		return false
	}
	c.rec().Closure("closed_by_us")
	c.leave(closingClean)
	return true
}

// vanish leaves the peer without a word: what it sends is dropped before TCP sees
// it, so that nothing is acknowledged, and nothing is sent. The socket is kept,
// since closing it would send FIN.
func (c *conn) vanish() {
	w := c.worker
	if err := evloop.DropInput(int(c.fd)); err != nil {
		w.broken(err)
	}
	c.rec().Closure("closed_by_us")
	w.loop.Remove(int(c.fd))
	w.vanished = append(w.vanished, int(c.fd))
	if c.tls != nil {
		c.tls.Close() // without close_notify
		c.tls = nil
	}
	c.fd, c.queue = -1, nil
	c.leave(ended)
}

// release aborts the sockets of connections that have vanished.
func (w *worker) release() {
	for _, fd := range w.vanished {
		if err := evloop.ResetOnClose(fd); err != nil {
			w.broken(err)
		}
		evloop.CloseSocket(fd)
	}
	w.vanished = nil
}

// closed is told of the end of a connection that we began to close.
func (r *running) closed() {
	if r.closing != nil && r.closing.pending > 0 {
		r.closing.pending--
	}
}
