package runner

import (
	"cmp"
	"fmt"
	"time"

	"wsgauge/results"
)

// circumstances are what a trial's figures are judged by besides themselves.
type circumstances struct {
	clockDrift time.Duration // wall against monotonic, over the trial
	stolen     float64       // share of the machine's time, during the steps
	maxSteal   float64       // what of it is tolerated; 0: stolenShare
	longestGap time.Duration // between two samples
	// others is what other programs took in a step (of a send step, in its window), by
	// the step's id.
	others map[string]othersTook
}

// judge finds what cannot be trusted in a trial, by the figures of its steps and the
// error that ended it, if any.
func judge(failed string, steps []results.Step, c circumstances) []results.Invalid {
	out := []results.Invalid{}
	for i := range steps {
		s := &steps[i]
		out = append(out, judgeStep(s)...)
		out = append(out, judgeOpening(s)...)
		out = append(out, judgeHeartbeat(s)...)
		took, whose, bound := c.others[s.ID].machine, "the machine's time", othersShare
		if beside := c.others[s.ID].beside; took <= bound {
			took, whose, bound = beside, "the time of the CPUs of agents or backend", besideShare
		}
		if spoiled := timed(s); took > bound && len(spoiled) > 0 {
			out = append(out, results.Invalid{Step: s.ID, Reason: fmt.Sprintf("other programs took %.0f%% of %s (bound %.0f%%)",
				100*took, whose, 100*bound), Figures: spoiled})
		}
	}
	if d := c.clockDrift.Abs(); d > clockStep {
		out = append(out, results.Invalid{Reason: fmt.Sprintf("the clock stepped by %v during the trial", d.Round(time.Microsecond)),
			Figures: []string{"all"}})
	}
	if bound := cmp.Or(c.maxSteal, stolenShare); c.stolen > bound {
		out = append(out, results.Invalid{Reason: fmt.Sprintf("the hypervisor took %.1f%% of the machine's time (bound %.0f%%)",
			100*c.stolen, 100*bound), Figures: []string{"all"}})
	}
	if c.longestGap > samplerGap {
		out = append(out, results.Invalid{Reason: fmt.Sprintf("the sampler fell behind: %.1f s between two samples", c.longestGap.Seconds()),
			Figures: []string{"all"}})
	}
	if failed != "" {
		out = append(out, results.Invalid{Reason: "the trial did not run to its end: " + failed, Figures: []string{"all"}})
	}
	return out
}

// timed are the figures of a step that a late generator or backend spoils.
func timed(s *results.Step) (figures []string) {
	if s.ResponseTime != nil || s.Step == "send" {
		figures = append(figures, "response_time", "service_time")
	}
	if s.Upgrade != nil || s.Dial != nil {
		figures = append(figures, "dial", "tls", "upgrade")
	}
	if s.Ping != nil {
		figures = append(figures, "ping")
	}
	if s.HTTP.ResponseTime != nil {
		figures = append(figures, "http.response_time")
	}
	return figures
}

// judgeOpening judges how late connections were begun. Their times end when the agent
// reads, and an agent that begins late reads late.
func judgeOpening(s *results.Step) []results.Invalid {
	name, late, upgrade, ok := lagAndResponse(s.DialLag, s.Upgrade)
	bound := max(float64(dialLagFloor), lagShare*upgrade)
	if !ok || late <= bound {
		return nil
	}
	return []results.Invalid{{Step: s.ID, Reason: fmt.Sprintf("dial lag %s %v exceeds %v: the generator was late at opening connections",
		name, micro(late), micro(bound)), Figures: []string{"dial", "tls", "upgrade"}}}
}

// judgeHeartbeat judges how late the clients' pings were sent, whose round trip begins
// when they were due.
func judgeHeartbeat(s *results.Step) (out []results.Invalid) {
	ping := func(reason string, args ...any) {
		out = append(out, results.Invalid{Step: s.ID, Reason: fmt.Sprintf(reason, args...), Figures: []string{"ping"}})
	}
	name, late, round, ok := lagAndResponse(s.PingLag, s.Ping)
	if bound := max(float64(sendLagFloor), lagShare*round); ok && late > bound {
		ping("ping lag %s %v exceeds %v: the generator was late with its heartbeats", name, micro(late), micro(bound))
	}
	if n := s.Pings.NotSentCauses["no_turn"]; n > 0 {
		ping("%d of %d pings never came to their turn: the generator was late", n, s.Pings.Due)
	}
	return out
}

func judgeStep(s *results.Step) []results.Invalid {
	var out []results.Invalid
	generator := "the generator"
	if s.Pattern == "push" {
		generator = "the backend, which makes this load," // and whose lag it is
	}
	spoiled, responses := []string{"response_time", "service_time"}, s.ResponseTime
	if s.HTTP.ResponseTime != nil { // the step sends requests, and no messages
		spoiled, responses = []string{"http.response_time"}, s.HTTP.ResponseTime
	}
	latency := func(reason string, args ...any) {
		out = append(out, results.Invalid{Step: s.ID, Reason: fmt.Sprintf(reason, args...), Figures: spoiled})
	}
	m := s.Messages
	for _, lag := range []struct {
		of          *results.Quantiles
		what, whose string
		floor       time.Duration
	}{{s.SendLag, "send lag", generator, sendLagFloor}, {s.ReceiveLag, "receive lag", "the generator", receiveLagFloor}} {
		name, late, response, ok := lagAndResponse(lag.of, responses)
		if bound := max(float64(lag.floor), lagShare*response); ok && late > bound {
			latency("%s %s %v exceeds %v: %s was late", lag.what, name, micro(late), micro(bound), lag.whose)
		}
	}
	// What was not sent for the target's sake (the connection had ended, its queue
	// was full) says nothing about the generator.
	late := m.NotSentCauses["no_turn"]
	if late > 0 {
		latency("%d messages never came to their turn: the generator was late", late)
	}
	attempted := m.Sent + late
	// One late message of few is chance.
	if missed := attempted - m.OnTime; missed > 1 && float64(m.OnTime)/float64(attempted) < onTimeShare {
		out = append(out, results.Invalid{Step: s.ID,
			Reason: fmt.Sprintf("only %.2f%% of the messages were sent within 1%% of the step from their time: "+
				"%s did not reach the rate", 100*float64(m.OnTime)/float64(attempted), generator),
			Figures: []string{"rates"}})
	}
	return out
}

// lagAndResponse are the highest quantile that has enough observations for both, or of
// very few messages the worst.
func lagAndResponse(l, r *results.Quantiles) (name string, lag, response float64, ok bool) {
	if l == nil || r == nil {
		return "", 0, 0, false
	}
	for _, q := range []struct {
		name          string
		lag, response *float64
	}{
		{"p99", l.P99, r.P99},
		{"p90", l.P90, r.P90},
		{"p50", l.P50, r.P50},
	} {
		if q.lag != nil && q.response != nil {
			return q.name, *q.lag, *q.response, true
		}
	}
	return "at most", l.Max, r.Max, true
}

func micro(ns float64) time.Duration { return time.Duration(ns).Round(time.Microsecond) }
