package scenarios

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var (
	someTargets = []string{"direct", "event", "p99", "upgrade"}
	someSteps   = []string{"1", "4.1.2", "4.1", "4", "load", "ping", "max"}
)

func TestExpectation(t *testing.T) {
	for text, want := range map[string]Expectation{
		"failures == 0":                              {Figure: "failures", Op: "=="},
		" failures.upgrade_status_503  !=  3":        {Figure: "failures.upgrade_status_503", Op: "!=", Value: 3},
		"event.failures<=0.5":                        {Target: "event", Figure: "failures", Op: "<=", Value: 0.5},
		"load.response_time.p99.9 < 100ms":           {Step: "load", Figure: "response_time.p99.9", Op: "<", Value: 1e8, Unit: "ns"},
		"4.1.upgrade.p50 > 1m30s":                    {Step: "4.1", Figure: "upgrade.p50", Op: ">", Value: 9e10, Unit: "ns"},
		"event.4.1.2.ping.max >= 0s":                 {Target: "event", Step: "4.1.2", Figure: "ping.max", Op: ">=", Unit: "ns"},
		"ping.ping.max < 1us":                        {Step: "ping", Figure: "ping.max", Op: "<", Value: 1e3, Unit: "ns"},
		"upgrade.upgrade.p99 < 1s":                   {Target: "upgrade", Figure: "upgrade.p99", Op: "<", Value: 1e9, Unit: "ns"},
		"upgrade.p99 < 1s":                           {Figure: "upgrade.p99", Op: "<", Value: 1e9, Unit: "ns"},
		"p99.max.dial.count == 300":                  {Target: "p99", Step: "max", Figure: "dial.count", Op: "==", Value: 300},
		"messages.per_second > 120/min":              {Figure: "messages.per_second", Op: ">", Value: 2, Unit: "/s"},
		"messages.bytes_sent >= 1.5KiB":              {Figure: "messages.bytes_sent", Op: ">=", Value: 1536, Unit: "B"},
		"connections.peak == 300":                    {Figure: "connections.peak", Op: "==", Value: 300},
		"closures.closed_by_peer_1001 == 0":          {Figure: "closures.closed_by_peer_1001", Op: "=="},
		"event.log.AH00484 == 0":                     {Target: "event", Figure: "log.AH00484", Op: "=="},
		"resources.target.cpu_us_per_message < 40us": {Figure: "resources.target.cpu_us_per_message", Op: "<", Value: 4e4, Unit: "ns"},
		"direct.resources.agents.cpu_seconds < 2s":   {Target: "direct", Figure: "resources.agents.cpu_seconds", Op: "<", Value: 2e9, Unit: "ns"},
		"resources.backend.rss_peak_bytes < 1GiB":    {Figure: "resources.backend.rss_peak_bytes", Op: "<", Value: 1 << 30, Unit: "B"},
		"load.next_handshake < 2s":                   {Step: "load", Figure: "next_handshake", Op: "<", Value: 2e9, Unit: "ns"},
		"event.4.1.generations.old == 3":             {Target: "event", Step: "4.1", Figure: "generations.old", Op: "==", Value: 3},
		"load.failures.http_timeout == 0":            {Step: "load", Figure: "failures.http_timeout", Op: "=="},
	} {
		want.Text = strings.TrimSpace(text)
		if got, err := ParseExpectation(text, someTargets, someSteps); err != nil || got != want {
			t.Errorf("%q gives %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"evnt.failures == 0":                         "did you mean event?",
		"event.laod.failures == 0":                   "did you mean load?",
		"load.event.failures == 0":                   `there is no step "load.event"`,
		"response_time.p99 < 100":                    "100 has no unit",
		"failures < 5ms":                             `has the unit "ms"`,
		"failures == -1":                             "-1 is negative",
		"failures == NaN":                            "NaN is no number",
		"failures == 1e400":                          "without a unit",
		"log.AH0-1 == 0":                             "no code of a log",
		"http.status.2xx > 0":                        "is no status of an answer",
		"http.response_time.p95 < 1s":                "no figure \"p95\" of http.response_time",
		"http.received > 0":                          "no figure \"received\" of http",
		"http.response_time.p99 < 1":                 "has no unit",
		"resources.target == 0":                      "needs a word after it",
		"failures == 0 == 0":                         "holds a space",
		"event.took < 1s":                            "write the step's id before it",
		"load.took < 1":                              "has no unit",
		"load.generations.odl == 1":                  "did you mean generations.old?",
		strings.Repeat("a.", 5000) + "failures == 0": "is too long",
	} {
		if got, err := ParseExpectation(text, someTargets, someSteps); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.50q gives %+v, %v; want %q", text, got, err, want)
		}
	}
}

// Whatever stands before a figure is found again.
func TestExpectationPaths(t *testing.T) {
	figures := slices.Concat(figureNames(), []string{"failures.unanswered", "closures.closed_reset", "log.AH00484", "upgrade.count"})
	rapid.Check(t, func(r *rapid.T) {
		target := rapid.SampledFrom(append([]string{""}, someTargets...)).Draw(r, "target")
		step := rapid.SampledFrom(append([]string{""}, someSteps...)).Draw(r, "step")
		figure := rapid.SampledFrom(figures).Draw(r, "figure")
		n := rapid.IntRange(1, 1000).Draw(r, "n")
		unit, err := figureUnit(figure)
		if err != nil {
			r.Fatal(err)
		}
		written := map[string]string{"ns": "ns", "B": "B", "/s": "/s"}[unit]
		var path []string
		for _, word := range []string{target, step, figure} {
			if word != "" {
				path = append(path, word)
			}
		}
		text := strings.Join(path, ".") + " < " + strconv.Itoa(n) + written
		e, parseErr := ParseExpectation(text, someTargets, someSteps)
		if parseErr != nil {
			if step != "" && strings.HasPrefix(figure, "log") || target == "direct" && strings.HasPrefix(figure, "resources.target") {
				return // never known
			}
			r.Fatal(parseErr)
		}
		if want := (Expectation{target, step, figure, "<", float64(n), unit, text}); e != want {
			r.Fatalf("%q gives %+v", text, e)
		}
	})
}
