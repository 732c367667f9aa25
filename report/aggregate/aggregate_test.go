package aggregate

import (
	"strings"
	"testing"

	"wsgauge/results"
)

func trial(block int, p99 float64, failed int64) *results.Trial {
	return &results.Trial{Block: block, Valid: true, Figures: results.Figures{Failures: map[string]int64{"unanswered": failed},
		ResponseTime: &results.Quantiles{Count: 5000, P99: &p99}}}
}

func TestOver(t *testing.T) {
	late := trial(4, 900e6, 5)
	late.Invalid = []results.Invalid{{Reason: "late", Figures: []string{"latency"}}}
	died := trial(5, 1, 100)
	died.Error = "the target died"
	few := trial(6, 0, 0)
	few.ResponseTime.P99 = nil
	bare := &results.Trial{Block: 7, Valid: true}
	three := []*results.Trial{trial(1, 40e6, 1), trial(2, 10e6, 2), trial(3, 50e6, 0)}
	for _, c := range []struct {
		what   string
		trials []*results.Trial
		name   string
		state  State
		value  float64
		text   string
		basis  string
	}{
		{"median", three, "response_time.p99", Known, 40e6, "40 ms", "median of 3 trials"},
		{"sum", three, "failures", Known, 3, "3", "sum of 3 trials"},
		{"late is out of latency", append(three, late), "response_time.p99", Known, 40e6, "40 ms", "median of 3 of 4 trials"},
		{"late is in counts", append(three, late), "failures", Known, 8, "8", "sum of 4 trials"},
		{"an error is never valid", append(three, died), "failures", Known, 3, "3", "sum of 3 of 4 trials"},
		{"one", three[:1], "failures", Known, 1, "1", "1 trial"},
		{"two", three[:2], "response_time.p99", Known, 25e6, "25 ms", "median of 2 trials"},
		{"all spoiled", []*results.Trial{late, late, died}, "response_time.p99", Invalid, 0, "invalid", ""},
		{"too few", []*results.Trial{few, late}, "response_time.p99", Null, 0, "–", ""},
		{"nothing", []*results.Trial{bare}, "response_time.p99", NotMeasured, 0, "n/a", ""},
		{"none", nil, "failures", NoTrial, 0, "n/a", ""},
	} {
		a, err := Over(c.trials, "", c.name)
		if err != nil {
			t.Fatal(err)
		}
		if a.State != c.state || a.Value != c.value || a.String() != c.text || c.state == Known && a.Basis() != c.basis {
			t.Errorf("%s: %+v %q %q; want %v %v %q %q", c.what, a, a, a.Basis(), c.state, c.value, c.text, c.basis)
		}
		if c.state != Known && a.Why == "" {
			t.Errorf("%s: it does not say why", c.what)
		}
	}
	if a, _ := Over([]*results.Trial{late, late, died}, "", "response_time.p99"); a.Why != "late; the target died" {
		t.Errorf("why: %q", a.Why)
	}
	if _, err := Over(three, "", "speed"); err == nil || !strings.Contains(err.Error(), "speed") {
		t.Error(err)
	}
}

// The true value of a censored trial may lie anywhere above, so that a median at or
// above it is a lower bound, and one below it is exact.
func TestOverCensored(t *testing.T) {
	censored := func(block int, p99 float64) *results.Trial {
		c := trial(block, p99, 0)
		c.ResponseTime.Censored = []string{"p99"}
		return c
	}
	for _, c := range []struct {
		trials []*results.Trial
		want   bool
		text   string
	}{
		{[]*results.Trial{trial(1, 1e6, 0), trial(2, 2e6, 0), censored(3, 5e9)}, false, "2 ms"},
		{[]*results.Trial{trial(1, 1e6, 0), censored(2, 5e9), censored(3, 6e9)}, true, "≥ 5 s"},
		{[]*results.Trial{censored(1, 1e6), trial(2, 2e6, 0), trial(3, 3e6, 0)}, true, "≥ 2 ms"},
	} {
		if a, err := Over(c.trials, "", "response_time.p99"); err != nil || a.Censored != c.want || a.String() != c.text {
			t.Errorf("%v %q, want %v %q", a.Censored, a, c.want, c.text)
		}
	}
}

// Ratios are taken within blocks, where the machine was the same.
func TestRatio(t *testing.T) {
	died := trial(3, 1, 0)
	died.Error = "died"
	tunnel := []*results.Trial{trial(1, 10, 0), trial(2, 100, 0), trial(3, 10, 0)}
	a := Ratio([]*results.Trial{trial(2, 150, 0), trial(1, 20, 0), died, trial(9, 7, 0)}, tunnel, "response_time.p99")
	if a.State != Known || a.Value != 1.75 || a.Used != 2 || a.Min != 1.5 || a.Max != 2 || a.String() != "1.75×" {
		t.Errorf("%+v", a)
	}
	if a := Ratio(tunnel, nil, "response_time.p99"); a.State != NotMeasured {
		t.Errorf("without a tunnel: %+v", a)
	}
	if a := Ratio([]*results.Trial{trial(1, 20, 0)}, []*results.Trial{trial(1, 0, 0)}, "response_time.p99"); a.State != NotMeasured {
		t.Errorf("against zero: %+v", a)
	}
}

func TestTargets(t *testing.T) {
	d := &results.RunData{Run: &results.Run{Targets: []results.TargetInfo{{Name: "b", Kind: "tunnel"}, {Name: "a", Kind: "direct"}}},
		Trials: []results.Trial{{Target: "a", Block: 1, Valid: true}, {Target: "x", Block: 1}, {Target: "a", Block: 2, Error: "died", Valid: true}}}
	list := Targets(d)
	if len(list) != 3 || list[0].Name != "b" || list[1].Name != "a" || list[2].Name != "x" || len(list[1].Trials) != 2 || list[1].Valid() != 1 || list[2].Info != nil {
		t.Errorf("%+v", list)
	}
	d.Trials = append(d.Trials, results.Trial{Target: "b"})
	if y := Yardstick(Targets(d)); len(y) != 1 || y[0].Target != "b" {
		t.Errorf("the yardstick is of kind tunnel, whatever its name: %+v", y)
	}
	d.Run.Targets[0].Config = "wsgauge tunnel --listen 127.0.0.1:1 --backend 127.0.0.1:2 --inject delay=1ms\n"
	if y := Yardstick(Targets(d)); len(y) != 0 {
		t.Errorf("a tunnel with a delay is a yardstick: %+v", y)
	}
	d.Run.Targets = append(d.Run.Targets, results.TargetInfo{Name: "x", Kind: "tunnel"})
	if y := Yardstick(Targets(d)); len(y) != 1 || y[0].Target != "x" {
		t.Errorf("the yardstick is the one without a delay: %+v", y)
	}
}
