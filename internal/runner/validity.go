package runner

import (
	"fmt"
	"time"

	"wsgauge/results"
)

// circumstances are what a trial's figures are judged by besides themselves.
type circumstances struct {
	clockDrift time.Duration // wall against monotonic, over the trial
	stolen     float64       // share of the machine's time, during the steps
	longestGap time.Duration // between two samples
}

// judge finds what cannot be trusted in a trial. It is computed from the figures
// alone, so that it can be repeated from the records.
func judge(t *results.Trial, c circumstances) []results.Invalid {
	out := []results.Invalid{}
	for i := range t.Steps {
		out = append(out, judgeStep(&t.Steps[i])...)
	}
	if d := c.clockDrift.Abs(); d > clockStep {
		out = append(out, results.Invalid{Reason: fmt.Sprintf("the clock stepped by %v during the trial", d.Round(time.Microsecond)),
			Figures: []string{"all"}})
	}
	if c.stolen > stolenShare {
		out = append(out, results.Invalid{Reason: fmt.Sprintf("the hypervisor took %.1f%% of the machine's time (bound %.0f%%)",
			100*c.stolen, 100*stolenShare), Figures: []string{"all"}})
	}
	if c.longestGap > samplerGap {
		out = append(out, results.Invalid{Reason: fmt.Sprintf("the sampler fell behind: %.1f s between two samples", c.longestGap.Seconds()),
			Figures: []string{"resources"}})
	}
	if t.Error != "" {
		out = append(out, results.Invalid{Reason: "the trial did not run to its end: " + t.Error, Figures: []string{"all"}})
	}
	return out
}

func judgeStep(s *results.Step) []results.Invalid {
	var out []results.Invalid
	if s.SendLag != nil && s.SendLag.P99 != nil {
		bound := float64(sendLagFloor)
		if s.ResponseTime != nil && s.ResponseTime.P99 != nil {
			bound = max(bound, sendLagShare**s.ResponseTime.P99)
		}
		if lag := *s.SendLag.P99; lag > bound {
			out = append(out, results.Invalid{Step: s.ID,
				Reason:  fmt.Sprintf("send lag p99 %v exceeds %v: the generator was late", micro(lag), micro(bound)),
				Figures: []string{"response_time", "service_time"}})
		}
	}
	m := s.Messages
	// What was not sent for the target's sake (the connection had ended, its queue
	// was full) says nothing about the generator.
	late := m.NotSentCauses["no_turn"]
	attempted := m.Sent + late
	if share := float64(m.OnTime) / float64(attempted); attempted > 0 && share < onTimeShare {
		out = append(out, results.Invalid{Step: s.ID,
			Reason: fmt.Sprintf("only %.2f%% of the messages were sent within 1%% of the step from their time, %d never came to their turn: "+
				"the generator did not reach the rate", 100*share, late),
			Figures: []string{"rates"}})
	}
	return out
}

func micro(ns float64) time.Duration { return time.Duration(ns).Round(time.Microsecond) }
