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

// job is one execution of a step.
type job struct {
	kind string            // empty: it is none of the scenario's
	plan *loadgen.StepPlan // the agents' part; of no kind: they have none
	note string

	// act is what the controller does itself, within most; nil: nothing. The agents'
	// part ends with it. What it did it notes in the deed.
	act    func(ctx context.Context, d *deed) error
	action string
	most   time.Duration
}

// agents tells whether the agents have a part in the step.
func (j *job) agents() bool { return j.act == nil || j.plan.Hold != nil }

// name is the step for people to watch: "load (send)".
func (j *job) name() string {
	kind := j.kind
	if j.action != "" {
		kind += " " + j.action
	}
	return j.plan.ID + " (" + kind + ")"
}

// deed is what the controller did in a step.
type deed struct {
	notes       []string
	within      time.Duration // the longest wait for a handshake
	took        *int64        // ns
	handshake   *int64
	gap         *int64
	generations *results.Generations
}

// note says what a reader of the record should know.
func (d *deed) note(format string, args ...any) {
	d.notes = append(d.notes, fmt.Sprintf(format, args...))
}

// execute does a step, its agents' part and the controller's, gathers what is
// reported, and returns the connections that are open after it.
func (t *trial) execute(ctx context.Context, b branch, j *job) (map[string]loadgen.Set, error) {
	plan := j.plan
	plan.StartAt = time.Now().Add(lead).UnixNano()
	y := &tally{plan: plan, kind: j.kind, action: j.action, note: j.note, start: plan.StartAt, end: plan.StartAt}
	if plan.Send != nil {
		y.window = plan.Send.For
	}
	t.begin(j, y)
	defer t.finished(y)
	g := newGathering(t, y)
	defer g.leave()
	if j.agents() {
		if err := t.agents.sendAll(loadgen.Command{Step: plan}); err != nil {
			return nil, err
		}
	}
	if err := t.sampler.begin(j); err != nil {
		return nil, err
	}
	defer func() { t.run.keepError(t.sampler.end(plan.Serial)) }()
	window, cut := context.WithCancel(ctx)
	defer cut()
	edges := t.sampler.edges(window, plan)
	err := g.both(ctx, b, j)
	switch {
	case err != nil:
		cut() // the window will not come to its end
		y.cutShort(cmp.Or(g.stopped, time.Now().UnixNano()))
	case g.cancelled != 0:
		cut()
		y.cutShort(g.cancelled)
		y.addNote("it ended early, since another branch had ended")
		y.end = max(time.Now().UnixNano(), y.start)
	default:
		y.end = max(time.Now().UnixNano(), y.start)
	}
	readings := edges.wait()
	if j.kind == "" {
		t.add(y)
		return g.open, err
	}
	t.run.keepError(t.done(g, y, readings))
	return g.open, err
}

// done makes the record of a step that is over.
func (t *trial) done(g *gathering, y *tally, readings *edge) error {
	var failed error
	if missing := y.missing(); missing != nil {
		failed = t.run.dir.Interval(t.tag(y.plan.ID, loadgen.ResponseTime), time.Unix(0, y.end), 0, missing.Histogram(loadgen.ResponseTime))
	}
	t.add(y)
	t.sampler.mark(true)
	t.readLog(true)
	g.untilFailure()
	step := y.step(t.start)
	t.mu.Lock()
	shared := y.shared
	t.mu.Unlock()
	step.Instances = t.instances()
	step.Resources = t.sampler.ofStep(&step, y, readings, shared)
	t.mu.Lock()
	t.besides.recorded(y, len(t.record.Steps))
	t.record.Steps = append(t.record.Steps, step)
	t.passed(step, &y.sum)
	t.mu.Unlock()
	t.event(results.Event{Kind: "step_end", Step: y.plan.ID, Text: y.later()})
	return failed
}

// add adds what a step gathered to the trial's.
func (t *trial) add(y *tally) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if y.kind == "" {
		t.sum.Merge(t.besides.keep(y))
	} else {
		t.besides.add(y)
		t.sum.Merge(&y.sum)
		t.peak = max(t.peak, y.peak)
	}
	for _, l := range t.live {
		if l.tally == y {
			l.failures = 0 // they are in the sum now
		}
	}
	if y.window > 0 {
		from := y.start + int64(y.plan.Send.Warmup)
		t.windows = append(t.windows, span{from, from + int64(y.window)})
	}
}
