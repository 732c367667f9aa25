package claim

import (
	"strings"
	"testing"

	"wsgauge/report/internal/synthetic"
	"wsgauge/results"
)

// made is a run over direct, event and tunnel with figures that are set.
func made(t *testing.T, figures ...string) *results.RunData {
	t.Helper()
	m := synthetic.NewMade([]string{"direct", "event", "tunnel"}, []string{"direct", "apache", "tunnel"})
	for _, f := range figures {
		name, value, _ := strings.Cut(f, " = ")
		if err := m.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	d, err := m.Data()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// What a target writes while it starts and stops is not counted, nor what it wrote in a
// trial that does not count.
func TestLines(t *testing.T) {
	d := made(t, "event.line = AH1", "event.line = AH2")
	start := results.Event{Block: 1, Target: "event", Kind: "log", Text: "AH3"}
	results.MarkUncounted(&start)
	d.Events = append(d.Events, start, results.Event{Block: 1, Target: "event", Kind: "note", Text: "AH4"}, results.Event{Block: 1, Target: "tunnel", Kind: "log", Text: "AH5"},
		results.Event{Block: 2, Target: "event", Kind: "log", Text: "AH6"})
	d.Trials = append(d.Trials, results.Trial{Block: 2, Target: "event", Error: "the agent died"})
	m := measure(d)
	e, err := m.parse(`event.lines("AH") == 2`)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.judge(e); got.State != True {
		t.Errorf("%+v", got)
	}
	d.Trials = d.Trials[3:]
	if got := measure(d).judge(e); got.State != Unknown || !strings.Contains(got.Shown, "the agent died") {
		t.Errorf("%+v", got)
	}
}

func TestExpressions(t *testing.T) {
	d := made(t, "event.load.response_time.p50 = 3ms", "tunnel.load.response_time.p50 = 2ms", "direct.load.response_time.p50 = 1ms",
		"event.load.failures.upgrade_stall = 2", "event.failures.upgrade_stall = 2", "event.resources.target.cpu_seconds = 1500ms",
		"event.resources.target.threads_peak = 70", "tunnel.resources.target.threads_peak = 7", "event.log.AH00484 = 1",
		"event.line = AH00484: server reached MaxRequestWorkers", "event.line = AH01 a", "tunnel.http.response_time.p99 = 5ms",
		"event.messages.not_sent.ended = 4", "event.messages.per_second = 2000/s", "event.http.status.200 = 8")
	for text, want := range map[string]State{
		"event.load.response_time.p50 == 3ms":                                              True,
		"event.load.response_time.p50 > 1.5 * tunnel.load.response_time.p50":               False,
		"event.load.response_time.p50 >= 1.5 * tunnel.load.response_time.p50":              True,
		"event.load.response_time.p50>=1.5*tunnel.load.response_time.p50+1ms":              False,
		"event.load.response_time.p50 > tunnel.load.response_time.p50 + 999us":             True,
		"event.load.response_time.p50 > 2 * tunnel.load.response_time.p50 - 1001us":        True,
		"event.load.response_time.p50 < tunnel.load.response_time.p50":                     False,
		"load.response_time.p50 < 4ms":                                                     True,
		"load.response_time.p50 < 3ms":                                                     False,
		"load.response_time.p99 < 3ms":                                                     Unknown,
		"failures == 0":                                                                    False,
		"failures <= 2":                                                                    True,
		"event.load.failures.upgrade_stall == 2":                                           True,
		"event.load.failures.upgrade_closed == 0":                                          True,
		"event.idle.failures == 0":                                                         Unknown,
		"nginx.load.failures == 0":                                                         Unknown,
		"event.resources.target.cpu_seconds > 1s":                                          True,
		"event.resources.target.cpu_seconds > tunnel.http.response_time.p99":               True,
		"resources.target.threads_peak < 71":                                               True, // direct has no processes
		"event.resources.target.threads_peak == 10 * tunnel.resources.target.threads_peak": True,
		"event.log.AH00484 == 1":                                                           True,
		`event.lines("AH[0-9]+") == 2`:                                                     True,
		`event.lines("reached (a|Max)") >= 1`:                                              True,
		`tunnel.lines("AH") == 0`:                                                          True,
		`event.lines("== 7") > tunnel.lines("x <= y")`:                                     False,
		`nginx.lines("x") == 0`:                                                            Unknown,
		"event.messages.not_sent.ended == 4":                                               True,
		"event.messages.per_second >= 2000/s":                                              True,
		"event.http.status.200 == 8":                                                       True,
		"event.load.response_time.p50 != 3ms":                                              False,
		"event.load.response_time.p50 < direct.ping.p50":                                   Unknown,
	} {
		m := measure(d)
		e, err := m.parse(text)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := m.judge(e); got.State != want || got.Shown == "" || got.Text != text {
			t.Errorf("%s: %+v, want %v", text, got, want)
		}
	}
	for _, text := range []string{"failures", "failures = 0", "== 3", "speed == 1", "event.failures == 1ms", "event.load.response_time.p50 < 2 * event.failures",
		"event.failures == 3 more", "event.failures == x * event.failures", "event.failures == event.failures * 2", "event.failures == event.failures + 1ms", `event.lines("(") == 0`, "event.failures == 2 *"} {
		m := measure(d)
		if e, err := m.parse(text); err == nil {
			t.Errorf("%q is read as %+v", text, e)
		}
	}
}

// A lower bound decides only what it surely decides.
func TestBounds(t *testing.T) {
	exact := func(v float64) quantum { return quantum{value: v} }
	least := func(v float64) quantum { return quantum{value: v, bound: true} }
	for _, c := range []struct {
		a    quantum
		op   string
		b    quantum
		want State
	}{
		{exact(1), "<", exact(2), True}, {exact(2), "<", exact(2), False}, {exact(2), "<=", exact(2), True},
		{least(3), "<", exact(2), False}, {least(2), "<=", exact(2), Unknown}, {least(1), "<", exact(2), Unknown},
		{least(3), ">", exact(2), True}, {least(2), ">", exact(2), Unknown}, {least(2), ">=", exact(2), True}, {least(1), ">", exact(2), Unknown},
		{exact(1), "<", least(2), True}, {exact(2), "<", least(2), Unknown}, {exact(3), "<", least(2), Unknown},
		{exact(3), ">", least(2), Unknown}, {exact(1), ">", least(2), False}, {exact(2), ">=", least(2), Unknown},
		{least(1), "<", least(2), Unknown}, {least(2), ">", least(1), Unknown},
		{least(3), "==", exact(2), False}, {least(1), "==", exact(2), Unknown}, {least(3), "!=", exact(2), True}, {exact(1), "!=", least(1), Unknown},
	} {
		if got := decide(c.a, c.op, c.b); got != c.want {
			t.Errorf("%+v %s %+v is %v, want %v", c.a, c.op, c.b, got, c.want)
		}
	}
}

func rules(otherwise string, list ...string) *results.Claim {
	c := &results.Claim{ID: "it", Says: "so it is", Otherwise: otherwise}
	for _, r := range list {
		f := strings.Split(r, "; ")
		c.Rules = append(c.Rules, results.ClaimRule{Verdict: f[0], When: f[1 : len(f)-1], Because: f[len(f)-1]})
	}
	return c
}

func TestEvaluate(t *testing.T) {
	c := rules("p50 is {event.response_time.p50}",
		"holds; event.response_time.p50 < 2 * direct.response_time.p50; event.failures == 0; {event.response_time.p50 / direct.response_time.p50} as slow",
		"in_part; event.failures > 0; event.failures < 5; {event.failures} failures, {event.response_time.p50 - direct.response_time.p50}\n  more, {tunnel.ping.p50}",
		"does_not_hold; event.failures >= 5; {event.failures}")
	for _, x := range []struct {
		figures []string
		verdict string
		rule    int
		why     string
	}{
		{[]string{"event.response_time.p50 = 3ms", "direct.response_time.p50 = 2ms"}, Holds, 1, "1.5× as slow"},
		{[]string{"event.response_time.p50 = 5ms", "direct.response_time.p50 = 2ms"}, Inconclusive, 0, "p50 is 5 ms"},
		{[]string{"event.response_time.p50 = 5ms", "direct.response_time.p50 = 2ms", "event.failures.corrupt = 4"}, InPart, 2, "4 failures, 3 ms more, n/a"},
		// What is false decides, whatever else is unknown.
		{[]string{"event.failures.corrupt = 12345"}, DoesNotHold, 3, "12,345"},
		{[]string{"event.response_time.p50 = 3ms"}, Inconclusive, 0, "It might be that it holds, but that cannot be told: direct.response_time.p50: it was not measured."},
		{[]string{"event.invalid = the clock stepped"}, Inconclusive, 0, "event.response_time.p50: the clock stepped; event.failures: the clock stepped"},
		{[]string{"event.skipped = there is no Apache"}, Inconclusive, 0, "event was skipped: there is no Apache"},
	} {
		f, err := Evaluate(c, made(t, x.figures...))
		if err != nil || f.Verdict != x.verdict || f.Rule != x.rule || !strings.Contains(f.Why, x.why) {
			t.Errorf("%q: %+v, %v", x.figures, f, err)
		}
	}
	for _, bad := range []*results.Claim{rules("", "holds; speed > 1; x"), rules("{speed}", "holds; event.failures == 1; x"), rules("", "holds; event.failures == 0; {event.failures + 1}")} {
		if f, err := Evaluate(bad, made(t)); err == nil {
			t.Errorf("%+v gives %+v", bad, f)
		}
	}
}

func TestVerdicts(t *testing.T) {
	d := made(t)
	if v := Verdicts(d); v != nil {
		t.Errorf("without a claim: %+v", v)
	}
	for rule, want := range map[string]string{
		"holds; failures == 0; x": "pass holds", "in_part; failures == 0; x": "pass holds in part", "does_not_hold; failures == 0; x": "fail does not hold",
		"holds; failures == 1; x": "inconclusive inconclusive", "holds; speed == 1; x": "invalid inconclusive",
	} {
		d.Run.Claim = rules("nothing", rule)
		v := Verdicts(d)
		if len(v) != 1 || v[0].Kind != "claim" || v[0].Name != "it" || v[0].Why == "" || v[0].Verdict+" "+v[0].Word() != want {
			t.Errorf("%s: %+v, want %s", rule, v, want)
		}
	}
}

func TestCombine(t *testing.T) {
	part := func(name, verdict string) Part {
		return Part{name, Finding{Verdict: verdict, Why: "because", Terms: []Term{{Shown: "a = 1"}}}}
	}
	for _, c := range []struct {
		verdicts []string
		want     string
	}{
		{nil, Inconclusive}, {[]string{Holds}, Holds}, {[]string{Holds, Holds}, Holds}, {[]string{DoesNotHold, DoesNotHold}, DoesNotHold},
		{[]string{Holds, DoesNotHold}, InPart}, {[]string{InPart, Holds}, InPart}, {[]string{Holds, Inconclusive}, Inconclusive}, {[]string{Inconclusive, Holds, Holds}, Inconclusive},
		{[]string{Holds, DoesNotHold, Inconclusive}, Inconclusive},
	} {
		var parts []Part
		for i, v := range c.verdicts {
			parts = append(parts, part(string(rune('a'+i)), v))
		}
		f := Combine(parts)
		if f.Verdict != c.want || len(f.Terms) != len(parts) {
			t.Errorf("%v: %+v, want %s", c.verdicts, f, c.want)
		}
	}
	if f := Combine([]Part{part("", Holds)}); f.Why != "because" {
		t.Errorf("a single run: %+v", f)
	}
}

func FuzzExpression(f *testing.F) {
	for _, s := range []string{"event.failures == 0", `event.lines("x") > 2 * event.failures - 1`, "a<1", `event.lines("`, "* 2", "event.failures == 1 * ", "event.response_time.p50 <= 9e999 * event.ping.p50"} {
		f.Add(s)
	}
	m := measure(&results.RunData{Run: &results.Run{Targets: []results.TargetInfo{{Name: "event"}}}})
	f.Fuzz(func(t *testing.T, text string) {
		if e, err := m.parse(text); err == nil && m.judge(e).Shown == "" {
			t.Errorf("%q shows nothing", text)
		}
		if _, err := m.fill("{" + text + "}"); err == nil && text == "" {
			t.Error("an empty placeholder is taken")
		}
	})
}
