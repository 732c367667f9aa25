package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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

// ends writes what went wrong and what ended in one second of a step as events.
func (t *trial) ends(at time.Time, step string, c *loadgen.Counts) {
	for _, kind := range []struct {
		name   string
		counts map[string]int64
	}{{"failure", c.Failures}, {"closure", c.Closures}} {
		for _, class := range slices.Sorted(maps.Keys(kind.counts)) {
			t.eventAt(at, results.Event{Kind: kind.name, Step: step, Class: class, Count: kind.counts[class]})
		}
	}
}

// gathering is what the agents report while a step runs.
type gathering struct {
	trial   *trial
	tally   *tally
	seconds map[int64]*second
	open    map[string]loadgen.Set
	agents  []agentNow
	done    int
	stopped int64 // when the last agent gave the step up, wall clock; 0: none did
}

// second is one interval, until every agent has reported it.
type second struct {
	rec      loadgen.Recorder
	length   float64
	reported int
}

// agentNow is what an agent said last.
type agentNow struct{ open, outstanding int }

func (g *gathering) gather(ctx context.Context) error {
	a := g.trial.agents
	g.agents = make([]agentNow, len(a.children))
	limit := time.NewTimer(time.Until(time.Unix(0, g.tally.start)) + longest(g.tally.plan) + reportWithin)
	defer limit.Stop()
	defer g.flush()
	for g.done < len(a.children) {
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), g.leave())
		case <-limit.C:
			return fmt.Errorf("step %s: %d of %d agents did not end it in time", g.tally.plan.ID, len(a.children)-g.done, len(a.children))
		case err := <-a.deaths:
			return err
		case m := <-a.inbox:
			if err := g.take(m); err != nil {
				return err
			}
		}
	}
	return nil
}

// leave has the agents give the step up, and takes what they still report of it: the
// time since the last whole second, and the ends of their connections.
func (g *gathering) leave() error {
	a := g.trial.agents
	if err := a.sendAll(loadgen.Command{Quit: true}); err != nil {
		return err
	}
	limit := time.NewTimer(lastReports)
	defer limit.Stop()
	for g.done < len(a.children) {
		select {
		case <-limit.C:
			g.trial.event(results.Event{Kind: "note", Step: g.tally.plan.ID,
				Text: fmt.Sprintf("%d of %d agents did not report how the step ended", len(a.children)-g.done, len(a.children))})
			return nil
		case m := <-a.inbox:
			if err := g.take(m); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *gathering) take(m loadgen.Message) error {
	switch {
	case m.Error != "":
		return fmt.Errorf("agent %d: %s", m.Agent, m.Error)
	case m.Interval != nil && m.Interval.Serial == g.tally.plan.Serial:
		return g.interval(m.Interval)
	case m.Step != nil && m.Step.Serial == g.tally.plan.Serial:
		g.done++
		g.stopped = max(g.stopped, m.Step.StoppedAt)
		g.tally.peak += m.Step.Peak
		for name, set := range m.Step.Open {
			g.open[name] = loadgen.Union(g.open[name], set)
		}
	}
	return nil
}

func (g *gathering) interval(i *loadgen.IntervalReport) error {
	if err := g.tally.sum.Add(i); err != nil {
		return err
	}
	k := (i.At - g.tally.start) / int64(time.Second)
	s := g.seconds[k]
	if s == nil {
		s = &second{}
		g.seconds[k] = s
	}
	s.reported++
	s.length = max(s.length, i.Seconds)
	if err := s.rec.Add(i); err != nil {
		return err
	}
	if i.Agent < len(g.agents) {
		g.agents[i.Agent] = agentNow{i.Open, i.Outstanding}
	}
	if s.reported < len(g.agents) {
		return nil
	}
	delete(g.seconds, k)
	return g.trial.second(g, k, s)
}

// flush writes the intervals that not every agent reported, since one had
// finished or has gone.
func (g *gathering) flush() {
	for k, s := range g.seconds {
		if err := g.trial.second(g, k, s); err != nil {
			g.trial.event(results.Event{Kind: "note", Text: err.Error()})
		}
	}
	g.seconds = nil
}

// second writes one interval and shows it.
func (t *trial) second(g *gathering, k int64, s *second) error {
	var now agentNow
	for _, a := range g.agents {
		now.open += a.open
		now.outstanding += a.outstanding
	}
	t.sampler.load(now, s.rec.Counts)
	at := time.Unix(0, g.tally.start+k*int64(time.Second))
	t.ends(at, g.tally.plan.ID, &s.rec.Counts) // also what ends when no step runs any more
	if g.tally.kind == "" {
		return nil
	}
	for _, m := range loadgen.Metrics() {
		if h := s.rec.Histogram(m); h != nil {
			if err := t.run.dir.Interval(t.tag(g.tally.plan.ID, m), at, s.length, h); err != nil {
				return err
			}
		}
	}
	t.run.status(func(st *Status) { t.show(st, now, s, &g.tally.sum) })
	return nil
}

// tag names a histogram in the log of intervals.
func (t *trial) tag(step string, m loadgen.Metric) string {
	return fmt.Sprintf("%d.%s.%s.%s", t.record.Block, t.target.Name, step, m)
}

func (t *trial) show(st *Status, now agentNow, s *second, step *loadgen.Recorder) {
	st.Open = now.open
	st.PerSecond, st.P50, st.P99 = 0, 0, 0
	if s.length > 0 {
		st.PerSecond = float64(s.rec.Counts.Answered+s.rec.Counts.Delivered) / s.length
	}
	if h := s.rec.Histogram(loadgen.ResponseTime); h != nil {
		st.P50 = time.Duration(h.ValueAtQuantile(50))
		st.P99 = time.Duration(h.ValueAtQuantile(99))
	}
	st.Failures = 0
	for _, counts := range []loadgen.Counts{t.sum.Counts, step.Counts} {
		for _, n := range counts.Failures {
			st.Failures += n
		}
	}
	st.TargetCPU, st.TargetBytes = t.sampler.targetNow()
}

// longest is how long a step is planned to take at most.
func longest(p *loadgen.StepPlan) time.Duration {
	switch {
	case p.Connect != nil:
		return time.Duration(float64(p.Connect.Count)/p.Connect.Rate*float64(time.Second)) + p.Connect.Timeout
	case p.Send != nil:
		return p.Send.Warmup + p.Send.For + p.Send.Drain
	case p.Join != nil:
		return 10 * time.Second
	case p.Hold != nil:
		return p.Hold.For
	}
	return p.Close.Timeout
}
