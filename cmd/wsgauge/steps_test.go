package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wsgauge/results"
)

// of returns the record of a step that ran once.
func of(t *testing.T, trial *results.Trial, id string) *results.Step {
	t.Helper()
	var found *results.Step
	for i := range trial.Steps {
		if trial.Steps[i].ID == id {
			if found != nil {
				t.Fatalf("%s: step %s ran twice", trial.Target, id)
			}
			found = &trial.Steps[i]
		}
	}
	if found == nil {
		t.Fatalf("%s: step %s did not run", trial.Target, id)
	}
	return found
}

// What the controller does to target and backends, at the same time as messages and
// requests: nothing that a step ends is a failure of the trial, and every tunnel's end
// stands with the step that caused it.
func TestStepsOfTheController(t *testing.T) {
	r := start(t, `
name: acts
about: What the controller does itself.
backend: {runtime: go, instances: 2}
targets: [direct, tunnel]
blocks: 1
steps:
  - connect: {connections: 20, rate: 500/s}
  - together:
    - id: load
      send: {rate: 200/s, size: 128B, for: 1500ms, warmup: 200ms, drain: 1s}
    - - id: pausing
        wait: {for: 300ms}
      - id: reload
        signal: graceful
      - id: web
        http: {rate: 100/s, for: 500ms, warmup: 100ms, drain: 1s, path: /}
  - id: pause
    signal: pause
  - id: stuck
    connect: {connections: 1, rate: 1/s, timeout: 300ms, group: other}
  - id: resume
    signal: resume
  - id: half
    backend: {action: restart, instance: 2}
  - id: restart
    signal: restart
  - id: drained
    wait: {until: drained, limit: 500ms}
  - id: kill
    signal: kill
  - id: none
    connect: {connections: 5, rate: 100/s, group: third}
  - id: back
    signal: restart
  - id: more
    connect: {connections: 5, rate: 100/s, group: fourth}
  - id: gone
    backend: kill
  - wait: {for: 1500ms} # an end that no step excuses ends the trial 1.2 s later
expect:
  - "tunnel.restart.next_handshake < 10s"
  - "tunnel.restart.generations.new == 1"
`)
	r.passed(90 * time.Second)
	for _, trial := range r.records().Trials {
		if trial.Error != "" || trial.TargetEnded {
			t.Errorf("%s ended: %s", trial.Target, trial.Error)
		}
		together(t, &trial)
		if half := of(t, &trial, "half"); half.Closures["closed_by_peer"]+half.Closures["closed_reset"] != 10 || half.Action != "restart" || half.TookNs == nil {
			t.Errorf("%s: at the restart of one backend of two: %v, %q", trial.Target, half.Closures, half.Action)
		}
		if trial.Target == "direct" {
			if s := of(t, &trial, "restart"); !strings.Contains(s.Note, "no process of this run") || s.TookNs != nil || s.Generations != nil {
				t.Errorf("direct was restarted: %+v", s)
			}
			if s := of(t, &trial, "drained"); s.TookNs != nil || !strings.Contains(s.Note, "not drained") {
				t.Errorf("direct is drained with open connections: %+v", s)
			}
			continue
		}
		restarted(t, &trial)
	}
	text, err := os.ReadFile(filepath.Join(r.dir, "samples.csv"))
	if err != nil {
		t.Fatal(err)
	}
	samples := string(text)
	for _, want := range []string{",tunnel,load+web,target,", ",direct,load+web,agents,", ",tunnel,restart,target,"} {
		if !strings.Contains(samples, want) {
			t.Errorf("no sample %q", want)
		}
	}
}

