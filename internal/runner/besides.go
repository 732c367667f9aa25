package runner

import (
	"wsgauge/loadgen"
	"wsgauge/results"
)

// besides is what happened in parts of a trial that are none of the scenario's steps, so
// that the trial is the sum of its steps all the same. What happened while a broadcast was
// prepared is of its step. Clients may also come back after the last step, until they are
// closed: their openings, and what fails, are the last step's. Only the ends of tunnels
// are the trial's own then, since no step has asked for them.
type besides struct {
	prepared map[string]*tally // by the id of the step
	closing  loadgen.Recorder  // openings and failures after the last step

	last  *tally // of the last step that was recorded
	place int    // of its record
}

// keep takes the account of such a part, and gives what of it is the trial's own.
func (b *besides) keep(y *tally) *loadgen.Recorder {
	own := &loadgen.Recorder{}
	if y.plan.Join == nil {
		own.Merge(&y.sum)
		b.closing.Merge(own.TakeOpenings())
		return own
	}
	if b.prepared == nil {
		b.prepared = map[string]*tally{}
	}
	b.prepared[y.plan.ID] = y
	return own
}

// add adds to a step's account that of what prepared it.
func (b *besides) add(y *tally) {
	if p := b.prepared[y.plan.ID]; p != nil {
		y.sum.Merge(&p.sum)
		y.peak = max(y.peak, p.peak)
		delete(b.prepared, y.plan.ID)
	}
}

// recorded notes the step that was recorded last.
func (b *besides) recorded(y *tally, place int) { b.last, b.place = y, place }

// settle completes the record of the last step, and gives what the trial does not have
// yet: also of what prepared a step that never came.
func (b *besides) settle(steps []results.Step) *loadgen.Recorder {
	if b.last != nil {
		b.last.sum.Merge(&b.closing)
		steps[b.place].Figures = figures(&b.last.sum, b.last.peak, b.last.window)
	}
	for _, p := range b.prepared {
		b.closing.Merge(&p.sum)
	}
	b.prepared = nil
	return &b.closing
}
