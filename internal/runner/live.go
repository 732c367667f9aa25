package runner

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"wsgauge/loadgen"
	"wsgauge/results"
)

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

// live is a step under way, as people see it.
type live struct {
	tally       *tally
	name        string // "load (send)"; empty: none of the scenario's
	outstanding int
	perSecond   float64 // answered or delivered, in the last second
	p50, p99    time.Duration
	failures    int64
}

// begin announces a step.
func (t *trial) begin(j *job, y *tally) {
	l := &live{tally: y}
	if j.kind != "" {
		l.name = j.name()
	}
	t.mu.Lock()
	for _, other := range t.live {
		if loads(j.plan) && loads(other.tally.plan) {
			y.shared, other.tally.shared = true, true
		}
	}
	t.live = append(t.live, l)
	t.mu.Unlock()
	if j.kind == "" {
		return
	}
	t.show()
	t.event(results.Event{Kind: "step_start", Step: j.plan.ID, Text: j.note})
	if j.note != "" {
		t.run.note(fmt.Sprintf("%s, step %s: %s", t.target.Name, j.plan.ID, j.note))
	}
}

// finished takes a step off the list of those under way.
func (t *trial) finished(y *tally) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.live = slices.DeleteFunc(t.live, func(l *live) bool { return l.tally == y })
}

// loads tells whether a step makes work that cannot be told from another's.
func loads(p *loadgen.StepPlan) bool { return p.Hold == nil }

// second writes one interval and shows it.
func (t *trial) second(g *gathering, k int64, s *second) error {
	t.sampler.load(t.note(g, s))
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
	t.show()
	return nil
}

// note keeps what an interval says, and returns what that makes of all steps together.
// Each agent tells of all its connections, whatever the step.
func (t *trial) note(g *gathering, s *second) agentNow {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open = 0
	outstanding := 0
	for _, a := range g.agents {
		t.open += a.open
		outstanding += a.outstanding
	}
	now := agentNow{open: t.open}
	for _, l := range t.live {
		if l.tally == g.tally {
			l.outstanding = outstanding
			l.take(s)
		}
		now.outstanding += l.outstanding
	}
	return now
}

// take is told of one second of the step.
func (l *live) take(s *second) {
	c := &s.rec.Counts
	l.perSecond, l.p50, l.p99 = 0, 0, 0
	if s.length > 0 {
		l.perSecond = float64(c.Answered+c.Delivered+c.HTTPAnswered) / s.length
	}
	if h := s.rec.Histogram(loadgen.ResponseTime); h != nil {
		l.p50 = time.Duration(h.ValueAtQuantile(50))
		l.p99 = time.Duration(h.ValueAtQuantile(99))
	}
	for _, n := range c.Failures {
		l.failures += n
	}
}

// tag names a histogram in the log of intervals.
func (t *trial) tag(step string, m loadgen.Metric) string {
	return fmt.Sprintf("%d.%s.%s.%s", t.record.Block, t.target.Name, step, m)
}

// show tells the watcher how things stand. Rates of several steps add up, quantiles
// do not: those of the first that has any are shown.
func (t *trial) show() {
	cpus, bytes := t.sampler.targetNow()
	t.mu.Lock()
	var now Status
	var names []string
	for _, l := range t.live {
		if l.name != "" {
			names = append(names, l.name)
		}
		now.PerSecond += l.perSecond
		if now.P50 == 0 {
			now.P50, now.P99 = l.p50, l.p99
		}
		now.Failures += l.failures
	}
	for _, n := range t.sum.Counts.Failures {
		now.Failures += n
	}
	now.Open = t.open
	t.mu.Unlock()
	t.run.status(func(s *Status) {
		s.Step, s.Open, s.Failures = strings.Join(names, " + "), now.Open, now.Failures
		s.PerSecond, s.P50, s.P99 = now.PerSecond, now.P50, now.P99
		s.TargetCPU, s.TargetBytes = cpus, bytes
	})
}
