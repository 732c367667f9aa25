package runner

import (
	"testing"
	"time"

	"wsgauge/loadgen"
)

// The window of a step that was given up is the part of it that was run.
func TestCutShort(t *testing.T) {
	const start = int64(1e18)
	for _, c := range []struct{ at, want time.Duration }{
		{-time.Second, 0}, {time.Second, 0}, {2 * time.Second, 0}, {2400 * time.Millisecond, 400 * time.Millisecond},
		{12 * time.Second, 10 * time.Second}, {15 * time.Second, 10 * time.Second},
	} {
		y := &tally{start: start, window: 10 * time.Second,
			plan: &loadgen.StepPlan{Send: &loadgen.SendPlan{Warmup: 2 * time.Second, For: 10 * time.Second}}}
		y.cutShort(start + int64(c.at))
		if y.window != c.want || y.end < y.start {
			t.Errorf("given up %v after the start: a window of %v, want %v (end %d)", c.at, y.window, c.want, y.end-start)
		}
	}
}
