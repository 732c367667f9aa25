package runner

import (
	"slices"
	"testing"
	"time"

	"wsgauge/results"
)

func quantiles(p99 time.Duration) *results.Quantiles {
	v := float64(p99)
	return &results.Quantiles{Count: 10_000, P99: &v}
}

// few are quantiles of so few messages that p99 cannot be told.
func few(p90 time.Duration) *results.Quantiles {
	v := float64(p90)
	return &results.Quantiles{Count: 280, P50: &v, P90: &v, Max: 2 * v}
}

func TestJudge(t *testing.T) {
	// A trial whose generator was punctual and whose machine was quiet.
	sound := func() *results.Trial {
		return &results.Trial{Steps: []results.Step{{ID: "load", Figures: results.Figures{
			Messages:     results.Messages{Scheduled: 10_000, Sent: 10_000, OnTime: 10_000, Answered: 10_000},
			ResponseTime: quantiles(5 * time.Millisecond), SendLag: quantiles(80 * time.Microsecond)}}}}
	}
	for name, c := range map[string]struct {
		change func(*results.Trial, *circumstances)
		want   []string // figures spoiled
	}{
		"sound": {func(*results.Trial, *circumstances) {}, nil},
		"late generator": {func(t *results.Trial, _ *circumstances) {
			t.Steps[0].SendLag = quantiles(600 * time.Microsecond)
		}, []string{"response_time", "service_time"}},
		"late by less than a tenth of what is slow": {func(t *results.Trial, _ *circumstances) {
			t.Steps[0].SendLag, t.Steps[0].ResponseTime = quantiles(600*time.Microsecond), quantiles(7*time.Millisecond)
		}, nil},
		"late at reading": {func(t *results.Trial, _ *circumstances) {
			t.Steps[0].ReceiveLag = quantiles(600 * time.Microsecond)
		}, []string{"response_time", "service_time"}},
		"late at reading by less than a tenth of what is slow": {func(t *results.Trial, _ *circumstances) {
			t.Steps[0].ReceiveLag, t.Steps[0].ResponseTime = quantiles(600*time.Microsecond), quantiles(7*time.Millisecond)
		}, nil},
		"late at requests": {func(t *results.Trial, _ *circumstances) {
			t.Steps[0].Figures = results.Figures{SendLag: quantiles(600 * time.Microsecond),
				HTTP: results.HTTP{Sent: 10_000, ResponseTime: quantiles(5 * time.Millisecond)}}
		}, []string{"http.response_time"}},
		"others beside requests": {func(t *results.Trial, c *circumstances) {
			t.Steps[0].Figures = results.Figures{HTTP: results.HTTP{Sent: 10_000, ResponseTime: quantiles(5 * time.Millisecond)}}
			c.others = map[string]othersTook{"load": {machine: 0.3}}
		}, []string{"http.response_time"}},
		"slow target": {func(t *results.Trial, _ *circumstances) {
			t.Steps[0].ResponseTime, t.Steps[0].WriteBlocked = quantiles(3*time.Second), quantiles(2*time.Second)
		}, nil},
		"rate not reached": {func(t *results.Trial, _ *circumstances) {
			t.Steps[0].Messages.OnTime = 9_980
		}, []string{"rates"}},
		"no turn": {func(t *results.Trial, _ *circumstances) {
			m := &t.Steps[0].Messages
			m.Sent, m.OnTime, m.NotSent, m.NotSentCauses = 9_000, 9_000, 1_000, map[string]int64{"no_turn": 1_000}
		}, []string{"response_time", "service_time", "rates"}},
		"late with few messages": {func(t *results.Trial, _ *circumstances) {
			t.Steps[0].SendLag, t.Steps[0].ResponseTime = few(5*time.Millisecond), few(6*time.Millisecond)
		}, []string{"response_time", "service_time"}},
		"punctual with few messages": {func(t *results.Trial, _ *circumstances) {
			t.Steps[0].SendLag, t.Steps[0].ResponseTime = few(50*time.Microsecond), few(6*time.Millisecond)
		}, nil},
		"late with very few": {func(t *results.Trial, _ *circumstances) {
			t.Steps[0].SendLag, t.Steps[0].ResponseTime = &results.Quantiles{Count: 3, Max: 5e6}, &results.Quantiles{Count: 3, Max: 6e6}
		}, []string{"response_time", "service_time"}},
		"no message got its turn": {func(t *results.Trial, _ *circumstances) {
			t.Steps[0].Figures = results.Figures{Messages: results.Messages{Scheduled: 100, NotSent: 100, NotSentCauses: map[string]int64{"no_turn": 100}}}
		}, []string{"response_time", "service_time", "rates"}},
		"one of few messages late": {func(t *results.Trial, _ *circumstances) {
			t.Steps[0].Messages.Sent, t.Steps[0].Messages.OnTime = 400, 399
		}, nil},
		"connections had ended": {func(t *results.Trial, _ *circumstances) {
			m := &t.Steps[0].Messages
			m.Sent, m.OnTime, m.NotSent, m.NotSentCauses = 5_000, 5_000, 5_000, map[string]int64{"ended": 5_000}
		}, nil},
		"late with heartbeats": {func(t *results.Trial, _ *circumstances) {
			t.Steps[0].Figures = results.Figures{Ping: quantiles(479 * time.Millisecond), PingLag: quantiles(478 * time.Millisecond)}
		}, []string{"ping"}},
		"punctual with heartbeats": {func(t *results.Trial, _ *circumstances) {
			t.Steps[0].Figures = results.Figures{Ping: quantiles(479 * time.Millisecond), PingLag: quantiles(90 * time.Microsecond)}
		}, nil},
		"a heartbeat that got no turn": {func(t *results.Trial, _ *circumstances) {
			t.Steps[0].Figures = results.Figures{Pings: results.Pings{Due: 5, Sent: 4, NotSent: 1, NotSentCauses: map[string]int64{"no_turn": 1}}}
		}, []string{"ping"}},
		"a heartbeat that its connection did not take": {func(t *results.Trial, _ *circumstances) {
			t.Steps[0].Figures = results.Figures{Pings: results.Pings{Due: 5, Sent: 4, NotSent: 1, NotSentCauses: map[string]int64{"queue_full": 1}}}
		}, nil},
		"clock step":     {func(_ *results.Trial, c *circumstances) { c.clockDrift = -time.Second }, []string{"all"}},
		"stolen":         {func(_ *results.Trial, c *circumstances) { c.stolen = 0.2 }, []string{"all"}},
		"tolerated":      {func(_ *results.Trial, c *circumstances) { c.stolen, c.maxSteal = 0.2, 0.25 }, nil},
		"other programs": {func(_ *results.Trial, c *circumstances) { c.others = map[string]othersTook{"load": {machine: 0.3}} }, []string{"response_time", "service_time"}},
		"others beside": {func(_ *results.Trial, c *circumstances) {
			c.others = map[string]othersTook{"load": {machine: 0.01, beside: 0.3}}
		}, []string{"response_time", "service_time"}},
		"few of them": {func(_ *results.Trial, c *circumstances) {
			c.others = map[string]othersTook{"load": {machine: 0.03, beside: 0.05}, "other": {machine: 0.5}}
		}, nil},
		"slow sampler": {func(_ *results.Trial, c *circumstances) { c.longestGap = 5 * time.Second }, []string{"all"}},
		"ended early":  {func(t *results.Trial, _ *circumstances) { t.Error = "target event: killed" }, []string{"all"}},
		"nothing sent": {func(t *results.Trial, _ *circumstances) { t.Steps[0].Figures = results.Figures{} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			trial, circumstance := sound(), circumstances{longestGap: time.Second}
			c.change(trial, &circumstance)
			var got []string
			for _, i := range judge(trial.Error, trial.Steps, circumstance) {
				if i.Reason == "" {
					t.Error("no reason is given")
				}
				got = append(got, i.Figures...)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("spoiled %v, want %v", got, c.want)
			}
		})
	}
}
