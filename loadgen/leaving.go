package loadgen

import (
	"time"

	"wsgauge/internal/evloop"
)

// How a step ends that is given up. What is on the way gets a moment to arrive, so
// that an interruption does not look like a proxy that loses messages; then the
// connections are closed as at the end of a trial. Both together stay below the two
// seconds that the controller waits for the last reports.
const (
	answersGrace = 300 * time.Millisecond // for answers and attempts under way
	closeGrace   = 800 * time.Millisecond // for the peers' halves of the closings
)

// abandon begins nothing more of the step; it ends when what is under way has
// ended, or by cutOff.
func (w *worker) abandon(now int64) {
	if w.step == nil {
		return
	}
	switch {
	case w.connecting != nil:
		w.connecting.next = w.connecting.plan.Count
		w.loop.Disarm(&w.connecting.timer)
	case w.joining != nil:
		w.joining.conns, w.joining.over = nil, true
		w.loop.Disarm(&w.joining.timer)
	case w.sending != nil:
		s := w.sending
		s.idle, s.asking, s.orders = nil, nil, nil
		s.more, s.sentAll, s.finish = false, true, min(s.finish, now)
		if s.plan.Pattern == "push" {
			s.unaskAll()
		}
		s.drain(now)
	case w.holding != nil:
		w.holding.over = true
	case w.closing != nil:
		w.closing.conns = nil
		w.loop.Disarm(&w.closing.timer)
	}
	w.check()
}

// cutOff ends at once what is still under way of the step.
func (w *worker) cutOff(now int64) {
	if w.step == nil {
		return
	}
	if w.sending != nil {
		w.sending.finishDrain(now)
		return
	}
	if s := w.closing; s != nil {
		rest := s.conns
		s.conns = nil
		w.loop.Disarm(&s.timer)
		for _, c := range rest {
			c.end("closed_by_us")
		}
	}
	w.each("", func(c *conn) {
		switch {
		case c.opening != nil && !c.opening.decided:
			w.decided(c) // neither opened nor failed: nobody waited to see
			c.end("")
		case c.byStep:
			c.end("") // counted when its closing began
		}
	})
	w.check()
}

// closeAll closes every connection, as a part of the step that was given up.
func (w *worker) closeAll(p *StepPlan, finished func()) {
	w.step, w.finished = p, finished
	w.startClose(&ClosePlan{How: "clean", Timeout: closeGrace, Final: true}, "", evloop.Now())
}

// departure is a step that the agent gives up since it was told to quit: first what
// is under way is awaited, then the connections are closed, each for a while.
type departure struct {
	closing bool
	limit   <-chan time.Time // until what is under way is cut off
}

// abandon begins to give up the step.
func (e *execution) abandon() error {
	e.report.StoppedAt = time.Now().UnixNano()
	e.departure = &departure{limit: time.After(answersGrace)}
	return e.eachWorker(func(w *worker) { w.abandon(evloop.Now()) })
}

// cutOff ends what was awaited too long.
func (e *execution) cutOff() error {
	e.departure.limit = nil
	return e.eachWorker(func(w *worker) { w.cutOff(evloop.Now()) })
}

// closeAll closes the connections, once the step itself is over on every worker.
func (e *execution) closeAll() error {
	e.departure.closing, e.departure.limit = true, time.After(closeGrace)
	e.left = len(e.agent.workers)
	return e.eachWorker(func(w *worker) { w.closeAll(e.plan, e.done) })
}

func (e *execution) eachWorker(f func(*worker)) error {
	for _, w := range e.agent.workers {
		if err := e.agent.on(w, func() { f(w) }); err != nil {
			return err
		}
	}
	return nil
}
