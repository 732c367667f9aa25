package loadgen

import (
	"wsgauge/internal/evloop"
	"wsgauge/loadgen/wire"
)

// closing is a close step on one worker.
type closing struct {
	worker  *worker
	plan    *ClosePlan
	conns   []*conn // not begun
	pending int     // begun, the peer's half awaited
	timer   evloop.Timer
}

func (w *worker) startClose(p *ClosePlan, group string, start int64) {
	s := &closing{worker: w, plan: p}
	s.timer.Owner = s
	w.each(group, func(c *conn) {
		switch {
		case c.state == open && (p.Which == nil || p.Which[c.group.name].Has(c.number)):
			s.conns = append(s.conns, c)
		case (c.state == upgrading || c.state == securing) && c.opening.decided && p.Which == nil:
			c.end("") // one that stalled and was kept
		}
	})
	w.closing = s
	w.loop.Arm(&s.timer, start)
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
	s.worker.check()
}

func (s *closing) close(c *conn, now int64) {
	w := s.worker
	switch s.plan.How {
	case "reset":
		if err := evloop.ResetOnClose(int(c.fd)); err != nil {
			w.broken(err)
		}
		c.end("closed_by_us")
		return
	case "fin":
		w.rec.Closure("closed_by_us")
		s.pending++
		c.leave(closingFIN)
		if c.queue == nil {
			c.sendFIN()
		}
	default:
		// RFC 6455 section 7.1.2: a close frame, the peer's answer, its FIN.
		w.frame = wire.AppendClose(w.frame[:0], 1000, "", w.mask())
		c.write(w.frame, nil)
		if c.state != open {
			return // the peer was faster
		}
		w.rec.Closure("closed_by_us")
		s.pending++
		c.leave(closingClean)
	}
	if c.state != ended {
		w.loop.Arm(&c.timer, now+int64(s.plan.Timeout))
	}
}

// closed is told of the end of a connection that we began to close.
func (w *worker) closed() {
	if w.closing != nil && w.closing.pending > 0 {
		w.closing.pending--
	}
}
