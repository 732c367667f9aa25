package runner

import (
	"fmt"
	"maps"
	"slices"
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