// together wants the two loads to have gone on at the same time, each with its own
// figures.
func together(t *testing.T, trial *results.Trial) {
	t.Helper()
	load, web, reload := of(t, trial, "load"), of(t, trial, "web"), of(t, trial, "reload")
	if web.StartedS <= load.StartedS || web.EndedS >= load.EndedS+0.5 || reload.EndedS > web.StartedS {
		t.Errorf("%s: load %.2f to %.2f, reload to %.2f, web %.2f to %.2f", trial.Target, load.StartedS, load.EndedS, reload.EndedS, web.StartedS, web.EndedS)
	}
	if n := load.Messages.Answered; n < 200 || n > 400 || load.HTTP.Sent != 0 || load.HTTP.ResponseTime != nil {
		t.Errorf("%s: load: %d answered, http %+v", trial.Target, n, load.HTTP)
	}
	if n := web.HTTP.Status["200"]; n < 20 || n > 90 || n != web.HTTP.Sent || web.Messages.Sent != 0 || web.ResponseTime != nil || web.HTTP.ResponseTime == nil {
		t.Errorf("%s: web: %+v, messages %+v", trial.Target, web.HTTP, web.Messages)
	}
	if trial.HTTP.Sent != web.HTTP.Sent || trial.Messages.Answered != load.Messages.Answered {
		t.Errorf("%s: the trial has %+v and %+v", trial.Target, trial.HTTP, trial.Messages)
	}
	if load.Resources["agents"].CPUUsPerMessage != nil {
		t.Errorf("%s: a message's cost is given beside requests: %v µs", trial.Target, *load.Resources["agents"].CPUUsPerMessage)
	}
	if !strings.Contains(reload.Note, "nothing was done") {
		t.Errorf("%s: reload: %q", trial.Target, reload.Note)
	}
}

// restarted wants the tunnel to have stood still, ended and come back as the steps say.
func restarted(t *testing.T, trial *results.Trial) {
	t.Helper()
	if s := of(t, trial, "stuck"); s.Failures["upgrade_stall"] != 1 {
		t.Errorf("a connect to a paused target: %v", s.Failures)
	}
	s := of(t, trial, "restart")
	if s.Closures["closed_by_peer"]+s.Closures["closed_reset"] != 10 {
		t.Errorf("at the restart: %v", s.Closures)
	}
	if g := s.Generations; g == nil || g.Before != 1 || g.Old != 0 || g.New != 1 || s.NextHandshakeNs == nil {
		t.Errorf("the restart: %+v, next handshake %v", g, s.NextHandshakeNs)
	}
	if s := of(t, trial, "drained"); s.TookNs == nil || s.Note != "" {
		t.Errorf("drained: %v, %q", s.TookNs, s.Note)
	}
	if s := of(t, trial, "none"); s.Failures["dial_refused"] != 5 {
		t.Errorf("against nothing: %v", s.Failures)
	}
	if s := of(t, trial, "back"); !strings.Contains(s.Note, "it did not run; started anew") {
		t.Errorf("back: %q", s.Note)
	}
	if s := of(t, trial, "more"); s.Connections.Opened != 5 {
		t.Errorf("after it came back: %+v", s.Connections)
	}
	if s := of(t, trial, "gone"); s.Closures["closed_by_peer"]+s.Closures["closed_reset"] != 5 {
		t.Errorf("at the death of all backends: %v", s.Closures)
	}
	if trial.Resources["target"].ProcessesPeak == nil || *trial.Resources["target"].CPUSeconds <= 0 {
		t.Errorf("target: %+v", trial.Resources["target"])
	}
}

// The branch that ends first ends the others early, with whole records.
func TestUntilTheFirst(t *testing.T) {
	r := start(t, `
name: first
about: A branch ends the others.
targets: [tunnel]
blocks: 1
steps:
  - connect: {connections: 10, rate: 500/s}
  - together:
      until: first
      branches:
        - - id: load
            send: {rate: 200/s, size: 128B, for: 60s, warmup: 200ms}
          - id: never
            hold: {for: 60s}
        - id: drained
          wait: {until: drained, limit: 60s}
        - repeat:
            times: 1000
            steps:
              - id: again
                wait: {for: 100ms}
        - id: short
          wait: {for: 1500ms}
  - id: after
    send: {rate: 200/s, size: 128B, for: 500ms, warmup: 100ms}
`)
	r.passed(60 * time.Second)
	trial := &r.records().Trials[0]
	load := of(t, trial, "load")
	if !strings.Contains(load.Note, "ended early") || load.EndedS-load.StartedS > 8 {
		t.Errorf("load ran %.1f s: %q", load.EndedS-load.StartedS, load.Note)
	}
	m := load.Messages
	if m.Sent < 150 || m.Sent > 400 || m.Answered != m.Sent || m.PerSecond < 120 || m.PerSecond > 300 {
		t.Errorf("load: %+v", m)
	}
	if s := of(t, trial, "drained"); s.TookNs != nil || !strings.Contains(s.Note, "ended early") {
		t.Errorf("drained: %v, %q", s.TookNs, s.Note)
	}
	for _, s := range trial.Steps {
		if s.ID == "never" {
			t.Error("a step began that was no longer wanted")
		}
	}
	if s := of(t, trial, "after"); s.Messages.Answered < 50 || len(s.Failures) > 0 {
		t.Errorf("after: %+v, %v", s.Messages, s.Failures)
	}
}

