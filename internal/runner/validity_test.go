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
		"slow target": {func(t *results.Trial, _ *circumstances) {
			t.Steps[0].ResponseTime, t.Steps[0].WriteBlocked = quantiles(3*time.Second), quantiles(2*time.Second)
		}, nil},
		"rate not reached": {func(t *results.Trial, _ *circumstances) {
			t.Steps[0].Messages.OnTime = 9_980
		}, []string{"rates"}},
		"no turn": {func(t *results.Trial, _ *circumstances) {
			m := &t.Steps[0].Messages
			m.Sent, m.OnTime, m.NotSent, m.NotSentCauses = 9_000, 9_000, 1_000, map[string]int64{"no_turn": 1_000}
		}, []string{"rates"}},
		"connections had ended": {func(t *results.Trial, _ *circumstances) {
			m := &t.Steps[0].Messages
			m.Sent, m.OnTime, m.NotSent, m.NotSentCauses = 5_000, 5_000, 5_000, map[string]int64{"ended": 5_000}
		}, nil},
		"clock step":   {func(_ *results.Trial, c *circumstances) { c.clockDrift = -time.Second }, []string{"all"}},
		"stolen":       {func(_ *results.Trial, c *circumstances) { c.stolen = 0.2 }, []string{"all"}},
		"slow sampler": {func(_ *results.Trial, c *circumstances) { c.longestGap = 5 * time.Second }, []string{"resources"}},
		"ended early":  {func(t *results.Trial, _ *circumstances) { t.Error = "target event: killed" }, []string{"all"}},
		"nothing sent": {func(t *results.Trial, _ *circumstances) { t.Steps[0].Figures = results.Figures{} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			trial, circumstance := sound(), circumstances{longestGap: time.Second}
			c.change(trial, &circumstance)
			var got []string
			for _, i := range judge(trial, circumstance) {
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
