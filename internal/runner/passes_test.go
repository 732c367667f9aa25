package runner

import (
	"slices"
	"testing"
	"time"

	"wsgauge/loadgen"
	"wsgauge/results"
)

// A generator that reads late for a while spoils the p99 of 3000 messages, of which the
// lag of only 750 is known.
func TestSampledLagIsJudgedByTheQuantilesOfTheResponse(t *testing.T) {
	for name, c := range map[string]struct {
		messages, every int // and one of so many is sampled
		late            int // of the messages, one after the other
		spoiled         bool
	}{
		"late":                   {3000, 4, 60, true},
		"in time":                {3000, 4, 0, false},
		"late for a moment":      {3000, 4, 12, false}, // less than the p99 shows
		"late, few messages":     {300, 4, 60, true},
		"late, none of them":     {300, 100, 60, false}, // what nobody looked at
		"late, all looked at":    {3000, 1, 60, true},
		"late in more than 8000": {9000, 4, 180, true},
	} {
		var r loadgen.Recorder
		for i := range c.messages {
			lag := 20 * time.Microsecond
			if i < c.late {
				lag = 90 * time.Millisecond
			}
			r.Record(loadgen.SendLag, 1000)
			r.Record(loadgen.ResponseTime, int64(lag+100*time.Microsecond))
			if i%c.every == c.every-1 {
				r.Record(loadgen.ReceiveLag, int64(lag))
			}
		}
		step := results.Step{ID: "load", Step: "send", Figures: figures(&r, 1, time.Second)}
		before := *step.ReceiveLag
		trial := &trial{}
		trial.passed(step, &r)
		spoiled := slices.ContainsFunc(judge("", trial.merged(), circumstances{}), func(i results.Invalid) bool {
			return slices.Contains(i.Figures, "response_time")
		})
		if spoiled != c.spoiled {
			t.Errorf("%s: response time spoiled: %v", name, spoiled)
		}
		if after := *step.ReceiveLag; after.P99 != before.P99 || after.P90 != before.P90 {
			t.Errorf("%s: the record has changed", name)
		}
	}
}
