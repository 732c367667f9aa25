package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wsgauge/results"
)

// long is a run that would take longer than any test waits.
const long = `
name: long
about: A run to interrupt.
targets:
  - name: proxy
    %s
blocks: 1
steps:
  - connect: {connections: %d, rate: 1000/s}
  - id: load
    send: {rate: 300/s, for: 100s, warmup: 200ms}
`

func longTunnel() string { return fmt.Sprintf(long, "tunnel: {}", 100) }

// inTheMiddle waits until messages are being answered.
func (r *running) inTheMiddle() {
	r.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		p, err := os.ReadFile(filepath.Join(r.dir, "intervals.hlog"))
		if err == nil && strings.Contains(string(p), "proxy.load.response_time") {
			return
		}
		select {
		case <-r.ended:
			r.t.Fatalf("ended before its middle:\n%s", r.output.String())
		default:
		}
	}
	r.t.Fatalf("never came to its middle:\n%s", r.output.String())
}

// Ctrl-C and SIGTERM end the run with its records whole, its report made, and
// nothing left (which start's clean-up checks).
func TestInterrupted(t *testing.T) {
	for name, c := range map[string]struct {
		signal syscall.Signal
		ready  func(*running)
		trials int
	}{
		"Ctrl-C in the middle":  {syscall.SIGINT, (*running).inTheMiddle, 1},
		"SIGTERM in the middle": {syscall.SIGTERM, (*running).inTheMiddle, 1},
		"terminal gone":         {syscall.SIGHUP, (*running).inTheMiddle, 1},
		"Ctrl-C while starting": {syscall.SIGINT, func(r *running) { r.child(" echo ", 20*time.Second) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, longTunnel())
			c.ready(r)
			if err := r.cmd.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			if code := r.exit(30 * time.Second); code != 130 {
				t.Errorf("exit code %d, want 130:\n%s", code, r.output.String())
			}
			d := r.records()
			if d.Run.Status != "interrupted" || len(d.Trials) != c.trials || d.Trials[0].Valid {
				t.Errorf("status %s, trials %+v", d.Run.Status, d.Trials)
			}
			if name != "Ctrl-C while starting" {
				cutShort(t, &d.Trials[0])
			}
			if _, err := os.Stat(filepath.Join(r.dir, "report.html")); err != nil {
				t.Errorf("no report: %v", err)
			}
		})
	}
}

// cutShort wants the figures of a trial that was interrupted in its send step to be
// those of the time that was run, to the last message.
func cutShort(t *testing.T, trial *results.Trial) {
	t.Helper()
	m := trial.Messages
	if m.Sent == 0 || m.Answered == 0 || m.Sent != m.Answered+m.Unanswered || m.Scheduled != m.Sent+m.NotSent {
		t.Errorf("messages do not add up: %+v", m)
	}
	if m.PerSecond < 200 || m.PerSecond > 400 {
		t.Errorf("%.0f messages a second, want about the 300 of the schedule", m.PerSecond)
	}
	if n := trial.Closures["closed_by_us"]; n != trial.Connections.Opened || len(trial.Closures) != 1 {
		t.Errorf("closures %v of %d tunnels", trial.Closures, trial.Connections.Opened)
	}
}

// A controller that is killed outright, with 300 prefork children under it, leaves
// nothing: the guard outlives it.
func TestControllerKilled(t *testing.T) {
	needApache(t)
	r := start(t, fmt.Sprintf(long, "apache: {mpm: prefork, max_request_workers: 300}", 300))
	r.inTheMiddle()
	if n := len(r.processes("")); n < 300 {
		t.Fatalf("%d processes before the kill, want more than 300", n)
	}
	if err := r.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	r.exit(10 * time.Second)
	r.nothingLeft()
	d := r.records()
	if d.Run.Status != "running" || len(d.Intervals) == 0 {
		t.Errorf("after the kill: status %s, %d intervals", d.Run.Status, len(d.Intervals))
	}
}

