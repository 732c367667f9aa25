package runner

import (
	"testing"
	"time"

	"wsgauge/loadgen"
	"wsgauge/results"
)

// part is a part of a trial in which n connections were opened, one attempt failed, and
// one tunnel ended.
func part(kind string, plan *loadgen.StepPlan, n int64) *tally {
	y := &tally{kind: kind, plan: plan, peak: int(n)}
	y.sum.Counts.Attempted, y.sum.Counts.Opened = n+1, n
	for range n {
		y.sum.Record(loadgen.Dial, 1e6)
		y.sum.Record(loadgen.IdleBeforeClose, 1e9)
	}
	y.sum.Fail("dial_refused")
	y.sum.Closure("closed_by_us")
	return y
}

// What opens while a broadcast is prepared, or after the last step, is some step's; so
// the trial's openings and failures are the sum of its steps'.
func TestOpeningsBesidesTheSteps(t *testing.T) {
	var b besides
	var sum loadgen.Recorder
	var steps []results.Step
	record := func(y *tally) {
		b.add(y)
		sum.Merge(&y.sum)
		b.recorded(y, len(steps))
		steps = append(steps, y.step(time.Now()))
	}
	sum.Merge(b.keep(part("", &loadgen.StepPlan{ID: "load", Join: &loadgen.JoinPlan{}}, 5)))
	record(part("hold", &loadgen.StepPlan{ID: "other"}, 1))
	record(part("send", &loadgen.StepPlan{ID: "load"}, 3))
	load := steps[1]
	if load.Connections.Opened != 8 || load.Connections.Peak != 5 || load.Failures["dial_refused"] != 2 || load.Closures["closed_by_us"] != 2 || steps[0].Connections.Opened != 1 {
		t.Errorf("%+v", steps)
	}
	record(part("hold", &loadgen.StepPlan{ID: "last"}, 2))
	sum.Merge(b.keep(part("", &loadgen.StepPlan{Close: &loadgen.ClosePlan{Final: true}}, 7)))
	sum.Merge(b.settle(steps))

	attempted, opened, dials := int64(0), int64(0), int64(0)
	for _, s := range steps {
		attempted, opened = attempted+s.Connections.Attempted, opened+s.Connections.Opened
		dials += s.Dial.Count
	}
	got := figures(&sum, 0, 0)
	if got.Connections.Attempted != 23 || got.Connections.Opened != 18 || got.Failures["dial_refused"] != 5 || got.Dial.Count != 18 {
		t.Errorf("the trial: %+v", got)
	}
	if attempted != got.Connections.Attempted || opened != got.Connections.Opened || dials != got.Dial.Count {
		t.Errorf("the trial has %+v and %d dials, its steps %d, %d and %d", got.Connections, got.Dial.Count, attempted, opened, dials)
	}
	// Nobody asked for the ends in the closing.
	if last := steps[2]; last.Closures["closed_by_us"] != 1 || last.IdleBeforeClose.Count != 2 || last.Failures["dial_refused"] != 2 || got.Closures["closed_by_us"] != 5 {
		t.Errorf("the last step: %+v; the trial: %v", last, got.Closures)
	}
}

// A broadcast that was prepared may never begin.
func TestStepThatNeverCame(t *testing.T) {
	var b besides
	b.keep(part("", &loadgen.StepPlan{ID: "load", Join: &loadgen.JoinPlan{}}, 5))
	if n := b.settle(nil).Counts; n.Opened != 5 || n.Failures["dial_refused"] != 1 {
		t.Errorf("%+v", n)
	}
}
