package results

import (
	"strings"
	"testing"
)

func TestFigure(t *testing.T) {
	step := func(id string, iteration int, p99 *float64, failed int64) Step {
		return Step{ID: id, Iteration: iteration, Figures: Figures{Failures: map[string]int64{"upgrade_stall": failed},
			ResponseTime: &Quantiles{Count: 10, P99: p99, Censored: []string{"max"}}}, Resources: map[string]*Resources{"target": {FDsPeak: new(7.0)}}}
	}
	trial := &Trial{Valid: true, Log: map[string]int64{"AH00484": 2, "AH00052": 3},
		Figures: Figures{Failures: map[string]int64{"upgrade_stall": 2, "dial_refused": 1}, Closures: map[string]int64{"closed_reset": 4},
			Connections: Connections{Opened: 300, Peak: 250}, Messages: Messages{PerSecond: 3000, BytesSent: 5, NotSentCauses: map[string]int64{"ended": 6}},
			HTTP:         HTTP{Status: map[string]int64{"503": 9}, ResponseTime: &Quantiles{Count: 40, P50: new(8e6)}},
			Pings:        Pings{Due: 9, Sent: 7, NotSent: 2, NotSentCauses: map[string]int64{"no_turn": 2}},
			PingLag:      &Quantiles{Count: 7, P99: new(3e6)},
			ResponseTime: &Quantiles{Count: 10, P99: new(41e6), P999: new(50e6), Max: 60e6, Mean: 3}},
		Resources: map[string]*Resources{"target": {CPUUsPerMessage: new(46.0)}, "backend": nil},
		Steps: []Step{step("load", 1, new(10.0), 1), step("load", 2, new(30.0), 2), step("load", 3, nil, 4), step("other", 1, new(99.0), 8),
			{ID: "reload", TookNs: new(int64(5)), NextHandshakeNs: new(int64(7)), Generations: &Generations{Before: 4, Old: 3, New: 2}}},
	}
	for _, c := range []struct {
		step, name, unit string
		want             float64
		ok, count        bool
		group            string
	}{
		{"", "failures", "", 3, true, true, "counts"},
		{"", "failures.upgrade_stall", "", 2, true, true, "counts"},
		{"", "failures.never_seen", "", 0, true, true, "counts"},
		{"", "closures.closed_reset", "", 4, true, true, "counts"},
		{"", "log.AH00484", "", 2, true, true, "counts"},
		{"", "log", "", 5, true, true, "counts"},
		{"", "connections.opened", "", 300, true, true, "counts"},
		{"", "connections.peak", "", 250, true, false, "counts"},
		{"", "messages.per_second", "/s", 3000, true, false, "rates"},
		{"", "messages.bytes_sent", "B", 5, true, true, "counts"},
		{"", "pings.due", "", 9, true, true, "counts"},
		{"", "pings.not_sent.no_turn", "", 2, true, true, "counts"},
		{"", "ping_lag.p99", "ns", 3e6, true, false, "ping_lag"},
		{"", "messages.not_sent.ended", "", 6, true, true, "counts"},
		{"", "http.status.503", "", 9, true, true, "counts"},
		{"", "http.response_time.p50", "ns", 8e6, true, false, "latency"},
		{"", "response_time.p99", "ns", 41e6, true, false, "latency"},
		{"", "response_time.p99.9", "ns", 50e6, true, false, "latency"},
		{"", "response_time.max", "ns", 60e6, true, false, "latency"},
		{"", "response_time.count", "", 10, true, true, "counts"},
		{"", "response_time.p50", "ns", 0, false, false, "latency"},
		{"", "dial.p50", "ns", 0, false, false, "dial"},
		{"", "resources.target.cpu_us_per_message", "us", 46, true, false, "resources"},
		{"", "resources.target.pss_peak_bytes", "B", 0, false, false, "resources"},
		{"", "resources.backend.fds_peak", "", 0, false, false, "resources"},
		{"load", "failures", "", 7, true, true, "counts"},
		{"load", "response_time.p99", "ns", 20, true, false, "latency"},
		{"load", "resources.target.fds_peak", "", 7, true, false, "resources"},
		{"load", "log", "", 0, false, true, "counts"},
		{"reload", "took", "ns", 5, true, false, "actions"},
		{"reload", "next_handshake", "ns", 7, true, false, "actions"},
		{"reload", "handshake_gap", "ns", 0, false, false, "actions"},
		{"reload", "generations.old", "", 3, true, false, "actions"},
		{"reload", "generations.new", "", 2, true, false, "actions"},
		{"load", "took", "ns", 0, false, false, "actions"},
		{"", "took", "ns", 0, false, false, "actions"},
		{"never", "failures", "", 0, false, true, "counts"},
	} {
		v, unit, ok := trial.Figure(c.step, c.name)
		if v != c.want || ok != c.ok || ok && unit != c.unit {
			t.Errorf("Figure(%q, %q) = %v %q %v, want %v %q %v", c.step, c.name, v, unit, ok, c.want, c.unit, c.ok)
		}
		if info, err := LookFigure(c.name); err != nil || info.Count != c.count || info.Group != c.group || info.Unit != c.unit {
			t.Errorf("LookFigure(%q) = %+v, %v", c.name, info, err)
		}
	}
	for _, name := range []string{"", "speed", "failures.", "response_time", "response_time.p95", "messages", "messages.lost", "http.x",
		"resources.proxy.fds_peak", "resources.target.fds", "resources.target", "took.p99", "generations", "generations.newer"} {
		if info, err := LookFigure(name); err == nil {
			t.Errorf("LookFigure(%q) = %+v", name, info)
		} else if !strings.Contains(err.Error(), name) {
			t.Errorf("LookFigure(%q) does not say what: %v", name, err)
		}
		if _, _, ok := trial.Figure("", name); ok {
			t.Errorf("Figure(%q) is known", name)
		}
	}
	if !trial.Censored("load", "response_time.max") || !trial.Censored("load", "response_time.mean") || trial.Censored("load", "response_time.p99") ||
		trial.Censored("", "response_time.max") {
		t.Error("only the step's maximum, and its mean with it, are lower bounds")
	}
}

