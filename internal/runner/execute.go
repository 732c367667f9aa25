package runner

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"wsgauge/loadgen"
	"wsgauge/results"
)

// reportWithin is how long after its planned end a step may still go on before
// the agents are given up.
const reportWithin = 30 * time.Second

// lastReports bounds the wait for what the agents still say of a step that is given
// up; they need about a second for it at most.
const lastReports = 2 * time.Second

// execute hands a step to the agents, gathers what they report, and returns the
// connections that are open after it.
func (t *trial) execute(ctx context.Context, kind string, plan *loadgen.StepPlan, note string) (map[string]loadgen.Set, error) {
	r := t.run
	plan.StartAt = time.Now().Add(lead).UnixNano()
	y := &tally{plan: plan, kind: kind, note: note, start: plan.StartAt, end: plan.StartAt}
	if plan.Send != nil {
		y.window = plan.Send.For
	}
	if kind != "" {
		r.status(func(s *Status) {
			s.Step = plan.ID + " (" + kind + ")"
			s.PerSecond, s.P50, s.P99 = 0, 0, 0 // of the step before
		})
		t.event(results.Event{Kind: "step_start", Step: plan.ID, Text: note})
		if note != "" {
			r.note(fmt.Sprintf("%s, step %s: %s", t.target.Name, plan.ID, note))
		}
	}
	if err := t.agents.sendAll(loadgen.Command{Step: plan}); err != nil {
		return nil, err
	}
	if err := t.sampler.stepBack(plan); err != nil {
		return nil, err
	}
	defer func() { r.keepError(t.sampler.comeForward()) }()
	window, cut := context.WithCancel(ctx)
	defer cut()
	edges := t.sampler.edges(window, plan)
	g := gathering{trial: t, tally: y, seconds: map[int64]*second{}, open: map[string]loadgen.Set{}}
	err := g.gather(ctx)
	if err != nil {
		cut() // the window will not come to its end
		y.cutShort(cmp.Or(g.stopped, time.Now().UnixNano()))
	} else {
		y.end = max(time.Now().UnixNano(), y.start)
	}
	readings := edges.wait()
	if missing := y.missing(); missing != nil && kind != "" {
		tag := t.tag(plan.ID, loadgen.ResponseTime)
		t.run.keepError(r.dir.Interval(tag, time.Unix(0, y.end), 0, missing.Histogram(loadgen.ResponseTime)))
	}
	t.sum.Merge(&y.sum)
	t.peak = max(t.peak, y.peak)
	if kind == "" {
		return g.open, err
	}
	t.window += y.window
	t.sampler.mark(true, plan.ID)
	t.readLog(true)
	step := y.step(t.start)
	step.Resources = t.sampler.ofStep(&step, y, readings)
	t.record.Steps = append(t.record.Steps, step)
	t.passed(step, &y.sum)
	t.event(results.Event{Kind: "step_end", Step: plan.ID})
	return g.open, err
}