// A failure that one agent has seen ends the attempts of all.
func TestUntilTheFirstFailure(t *testing.T) {
	r := start(t, `
name: most
about: How many it takes.
agents: 2
targets: [{name: small, tunnel: {max_tunnels: 4}}]
blocks: 1
steps:
  - id: most
    connect: {connections: 40, rate: 4/s, until: failure}
  - id: all
    send: {rate: 100/s, size: 128B, for: 300ms, warmup: 100ms}
`)
	r.passed(60 * time.Second)
	trial := &r.records().Trials[0]
	most := of(t, trial, "most")
	if c := most.Connections; c.Attempted != 5 || c.Opened != 4 || c.Peak != 4 || most.Failures["upgrade_status_503"] != 1 {
		t.Errorf("%+v, %v", c, most.Failures)
	}
	if s := of(t, trial, "all"); s.Note != "" || s.Messages.Answered < 15 {
		t.Errorf("after it: %q, %+v", s.Note, s.Messages)
	}
}

// Apache reloads under tunnels, drains, and takes as many as it has workers.
func TestReloadOfApache(t *testing.T) {
	needApache(t)
	r := start(t, `
name: reload
about: A reload under tunnels.
targets:
  - name: event
    apache: {mpm: event, threads_per_child: 8, max_request_workers: 16, server_limit: 4, scoreboard: false}
blocks: 1
steps:
  - connect: {connections: 10, rate: 500/s}
  - id: reload
    signal: graceful
  - id: load
    send: {rate: 100/s, size: 128B, for: 500ms, warmup: 100ms}
  - id: part
    close: {connections: 10}
  - id: drained
    wait: {until: drained, limit: 20s}
  - id: most
    connect: {connections: 400, rate: 100/s, until: failure, timeout: 500ms, group: other}
  - id: tide
    send: {group: other, rate: 100/s, size: 128B, for: 300ms, warmup: 100ms}
`)
	r.passed(90 * time.Second)
	trial := &r.records().Trials[0]
	s := of(t, trial, "reload")
	if g := s.Generations; g == nil || g.Old < 2 || g.New < 1 || s.NextHandshakeNs == nil || !strings.Contains(s.Note, "SIGUSR1") {
		t.Errorf("reload: %+v, next handshake %v, %q", g, s.NextHandshakeNs, s.Note)
	}
	if len(s.Closures) > 0 || trial.Log["AH00493"] != 1 {
		t.Errorf("at the reload: closures %v, log %v", s.Closures, trial.Log)
	}
	if m := of(t, trial, "load").Messages; m.Answered != m.Sent || m.Sent < 25 {
		t.Errorf("after the reload: %+v", m)
	}
	if s := of(t, trial, "drained"); s.TookNs == nil {
		t.Errorf("drained: %q", s.Note)
	}
	most := of(t, trial, "most")
	if c := most.Connections; c.Peak != 16 || c.Opened != 16 || c.Attempted > 150 {
		t.Errorf("until failure: %+v", c)
	}
	if !strings.Contains(most.Note, "16 connections were open at most when one failed (upgrade_stall)") ||
		!strings.Contains(r.output.String(), most.Note) {
		t.Errorf("until failure: %q", most.Note)
	}
	if s := of(t, trial, "tide"); s.Note != "" || s.Messages.Sent < 15 {
		t.Errorf("after it: %q, %+v", s.Note, s.Messages)
	}
}