func TestSpoiled(t *testing.T) {
	late := Trial{Valid: true, Invalid: []Invalid{{Reason: "late", Step: "load", Figures: []string{"latency"}}}}
	contract := Trial{Valid: true, Invalid: []Invalid{{Reason: "late", Figures: []string{"response_time"}}}}
	stolen := Trial{Invalid: []Invalid{{Reason: "stolen", Figures: []string{"all"}}}}
	named := Trial{Valid: true, Invalid: []Invalid{{Reason: "gap", Figures: []string{"resources.target", "dial"}}}}
	died := Trial{Valid: true, Error: "the target died"}
	for _, c := range []struct {
		what       string
		trial      Trial
		step, name string
		want       string
	}{
		{"late", late, "", "response_time.p99", "late"},
		{"late", late, "load", "http.response_time.p99", "late"},
		{"late", late, "other", "response_time.p99", ""},
		{"late", late, "", "send_lag.p99", ""},
		{"late", late, "", "failures", ""},
		{"late", late, "", "messages.per_second", ""},
		{"contract", contract, "load", "service_time.p50", "late"},
		{"contract", contract, "load", "response_time.count", ""},
		{"stolen", stolen, "", "failures", "stolen"},
		{"named", named, "", "resources.target.fds_peak", "gap"},
		{"named", named, "", "resources.agents.fds_peak", ""},
		{"named", named, "", "dial.p50", "gap"},
		{"died", died, "", "failures", "the target died"},
		{"unmarked", Trial{}, "", "failures", "the trial is marked as not valid, without a reason"},
	} {
		if got, spoiled := c.trial.Spoiled(c.step, c.name); got != c.want || spoiled != (c.want != "") {
			t.Errorf("%s: Spoiled(%q, %q) = %q %v, want %q", c.what, c.step, c.name, got, spoiled, c.want)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		v    []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1}, 5}, {[]float64{9, 1, 4}, 4}, {[]float64{1e308, 1.5e308}, 1.25e308}} {
		if got := Median(c.v); got != c.want {
			t.Errorf("Median(%v) = %v, want %v", c.v, got, c.want)
		}
	}
}
