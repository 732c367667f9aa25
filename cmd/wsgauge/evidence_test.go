package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"wsgauge/report/shift"
	"wsgauge/results"
)

// The experiments that the bounds of validity were chosen by (internal/runner's
// bounds.go names them). They take minutes and a quiet machine, and their result is
// a table to read: `make evidence`.
func TestEvidence(t *testing.T) {
	if os.Getenv("WSGAUGE_EVIDENCE") == "" {
		t.Skip("skipped: takes minutes and prints tables; run it with make evidence")
	}
	t.Setenv(envMaxSteal, "") // here it matters
	t.Run("A against A", aAgainstA)
	t.Run("rates", rates)
	t.Run("busy loops", busyLoops)
	t.Run("slow targets", slowTargets)
	t.Run("shares", shares)
	t.Run("thieves", thieves)
}

const evidence = `
name: evidence
about: An experiment on validity.
targets:
%s
blocks: %d
agents: {cpus: "0"}
steps:
  - connect: {connections: 200, rate: 1000/s}
  - id: load
    send: {rate: %d/s, for: %s, warmup: 500ms, drain: 10s}
`

func experiment(t *testing.T, targets string, blocks, rate int, length string, flags ...string) *results.RunData {
	t.Helper()
	r := start(t, fmt.Sprintf(evidence, targets, blocks, rate, length), flags...)
	r.exit(10 * time.Minute)
	return r.records()
}

// aAgainstA compares the tunnel with itself: what is found is what chance does.
func aAgainstA(t *testing.T) {
	fmt.Println("\nthe tunnel against itself, 7 blocks: later by, median and band, µs; blocks that are valid")
	fmt.Printf("%10s %24s %24s %24s %24s\n", "messages/s", "p50", "p90", "p99", "p99.9")
	for _, rate := range []int{500, 2000, 6000} {
		d := experiment(t, "  - tunnel\n  - {name: same, tunnel: {}}", 7, rate, "5s")
		one, _ := shift.Samples(d, "tunnel", "load")
		other, _ := shift.Samples(d, "same", "load")
		line := fmt.Sprintf("%10d", rate)
		for _, q := range []float64{0.5, 0.9, 0.99, 0.999} {
			b := shift.Between(other, one, q)
			if b.Blocks == 0 {
				line += fmt.Sprintf(" %24s", "too few")
				continue
			}
			line += fmt.Sprintf(" %24s", fmt.Sprintf("%.0f (%.0f … %.0f) of %d", b.Median/1e3, b.Low/1e3, b.High/1e3, b.Blocks))
		}
		fmt.Println(line)
	}
}

// us is a quantile in microseconds; "–" for one that is not known.
func us(v *float64) string {
	if v == nil {
		return "–"
	}
	return fmt.Sprintf("%.0f", *v/1e3)
}

func heading(title, what string) {
	fmt.Printf("\n%s; µs\n%20s %9s %9s %9s %9s %9s %9s %9s  %s\n", title, what, "p50", "p99", "lag p50", "lag p99", "recv p50", "recv p99", "in time", "validity")
}

// row prints what a trial says of the generator.
func row(what string, trial *results.Trial) {
	empty := &results.Quantiles{}
	r, lag, receive := trial.ResponseTime, trial.SendLag, trial.ReceiveLag
	for _, q := range []**results.Quantiles{&r, &lag, &receive} {
		if *q == nil {
			*q = empty
		}
	}
	var why []string
	for _, i := range trial.Invalid {
		reason, _, _ := strings.Cut(i.Reason, ":")
		why = append(why, reason)
	}
	if trial.Error != "" {
		why = append(why, trial.Error)
	}
	verdict := "valid"
	if len(why) > 0 {
		verdict = "invalid: " + strings.Join(why, "; ")
	}
	fmt.Printf("%20s %9s %9s %9s %9s %9s %9s %9s  %s\n", what, us(r.P50), us(r.P99), us(lag.P50), us(lag.P99), us(receive.P50), us(receive.P99),
		inTime(trial.Messages), verdict)
}

// inTime is the share of the first attempts that came within 1% of the step of their time.
func inTime(m results.Messages) string {
	attempted := m.Sent + m.NotSentCauses["no_turn"]
	if attempted == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f%%", 100*float64(m.OnTime)/float64(attempted))
}

// rates asks for more and more, up to ten times what can be sent.
func rates(t *testing.T) {
	heading("a direct connection at rising rates", "messages/s")
	for _, rate := range []int{500, 2000, 5000, 10_000, 20_000, 30_000, 40_000, 60_000, 100_000, 200_000} {
		d := experiment(t, "  - direct", 1, rate, "2s")
		row(fmt.Sprint(rate), &d.Trials[0])
	}
}

// busyLoops puts the agents beside loops that never wait.
func busyLoops(t *testing.T) {
	heading("a direct connection, 3000 messages a second, beside busy loops on the agents' CPU", "loops")
	for _, n := range []int{0, 1, 2, 4} {
		for range 3 {
			t.Run("", func(t *testing.T) {
				hogs(t, n, "0")
				d := experiment(t, "  - direct", 1, 3000, "2s")
				row(fmt.Sprint(n), &d.Trials[0])
			})
		}
	}
}

// slowTargets are slow in every way that can be injected.
func slowTargets(t *testing.T) {
	heading("slow targets, 1000 messages a second", "injected")
	for _, inject := range []string{"delay: 50us", "delay: 500us", "delay: 5ms", "delay: 50ms", "delay: 500ms", "jitter: 50ms",
		"stall: {every: 1s, for: 50ms}", "stall: {every: 1s, for: 700ms}", "cpu: 100us", "cpu: 500us", "cpu: 2ms"} {
		d := experiment(t, `  - {name: slow, cpus: "1", tunnel: {inject: {`+inject+`}}}`, 1, 1000, "3s")
		what := strings.NewReplacer("{", "", "}", "", ": ", "=", "every=", "", "for=", "").Replace(inject)
		row(what, &d.Trials[0])
	}
}
