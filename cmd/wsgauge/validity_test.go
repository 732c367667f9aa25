package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"wsgauge/results"
)

// reasons tells what made a trial's latency invalid, and apart from that whether the
// machine was disturbed: a machine whose time others took may make anything invalid,
// and no test of ours can tell more then.
func reasons(trial *results.Trial) (generator []string, machine string) {
	for _, i := range trial.Invalid {
		switch {
		case disturbed(i.Reason), strings.HasPrefix(i.Reason, "the sampler fell behind"):
			machine = i.Reason
		case slices.Contains(i.Figures, "response_time"):
			generator = append(generator, i.Reason)
		}
	}
	return generator, machine
}

// hogs keep a CPU busy: processes that compute and never wait.
func hogs(t *testing.T, n int, cpu string) {
	t.Helper()
	for range n {
		cmd := exec.Command("taskset", "-c", cpu, "sh", "-c", "while :; do :; done")
		if err := cmd.Start(); err != nil {
			t.Skipf("skipped: a busy loop on one CPU needs taskset and sh: %v", err)
		}
		t.Cleanup(func() {
			cmd.Process.Kill()
			cmd.Wait()
		})
	}
}

// An agent that shares its CPU with busy loops gives invalid latency figures, not
// slow ones: every time.
func TestAgentBesideBusyLoopsIsInvalid(t *testing.T) {
	hogs(t, 2, "0")
	for block := range 2 {
		r := start(t, `
name: beside
about: An agent beside busy loops.
targets: [direct]
blocks: 1
agents: {cpus: "0"}
steps:
  - connect: {connections: 50, rate: 500/s}
  - id: load
    send: {rate: 3000/s, for: 1s, warmup: 200ms, drain: 10s}
`)
		r.exit(time.Minute)
		trial := r.records().Trials[0]
		if trial.Error != "" {
			t.Fatal(trial.Error)
		}
		if _, spoiled := trial.Spoiled("load", "response_time.p99"); !spoiled {
			t.Errorf("run %d: latency is valid: send lag %s, response time %s, invalid %+v", block, p99(trial.SendLag), p99(trial.ResponseTime), trial.Invalid)
		}
	}
}

func p99(q *results.Quantiles) string {
	if q == nil || q.P99 == nil {
		return "unknown"
	}
	return time.Duration(*q.P99).String()
}

// A target that is slow is slow, not invalid: whatever it does, it is not the
// generator that was late. Each is slow by so much that what the rest of the machine
// does meanwhile is little beside it.
func TestSlowTargetIsValid(t *testing.T) {
	for _, c := range []struct {
		name, target string
		least        time.Duration // of the p50
	}{
		{"late", "inject: {delay: 500ms}", 500 * time.Millisecond},
		{"jittery", "inject: {delay: 300ms, jitter: 400ms}", 400 * time.Millisecond},
		{"stands still", "inject: {stall: {every: 1s, for: 700ms}}", 100 * time.Millisecond},
		// Far more than a CPU can do: a chunk of each of 100 connections waits for one of
		// every other, which makes rounds of 600 ms.
		{"overloaded", "inject: {cpu: 6ms}", 200 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, fmt.Sprintf(`
name: slow
about: A target that is slow.
targets:
  - {name: slow, cpus: "1", tunnel: {%s}}
blocks: 1
agents: {cpus: "0"}
steps:
  - connect: {connections: 100, rate: 500/s}
  - id: load
    send: {rate: 1000/s, for: 3s, warmup: 500ms, drain: 10s}
expect: ["slow.load.response_time.p50 > %v"]
`, c.target, c.least))
			code := r.exit(time.Minute)
			trial := r.records().Trials[0]
			if trial.Error != "" {
				t.Fatal(trial.Error)
			}
			generator, machine := reasons(&trial)
			switch {
			case machine != "":
				t.Logf("exit code %d: nothing can be told, the machine was not quiet: %s (and %v)", code, machine, generator)
			case len(generator) > 0:
				t.Errorf("invalid: %v (send lag %s, receive lag %s, response time %s)", generator, p99(trial.SendLag), p99(trial.ReceiveLag), p99(trial.ResponseTime))
			case code != 0:
				t.Errorf("exit code %d, want 0:\n%s", code, r.output.String())
			}
			if m := trial.Messages; m.Answered+m.Unanswered != m.Sent || m.Sent == 0 {
				t.Errorf("messages %+v", m)
			}
		})
	}
}

// A generator that stood still was late with its heartbeats, and their round trips are
// invalid, not slow. All of them are counted.
func TestHeartbeatsOfStoppedAgentAreInvalid(t *testing.T) {
	r := start(t, `
name: heartbeat
about: An agent that stands still during a hold.
targets: [direct]
blocks: 1
steps:
  - connect: {connections: 20, rate: 500/s}
  - id: idle
    hold: {for: 3s, ping: {every: 100ms}}
`)
	agent := r.child(" agent ", 20*time.Second)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		p, err := os.ReadFile(filepath.Join(r.dir, "intervals.hlog"))
		if err == nil && strings.Contains(string(p), "direct.idle.ping,") {
			break // a second of the hold is over
		}
		if time.Now().After(deadline) {
			t.Fatalf("no heartbeat was answered:\n%s", r.output.String())
		}
	}
	if err := syscall.Kill(agent, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond)
	if err := syscall.Kill(agent, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	r.exit(time.Minute)
	trial := r.records().Trials[0]
	if trial.Error != "" {
		t.Fatal(trial.Error)
	}
	if n := trial.Pings; n.Due != 600 || n.Sent+n.NotSent != n.Due || n.Answered != n.Sent {
		t.Errorf("pings %+v, want 600 due", n)
	}
	late := false
	for _, i := range trial.Invalid {
		late = late || i.Step == "idle" && strings.HasPrefix(i.Reason, "ping lag") && slices.Equal(i.Figures, []string{"ping"})
	}
	if _, spoiled := trial.Spoiled("idle", "ping.p50"); !spoiled || !late {
		t.Errorf("invalid %+v; ping %s, ping lag %s", trial.Invalid, p99(trial.Ping), p99(trial.PingLag))
	}
}
