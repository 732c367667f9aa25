package loadgen

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"
)

// execution is a step that runs, on all workers of the agent.
type execution struct {
	agent    *Agent
	plan     *StepPlan
	report   *StepReport
	parts    []*running // one for each worker, in their order
	left     int        // parts that are not over
	from     int64      // start of the interval that is not reported yet
	limit    time.Time  // until what is under way is cut off; zero: it is not
	hasFault bool       // its first failure was told
}

// note is what a worker's part of a step tells the agent.
type note struct {
	of     *execution
	failed bool // its first failure; else its end
}

// notesAPart is how many notes come of one part: its first failure, its end, and the end
// of its connections when the agent is told to quit.
const notesAPart = 3

func (e *execution) done() { e.agent.told <- note{of: e} }

func (e *execution) failed() { e.agent.told <- note{of: e, failed: true} }

// begin starts a step on all workers.
func (a *Agent) begin(p *StepPlan) error {
	switch {
	case len(a.workers) == 0:
		return errors.New("agent: a step came before the assignment")
	case a.leaving:
		return fmt.Errorf("step %s: it came after quit", p.ID)
	case len(a.steps) >= stepsAtOnce:
		return fmt.Errorf("step %s: %d steps run already, the most at a time", p.ID, len(a.steps))
	}
	for _, e := range a.steps {
		if e.plan.Serial == p.Serial {
			return fmt.Errorf("step %s: step %s has the serial %d too, and runs", p.ID, e.plan.ID, p.Serial)
		}
		if e.plan.meets(p) {
			return fmt.Errorf("step %s: step %s runs and has connections of its group (%q and %q); an empty group is all of them",
				p.ID, e.plan.ID, p.Group, e.plan.Group)
		}
	}
	e := &execution{agent: a, plan: p, from: p.StartAt, left: len(a.workers),
		report: &StepReport{Agent: a.assignment.Agent, Serial: p.Serial, StartedAt: p.StartAt, Open: map[string]Set{}}}
	a.steps = append(a.steps, e)
	var failed error
	err := a.onEach(func(w *worker) {
		part, err := w.begin(p, e)
		if err != nil && failed == nil {
			failed = err
		}
		e.parts = append(e.parts, part)
	})
	if err = errors.Join(err, failed); err != nil {
		return fmt.Errorf("step %s: %w", p.ID, err)
	}
	return nil
}

// step returns the step of that serial, nil when it does not run.
func (a *Agent) step(serial int) *execution {
	for _, e := range a.steps {
		if e.plan.Serial == serial {
			return e
		}
	}
	return nil
}

// halt has a connect step begin no more attempts.
func (a *Agent) halt(serial int) error {
	e := a.step(serial)
	if e == nil {
		return nil // it was over before the command came
	}
	if e.plan.Connect == nil {
		return fmt.Errorf("step %s: halted, and does not connect", e.plan.ID)
	}
	return e.onParts(func(r *running) {
		if r.connecting != nil {
			r.connecting.halt()
		}
	})
}

// take takes what a part has told.
func (a *Agent) take(n note) error {
	e := n.of
	if n.failed {
		if e.hasFault {
			return nil
		}
		e.hasFault = true
		return a.Send(Message{Agent: a.assignment.Agent, Failed: e.plan.Serial})
	}
	if e.left--; e.left > 0 {
		return nil
	}
	if a.leaving && !a.closing {
		return a.closeAll()
	}
	return e.conclude()
}

// untilDue is how long until the next interval is to be reported, or something cut off.
func (a *Agent) untilDue() time.Duration {
	until := time.Hour
	for _, e := range a.steps {
		until = min(until, time.Until(e.nextReport()))
		if !e.limit.IsZero() {
			until = min(until, time.Until(e.limit))
		}
	}
	return until
}

func (e *execution) nextReport() time.Time { return time.Unix(0, e.from).Add(intervalLength) }

// due reports the intervals that have ended, and cuts off what was awaited too long.
func (a *Agent) due(now time.Time) error {
	for _, e := range a.steps {
		if !now.Before(e.nextReport()) {
			to := e.from + int64(intervalLength)
			if err := e.interval(to, false); err != nil {
				return err
			}
		}
		if !e.limit.IsZero() && !now.Before(e.limit) {
			e.limit = time.Time{}
			if err := e.cutOff(); err != nil {
				return err
			}
		}
	}
	return nil
}

// conclude reports the end of the step.
func (e *execution) conclude() error {
	a := e.agent
	e.report.EndedAt = max(time.Now().UnixNano(), e.plan.StartAt)
	if err := e.interval(max(e.report.EndedAt, e.from+1), true); err != nil {
		return err
	}
	a.steps = slices.DeleteFunc(a.steps, func(o *execution) bool { return o == e })
	if e.plan.Connect != nil && len(a.steps) == 0 {
		// What opening took is not needed any more. Collected now, it is neither in
		// the way of what is measured next nor counted as memory of idle connections.
		debug.FreeOSMemory()
	}
	err := a.onEach(func(w *worker) {
		for name, g := range w.groups {
			e.report.Open[name] = Union(e.report.Open[name], g.open())
		}
		e.report.Peak += e.parts[w.index].peak
	})
	if err != nil {
		return err
	}
	return a.Send(Message{Agent: a.assignment.Agent, Step: e.report})
}

// interval takes what the parts have recorded up to a time, and reports it. A part goes
// on with an empty recorder at once; with the last interval its groups are given up.
func (e *execution) interval(to int64, last bool) error {
	a := e.agent
	report := &IntervalReport{Agent: a.assignment.Agent, Serial: e.plan.Serial, At: e.from, Seconds: float64(to-e.from) / 1e9}
	e.from = to
	var broken error
	err := a.onEach(func(w *worker) {
		part, spare := e.parts[w.index], a.spares[w.index]
		*spare, part.rec = part.rec, *spare
		report.Open += w.opened
		report.Outstanding += part.outstanding
		if w.err != nil && broken == nil {
			broken = fmt.Errorf("worker %d: %w", w.index, w.err)
		}
		if last {
			w.leave(part)
		}
	})
	if err = errors.Join(err, broken); err != nil {
		return fmt.Errorf("step %s: %w", e.plan.ID, err)
	}
	sum := a.spares[0]
	for _, taken := range a.spares[1:] {
		sum.Merge(taken)
	}
	report.Hist, report.Counts = sum.encode(), sum.Counts
	report.Clamped, report.Censored = byMetric(sum.clamped), byMetric(sum.censored)
	err = a.Send(Message{Agent: a.assignment.Agent, Interval: report})
	for _, taken := range a.spares {
		taken.Reset()
	}
	return err
}

// onParts runs f for every part of the step, on its worker's thread.
func (e *execution) onParts(f func(*running)) error {
	return e.agent.onEach(func(w *worker) { f(e.parts[w.index]) })
}
