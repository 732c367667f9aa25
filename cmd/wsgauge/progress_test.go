package main

import (
	"bytes"
	"testing"
	"time"
	"unicode/utf8"

	"wsgauge/internal/runner"
	"wsgauge/results"
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

// A trial's line has the quantiles that its record has, and says which step is invalid.
func TestTrialLine(t *testing.T) {
	p50, p99 := 142e3, 5e9
	for _, c := range []struct {
		times   *results.Quantiles
		invalid []results.Invalid
		want    string
	}{
		{nil, nil, "  (2.0 s)\n"},
		{&results.Quantiles{Count: 23, Max: 1e6}, nil, "  (2.0 s)\n"},
		{&results.Quantiles{Count: 100, P50: &p50}, nil, "  p50 142 µs  (2.0 s)\n"},
		{&results.Quantiles{Count: 9000, P50: &p50, P99: &p99, Censored: []string{"p99"}}, nil, "  p50 142 µs  p99 ≥ 5 s  (2.0 s)\n"},
		{nil, []results.Invalid{{Reason: "late", Step: "load"}, {Reason: "the clock"}},
			"  (2.0 s)\n        invalid, step load: late\n        invalid: the clock\n"},
	} {
		var out bytes.Buffer
		newProgress(&out).TrialDone(runner.TrialSummary{Trial: 1, Trials: 2, Block: 1, Target: "direct", Opened: 3, Answered: 4, Took: 2 * time.Second,
			Record: &results.Trial{Figures: results.Figures{ResponseTime: c.times}, Invalid: c.invalid}})
		if want := "[1/2] block 1  direct          3 opened        4 answered  0 failures" + c.want; out.String() != want {
			t.Errorf("got  %q\nwant %q", out.String(), want)
		}
	}
}
