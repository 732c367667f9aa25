package main

import (
	"testing"
	"time"
	"unicode/utf8"

	"wsgauge/internal/runner"
)

// The live line never wraps, and never loses the time that is left.
func TestLiveLine(t *testing.T) {
	loading := runner.Status{Trial: 2, Trials: 15, Block: 1, Blocks: 3, Target: "prefork", Step: "load (send)", Left: 80 * time.Second,
		Open: 300, PerSecond: 3012, P50: 142 * time.Microsecond, P99: 1250 * time.Microsecond, Failures: 3, TargetCPU: 0.57, TargetBytes: 48 << 20}
	starting := runner.Status{Trial: 1, Trials: 1, Target: "direct", Step: "starting", Left: 6 * time.Second, TargetCPU: -1, TargetBytes: -1}
	for _, c := range []struct {
		status  runner.Status
		columns int
		want    string
	}{
		{loading, 40, "[2/15] prefork · about 1m20s left · lo…"},
		{loading, 80, "[2/15] prefork · about 1m20s left · load (send) · 300 open · 3 failures · 3012…"},
		{loading, 120, "[2/15] prefork · about 1m20s left · load (send) · 300 open · 3 failures · 3012 msg/s · p50 142 µs · p99 1.25 ms · targ…"},
		{loading, 160, "[2/15] prefork · about 1m20s left · load (send) · 300 open · 3 failures · 3012 msg/s · p50 142 µs · p99 1.25 ms · target 57% CPU · 48 MiB"},
		{starting, 40, "[1/1] direct · about 6 s left · starti…"},
		{starting, 80, "[1/1] direct · about 6 s left · starting · 0 open"},
		{starting, 1, "…"},
	} {
		got := liveLine(c.status, c.columns)
		if got != c.want {
			t.Errorf("%d columns:\ngot  %q\nwant %q", c.columns, got, c.want)
		}
		if n := utf8.RuneCountInString(got); n > max(c.columns-1, 1) {
			t.Errorf("%d columns: the line has %d", c.columns, n)
		}
	}
}
