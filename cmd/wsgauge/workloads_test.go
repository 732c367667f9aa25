package main

import (
	"testing"
	"time"

	"wsgauge/results"
)

// Every kind of load, from the file to the record.
func TestWorkloads(t *testing.T) {
	for _, c := range []struct {
		name, text string
		check      func(t *testing.T, trial *results.Trial, step func(id string) *results.Step)
	}{
		{"closed loop", `
targets: [tunnel]
agents: 2
steps:
  - connect: {connections: 10}
  - id: load
    send: {loop: closed, for: 400ms, warmup: 50ms, size: {uniform: [16B, 64KiB]}}
`, func(t *testing.T, trial *results.Trial, step func(string) *results.Step) {
			s := step("load")
			m := s.Messages
			if s.Loop != results.LoopClosed || m.Sent < 20 || m.Answered != m.Sent || m.Scheduled != m.Sent || s.SendLag != nil || s.ResponseTime == nil {
				t.Errorf("%+v", s)
			}
		}},
		{"push", `
targets: [tunnel]
agents: 2
steps:
  - connect: {connections: 10}
  - id: load
    send: {pattern: push, every: 50ms, for: 500ms, warmup: 100ms, fragments: 2, text: true}
`, func(t *testing.T, trial *results.Trial, step func(string) *results.Step) {
			s := step("load")
			m := s.Messages
			if s.Pattern != "push" || m.Scheduled != 100 || m.Delivered != 100 || m.Received != 100 || m.Answered != 0 || m.Unanswered != 0 || m.PerSecond != 200 {
				t.Errorf("%+v", m)
			}
			if s.ResponseTime == nil || s.ResponseTime.Count != 100 || s.SendLag == nil || s.Jitter == nil || s.Resources["target"].CPUUsPerMessage == nil {
				t.Errorf("%+v", s)
			}
		}},
		{"broadcast", `
targets: [tunnel]
agents: 2
steps:
  - connect: {connections: 12}
  - id: load
    send: {pattern: broadcast, rate: 100/s, arrivals: constant, for: 500ms, warmup: 100ms, drain: 30s}
`, func(t *testing.T, trial *results.Trial, step func(string) *results.Step) {
			s := step("load")
			m := s.Messages
			if s.Pattern != "broadcast" || m.Sent != 50 || m.Delivered != 600 || m.Unanswered != 0 || m.PerSecond != 1200 || s.ResponseTime.Count != 600 {
				t.Errorf("%+v", m)
			}
			if s.EndedS-s.StartedS > 20 {
				t.Error("the drain went on though everything had come")
			}
		}},
		{"large messages", `
targets: [tunnel]
steps:
  - connect: {connections: 8, path: "/{conn}", headers: {X-Conn: "{conn}"}, subprotocol: mqtt}
  - id: load
    send: {every: 500ms, phase: together, for: 500ms, warmup: 0s, drain: 20s, size: {choose: {16B: 1, 16MiB: 1}}, fragments: 3}
`, func(t *testing.T, trial *results.Trial, step func(string) *results.Step) {
			if m := step("load").Messages; m.Sent != 8 || m.Answered != 8 || m.BytesReceived < 16<<20 {
				t.Errorf("%+v", m)
			}
			for _, group := range []string{"agents", "backend"} {
				if rss := trial.Resources[group].RSSPeakBytes; rss == nil || *rss > 200e6 {
					t.Errorf("%s: RSS %v", group, rss)
				}
			}
		}},
		{"heartbeat", `
targets: [tunnel]
steps:
  - connect: {connections: 10}
  - id: load
    hold: {for: 500ms, ping: {every: 100ms, from: backend}}
`, func(t *testing.T, trial *results.Trial, step func(string) *results.Step) {
			if p := step("load").Ping; p == nil || p.Count < 40 || p.Count > 60 {
				t.Errorf("%+v", p)
			}
		}},
		{"churn", `
targets: [tunnel]
agents: 2
steps:
  - connect: {connections: 20, lifetime: 200ms}
  - id: load
    send: {rate: 500/s, for: 1s, warmup: 0s}
`, func(t *testing.T, trial *results.Trial, step func(string) *results.Step) {
			s := step("load")
			m := s.Messages
			if s.Connections.Opened < 60 || trial.Connections.Attempted != trial.Connections.Opened || m.Unanswered != 0 || m.Sent+m.NotSent != m.Scheduled {
				t.Errorf("%+v %+v", s.Connections, m)
			}
			if trial.Closures["closed_by_us"] != trial.Connections.Opened {
				t.Errorf("%d opened, closures %v", trial.Connections.Opened, trial.Closures)
			}
		}},
		{"comes back", `
targets: [{name: tunnel, tunnel: {idle_timeout: 400ms}}]
agents: 2
steps:
  - connect: {connections: 200, reconnect: {after: 50ms, jitter: 50%}}
  - id: load
    hold: {for: 1200ms}
`, func(t *testing.T, trial *results.Trial, step func(string) *results.Step) {
			s := step("load")
			if ended := s.Closures["closed_by_peer"] + s.Closures["closed_reset"]; ended < 200 || s.Connections.Opened < 200 || trial.Connections.Attempted != trial.Connections.Opened ||
				trial.Closures["closed_by_us"]+trial.Closures["closed_by_peer"]+trial.Closures["closed_reset"] != trial.Connections.Opened {
				t.Errorf("%+v %v", s.Connections, s.Closures)
			}
		}},
		// Clients come back while the broadcast is prepared and while the trial is closed.
		{"broadcast and churn", `
targets: [direct]
agents: 2
steps:
  - connect: {connections: 100, lifetime: 30ms}
  - id: load
    send: {pattern: broadcast, rate: 20/s, for: 200ms, warmup: 0s, drain: 1s}
`, func(t *testing.T, trial *results.Trial, step func(string) *results.Step) {
			if c := step("load").Connections; c.Opened < 300 || trial.Connections.Attempted != trial.Connections.Opened {
				t.Errorf("%+v, the trial %+v", c, trial.Connections)
			}
			if trial.Closures["closed_by_us"] != trial.Connections.Opened {
				t.Errorf("%d opened, closures %v", trial.Connections.Opened, trial.Closures)
			}
		}},
		{"vanish", `
targets: [tunnel]
steps:
  - connect: {connections: 10}
  - id: gone
    close: {connections: 4, how: vanish}
  - id: load
    send: {rate: 200/s, for: 300ms, warmup: 0s}
`, func(t *testing.T, trial *results.Trial, step func(string) *results.Step) {
			if n := step("gone").Closures["closed_by_us"]; n != 4 || trial.Closures["closed_by_us"] != 10 {
				t.Errorf("%v", trial.Closures)
			}
			if m := step("load").Messages; m.Answered != m.Sent || m.Sent == 0 || m.NotSent != 0 {
				t.Errorf("%+v", m)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := start(t, "name: workload\nblocks: 1\n"+c.text+"expect: [\"failures == 0\"]\n")
			r.passed(60 * time.Second)
			data := r.records()
			if len(data.Trials) != 1 {
				t.Fatalf("%d trials", len(data.Trials))
			}
			trial := &data.Trials[0]
			sumOfSteps(t, trial)
			c.check(t, trial, func(id string) *results.Step {
				for i := range trial.Steps {
					if trial.Steps[i].ID == id {
						return &trial.Steps[i]
					}
				}
				t.Fatalf("no step %s", id)
				return nil
			})
		})
	}
}

// sumOfSteps wants the trial to be what its steps are together. Only of the ends of tunnels
// it has more: those at its own end.
func sumOfSteps(t *testing.T, trial *results.Trial) {
	t.Helper()
	type openings struct{ attempted, opened, dialLag, dial, upgrade, failures int64 }
	of := func(f *results.Figures) (o openings) {
		for q, n := range map[*results.Quantiles]*int64{f.DialLag: &o.dialLag, f.Dial: &o.dial, f.Upgrade: &o.upgrade} {
			if q != nil {
				*n = q.Count
			}
		}
		for _, n := range f.Failures {
			o.failures += n
		}
		o.attempted, o.opened = f.Connections.Attempted, f.Connections.Opened
		return o
	}
	var sum openings
	for i := range trial.Steps {
		o := of(&trial.Steps[i].Figures)
		sum = openings{sum.attempted + o.attempted, sum.opened + o.opened, sum.dialLag + o.dialLag, sum.dial + o.dial, sum.upgrade + o.upgrade, sum.failures + o.failures}
	}
	if got := of(&trial.Figures); got != sum {
		t.Errorf("the trial has %+v, its steps together %+v", got, sum)
	}
}