// wrapper is a server that answers questions about itself like the real one, and
// does something else when it is started.
func wrapper(t *testing.T, instead string) string {
	t.Helper()
	real, err := apachePath()
	if err != nil {
		t.Skip("skipped: Apache is not installed (scripts/setup.sh installs it where it may)")
	}
	path := filepath.Join(t.TempDir(), "apache2")
	script := fmt.Sprintf("#!/bin/sh\ncase \" $* \" in *FOREGROUND*) %s;; esac\nexec %s \"$@\"\n", instead, real)
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// A target that dies, whenever it does, costs its own trials and nothing else.
func TestTargetDies(t *testing.T) {
	t.Run("at start", func(t *testing.T) {
		server := wrapper(t, "echo cannot go on >&2; exit 7")
		r := start(t, fmt.Sprintf(long, "apache: {server: "+server+", max_request_workers: 100, threads_per_child: 25}", 10))
		if code := r.exit(30 * time.Second); code != 5 {
			t.Errorf("exit code %d, want 5:\n%s", code, r.output.String())
		}
		if why := r.records().Trials[0].Error; !strings.Contains(why, "cannot go on") || !strings.Contains(why, "7") {
			t.Errorf("the record says %q", why)
		}
	})
	t.Run("while getting ready", func(t *testing.T) {
		server := wrapper(t, "sleep 1; exit 9")
		r := start(t, fmt.Sprintf(long, "apache: {server: "+server+", max_request_workers: 100, threads_per_child: 25}", 10))
		if code := r.exit(30 * time.Second); code != 5 {
			t.Errorf("exit code %d, want 5:\n%s", code, r.output.String())
		}
		if why := r.records().Trials[0].Error; !strings.Contains(why, "exit status 9") {
			t.Errorf("the record says %q", why)
		}
	})
	t.Run("in the middle", func(t *testing.T) {
		r := start(t, longTunnel())
		r.inTheMiddle()
		if err := syscall.Kill(r.child(" tunnel ", time.Second), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if code := r.exit(30 * time.Second); code != 5 {
			t.Errorf("exit code %d, want 5:\n%s", code, r.output.String())
		}
		trial := r.records().Trials[0]
		if !strings.Contains(trial.Error, "killed") || trial.Valid {
			t.Errorf("the record says %q, valid %v", trial.Error, trial.Valid)
		}
		if n := trial.Failures["ended_in_send"]; n != 100 {
			t.Errorf("%d tunnels ended in send, want 100: %v", n, trial.Failures)
		}
	})
}

// What is expected of a target is not met by one that dies in any of its trials.
func TestTargetDiesOnce(t *testing.T) {
	r := start(t, `
name: once
about: The target is killed in the first of two blocks.
targets: [{name: proxy, tunnel: {}}]
blocks: 2
steps:
  - connect: {connections: 20, rate: 1000/s}
  - id: load
    send: {rate: 100/s, for: 4s, warmup: 0s, arrivals: constant}
  - close: {}
expect: ["failures.corrupt == 0"]
`)
	r.inTheMiddle()
	if err := syscall.Kill(r.child(" tunnel ", time.Second), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if code := r.exit(time.Minute); code != 3 {
		t.Errorf("exit code %d, want 3:\n%s", code, r.output.String())
	}
	d := r.records()
	if len(d.Trials) != 2 || !d.Trials[0].TargetEnded || d.Trials[0].Valid || d.Trials[1].TargetEnded || d.Trials[1].Error != "" {
		t.Errorf("trials %+v", d.Trials)
	}
	if !strings.Contains(r.output.String(), "ended by itself in block 1") {
		t.Errorf("the table does not say why:\n%s", r.output.String())
	}
}

// An agent that dies is an error of the trial, not a hang.
func TestAgentDies(t *testing.T) {
	r := start(t, longTunnel())
	r.inTheMiddle()
	if err := syscall.Kill(r.child(" agent ", time.Second), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if code := r.exit(30 * time.Second); code != 5 {
		t.Errorf("exit code %d, want 5:\n%s", code, r.output.String())
	}
	if why := r.records().Trials[0].Error; !strings.Contains(why, "agent 0") {
		t.Errorf("the record says %q", why)
	}
}

// An agent that must share its CPU with a busy loop, or is asked for more than it
// can send, gives invalid latency figures, not slow ones.
func TestStarvedAgentIsInvalid(t *testing.T) {
	r := start(t, `
name: starved
about: More than an agent can send.
targets: [direct]
blocks: 1
steps:
  - connect: {connections: 20, rate: 500/s}
  - id: load
    send: {rate: 1000000/s, for: 1s, warmup: 200ms, drain: 10s, arrivals: constant}
expect:
  - "load.response_time.p99 < 100ms"
`)
	r.endsWith(4, time.Minute) // the only figure asked for is invalid
	trial := r.records().Trials[0]
	spoiled := map[string]bool{}
	for _, i := range trial.Invalid {
		for _, f := range i.Figures {
			spoiled[f] = true
		}
	}
	if !spoiled["response_time"] || !spoiled["rates"] {
		t.Errorf("invalid %+v, want latency and rates spoiled", trial.Invalid)
	}
}
