package loadgen

import (
	"time"

	"wsgauge/internal/evloop"
)

// How steps end that are given up, all of them since the agent was told to quit, or one
// since it was canceled. What is on the way gets a moment to arrive, so that an
// interruption does not look like a proxy that loses messages; when the agent quits, the
// connections are then closed as at the end of a trial. Both together stay below the
// two seconds that the controller waits for the last reports.
const (
	answersGrace = 300 * time.Millisecond // for answers and attempts under way
	closeGrace   = 800 * time.Millisecond // for the peers' halves of the closings
)

// quit gives up all steps. Connections that none of them has are closed by the first.
func (a *Agent) quit() error {
	a.leaving = true
	for i, e := range a.steps {
		if e.report.StoppedAt == 0 {
			e.report.StoppedAt = time.Now().UnixNano()
		}
		e.limit = time.Now().Add(answersGrace)
		err := e.onParts(func(r *running) {
			for _, g := range r.worker.groups {
				if i == 0 && g.step == &g.between {
					r.take(g)
				}
			}
			r.abandon(evloop.Now())
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// cancel gives up one step. Messages and requests that were sent have as long for their
// answers as at its planned end, since without one they would count as lost; attempts
// and closings under way, which would count as nothing, have a moment.
func (a *Agent) cancel(serial int) error {
	e := a.step(serial)
	if e == nil || e.report.StoppedAt != 0 {
		return nil
	}
	e.report.StoppedAt = time.Now().UnixNano()
	if p := e.plan; p.Connect != nil || p.Close != nil {
		e.limit = time.Now().Add(answersGrace)
	}
	return e.onParts(func(r *running) { r.abandon(evloop.Now()) })
}

// closeAll closes the connections of all steps, once none of them goes on.
func (a *Agent) closeAll() error {
	for _, e := range a.steps {
		if e.left > 0 {
			return nil
		}
	}
	a.closing = true
	for _, e := range a.steps {
		e.limit = time.Now().Add(closeGrace)
		e.left = len(a.workers)
		if err := e.onParts(func(r *running) { r.closeAll() }); err != nil {
			return err
		}
	}
	return nil
}

// cutOff ends what was awaited too long.
func (e *execution) cutOff() error {
	return e.onParts(func(r *running) { r.cutOff(evloop.Now()) })
}

// abandon begins nothing more of the step; it ends when what is under way has
// ended, or by cutOff.
func (r *running) abandon(now int64) {
	if r.over {
		return
	}
	loop := r.worker.loop
	switch {
	case r.connecting != nil:
		r.connecting.halt()
	case r.joining != nil:
		r.joining.conns, r.joining.over = nil, true
		loop.Disarm(&r.joining.timer)
	case r.sending != nil:
		s := r.sending
		s.idle, s.asking, s.orders = nil, nil, nil
		s.more, s.sentAll, s.finish = false, true, min(s.finish, now)
		if s.plan.Pattern == "push" {
			s.unaskAll()
		}
		s.drain(now)
	case r.holding != nil:
		h := r.holding
		h.end = min(h.end, now) // from here on as at the end of its time
		loop.Arm(&h.timer, now)
	case r.closing != nil:
		r.closing.conns = nil
		loop.Disarm(&r.closing.timer)
	case r.requesting != nil:
		s := r.requesting
		s.more, s.finish = false, min(s.finish, now)
		s.drain(now)
	}
	r.check()
}

// cutOff ends at once what is still under way of the step.
func (r *running) cutOff(now int64) {
	if r.over {
		return
	}
	switch {
	case r.sending != nil:
		r.sending.finishDrain(now)
		return
	case r.requesting != nil:
		r.requesting.finishDrain(now)
		return
	case r.holding != nil:
		r.holding.over = true
	case r.closing != nil:
		s := r.closing
		rest := s.conns
		s.conns = nil
		r.worker.loop.Disarm(&s.timer)
		for _, c := range rest {
			c.end("closed_by_us")
		}
	}
	r.each(func(c *conn) {
		switch {
		case c.opening != nil && !c.opening.decided:
			c.decided() // neither opened nor failed: nobody waited to see
			c.end("")
		case c.byStep:
			c.end("") // counted when its closing began
		}
	})
	r.check()
}

// closeAll closes every connection of the step's groups, as a part of the step that was
// given up.
func (r *running) closeAll() {
	r.over = false
	r.startClose(&ClosePlan{How: "clean", Timeout: closeGrace, Final: true}, evloop.Now())
}
