package verdict

import (
	"strings"
	"testing"

	"wsgauge/results"
)

func TestParse(t *testing.T) {
	known := func(name string) bool { return name == "event" || name == "log" }
	for _, c := range []struct {
		text, target, step, figure, op string
		value                          float64
	}{
		{"failures == 0", "", "", "failures", "==", 0},
		{"failures==0", "", "", "failures", "==", 0},
		{"event.load.response_time.p99 < 100ms", "event", "load", "response_time.p99", "<", 1e8},
		{"load.response_time.p99.9 <= 1m30s", "", "load", "response_time.p99.9", "<=", 90e9},
		{"event.4.1.failures.upgrade_stall != 3", "event", "4.1", "failures.upgrade_stall", "!=", 3},
		{"4.1.messages.per_second >= 120000/m", "", "4.1", "messages.per_second", ">=", 2000},
		{"event.resources.target.pss_bytes_per_tunnel < 64KiB", "event", "", "resources.target.pss_bytes_per_tunnel", "<", 65536},
		{"resources.target.cpu_us_per_message < 0.05ms", "", "", "resources.target.cpu_us_per_message", "<", 50},
		{"resources.target.cpu_seconds < 500ms", "", "", "resources.target.cpu_seconds", "<", 0.5},
		{"event.log.AH00484 > 0", "event", "", "log.AH00484", ">", 0},
		{"idle_before_close.p50 > 2d", "", "", "idle_before_close.p50", ">", 172800e9},
		{"log.failures == 1", "", "", "log.failures", "==", 1},
	} {
		e, err := parse(c.text, known)
		if err != nil || e.target != c.target || e.step != c.step || e.figure.Name != c.figure || e.op != c.op || e.value != c.value {
			t.Errorf("%q: %+v, %v", c.text, e, err)
		}
	}
	for text, want := range map[string]string{
		"failures": "no operator", "failures = 0": "none of the operators", "failures == ": "no value", "failures == none": "no bare number",
		"failures == 1%": "no bare number", "speed == 1": "no figure", "response_time.p95 < 1ms": "p95", "response_time.p99 < 100": "no duration",
		"response_time.p99 < 0": "no duration", "messages.per_second > 10": "no value like 2000/s", "resources.target.pss_peak_bytes < 1m": "no value like 64KiB",
		"failures == NaN": "no bare number", "": "no operator", "== 0": "no figure",
	} {
		if e, err := parse(text, known); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v; want an error that says %q", text, e, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("event.load.response_time.p99 < 100ms")
	f.Add("failures == 0")
	f.Add("x./s>=9e999/s")
	f.Fuzz(func(t *testing.T, text string) {
		e, err := parse(text, func(string) bool { return true })
		if err == nil && (e.figure.Name == "" || e.op == "") {
			t.Errorf("%q gives %+v", text, e)
		}
	})
}

// trial is one in which p99 is so many milliseconds and so many tunnels failed.
func trial(target string, p99Ms float64, failed int64) results.Trial {
	q := &results.Quantiles{Count: 5000, P99: new(p99Ms * 1e6)}
	return results.Trial{Target: target, Valid: true, Resources: map[string]*results.Resources{"target": {CPUUsPerMessage: new(20.0)}},
		Figures: results.Figures{Failures: map[string]int64{"upgrade_stall": failed}, ResponseTime: q},
		Steps:   []results.Step{{ID: "load", Figures: results.Figures{ResponseTime: q}}}}
}

func run(expect string, trials ...results.Trial) *results.RunData {
	return &results.RunData{Run: &results.Run{Expect: []string{expect}, Targets: []results.TargetInfo{{Name: "event"}, {Name: "tunnel", Kind: "tunnel"}},
		Skipped: []results.SkippedTarget{{Name: "worker", Reason: "Apache httpd was not found"}}}, Trials: trials}
}

func TestEvaluate(t *testing.T) {
	tunnel := trial("tunnel", 1, 0)
	censored := trial("event", 5000, 0)
	censored.ResponseTime.Censored = []string{"p99"}
	died := trial("event", 1, 0)
	died.Error = "the target died"
	late := trial("event", 1, 0)
	late.Invalid = []results.Invalid{{Reason: "the generator was late", Figures: []string{"latency"}}}
	none := trial("event", 1, 0)
	none.Resources = nil
	for _, c := range []struct {
		expect string
		trials []results.Trial
		want   string // of event
		why    string
	}{
		{"failures == 0", []results.Trial{trial("event", 1, 0), trial("event", 1, 0), tunnel}, Pass, "failures 0, limit exactly 0, sum of 2 trials"},
		{"failures == 0", []results.Trial{trial("event", 1, 0), trial("event", 1, 2), tunnel}, Fail, "failures 2, limit exactly 0, sum of 2 trials"},
		{"event.response_time.p99 < 100ms", []results.Trial{trial("event", 41.2, 0), trial("event", 90, 0), trial("event", 3, 0)}, Pass, "p99 41.2 ms, limit 100 ms, median of 3 trials"},
		{"event.load.response_time.p99 < 10ms", []results.Trial{trial("event", 41.2, 0)}, Fail, "p99 41.2 ms, limit 10 ms, 1 trial"},
		{"event.response_time.p99 < 100ms", []results.Trial{trial("event", 100.04, 0)}, Fail, "p99 100 ms (+0.04%), limit 100 ms, 1 trial"},
		{"event.response_time.p99 < 100ms", []results.Trial{censored}, Fail, "p99 ≥ 5 s, limit 100 ms, 1 trial"},
		{"event.response_time.p99 < 10s", []results.Trial{censored}, Inconclusive, "unanswered messages reach it"},
		{"event.response_time.p99 > 1s", []results.Trial{censored}, Pass, "at least 1 s"},
		{"event.response_time.p99 > 1m", []results.Trial{censored}, Inconclusive, "p99 ≥ 5 s"},
		{"event.failures == 0", []results.Trial{died}, Invalid, "the target died"},
		{"event.failures == 0", nil, Invalid, "there is no trial"},
		{"event.response_time.p99 < 1s", []results.Trial{late, late}, Invalid, "the generator was late"},
		{"event.failures == 0", []results.Trial{late}, Pass, "failures 0"},
		{"event.idle.failures == 0", []results.Trial{trial("event", 1, 0)}, Invalid, `no trial has a step "idle"`},
		{"event.dial.p99 < 1s", []results.Trial{trial("event", 1, 0)}, Invalid, "it was not measured"},
		{"event.response_time.p50 < 1s", []results.Trial{trial("event", 1, 0)}, Invalid, "fewer than 20 observations"},
		{"event.resources.target.cpu_us_per_message < 10us", []results.Trial{none}, Invalid, "it was not measured"},
	} {
		found := false
		for _, v := range Evaluate(run(c.expect, c.trials...)) {
			if v.Target != "event" {
				continue
			}
			found = true
			if v.Verdict != c.want || !strings.Contains(v.Why, c.why) || v.Name != c.expect || v.Kind != "expect" {
				t.Errorf("%q: %+v; want %s, %q", c.expect, v, c.want, c.why)
			}
		}
		if !found {
			t.Errorf("%q: no verdict on event", c.expect)
		}
	}
}

func TestEvaluateTargets(t *testing.T) {
	event, tunnel, direct := trial("event", 1, 0), trial("tunnel", 1, 0), trial("direct", 1, 0)
	direct.Resources = map[string]*results.Resources{"target": nil}
	for expect, want := range map[string]string{
		"failures == 0": "event pass, tunnel pass, direct pass",
		// Nothing stands between for direct, so that nothing can be judged.
		"resources.target.cpu_us_per_message < 30us":        "event pass, tunnel pass",
		"tunnel.resources.target.cpu_us_per_message < 10us": "tunnel fail",
		"direct.resources.target.cpu_us_per_message < 10us": "direct invalid",
		"worker.failures == 0":                              "worker invalid",
		"gone.failures == 0":                                "event invalid, tunnel invalid, direct invalid",
		"nonsense":                                          " invalid",
	} {
		var got []string
		for _, v := range Evaluate(run(expect, event, tunnel, direct)) {
			got = append(got, v.Target+" "+v.Verdict)
			if v.Why == "" {
				t.Errorf("%q: no reason", expect)
			}
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%q: %v, want %v", expect, got, want)
		}
	}
	if v := Evaluate(run("worker.failures == 0", event)); !strings.Contains(v[0].Why, "worker was skipped: Apache httpd was not found") {
		t.Errorf("%+v", v)
	}
	if v := Evaluate(&results.RunData{Run: &results.Run{}}); v == nil || len(v) != 0 {
		t.Errorf("nothing expected: %#v", v)
	}
}

func TestExitCode(t *testing.T) {
	valid, spoiled := trial("event", 1, 0), results.Trial{Target: "event"}
	died := trial("event", 1, 0)
	died.Error = "died"
	for _, c := range []struct {
		trials   []results.Trial
		verdicts []string
		want     int
	}{
		{[]results.Trial{valid, spoiled}, nil, 0}, {[]results.Trial{valid}, []string{Pass, Pass}, 0},
		{[]results.Trial{valid}, []string{Invalid, Fail, Inconclusive}, 3}, {[]results.Trial{valid}, []string{Pass, Inconclusive}, 4},
		{[]results.Trial{valid}, []string{Invalid}, 4}, {[]results.Trial{spoiled, died}, []string{Fail}, 5}, {nil, nil, 5},
	} {
		d := &results.RunData{Run: &results.Run{}, Trials: c.trials}
		for _, v := range c.verdicts {
			d.Run.Verdicts = append(d.Run.Verdicts, results.Verdict{Verdict: v})
		}
		if got := ExitCode(d); got != c.want {
			t.Errorf("%v over %d trials: exit code %d, want %d", c.verdicts, len(c.trials), got, c.want)
		}
	}
}

// A target that did not live through a trial does not meet what is expected of it.
func TestEndedByItself(t *testing.T) {
	a, b := trial("event", 1, 0), trial("event", 1, 0)
	a.Block, b.Block = 1, 2
	b.TargetEnded, b.Error, b.Valid = true, "target event: signal: killed", false
	d := &results.RunData{Run: &results.Run{}, Trials: []results.Trial{a, b}}
	d.Run.Expect = []string{"failures == 0"}
	d.Run.Targets = []results.TargetInfo{{Name: "event"}}
	list := Evaluate(d)
	if len(list) != 1 || list[0].Verdict != Fail || !strings.Contains(list[0].Why, "block 2") {
		t.Errorf("%+v", list)
	}
	if d.Run.Verdicts = list; ExitCode(d) != ExitFailed {
		t.Errorf("exit code %d", ExitCode(d))
	}
	if d.Run.Verdicts = nil; ExitCode(d) != ExitInconclusive {
		t.Errorf("without expectations: exit code %d", ExitCode(d))
	}
}
