package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"wsgauge/results"
)

// The shipped scenarios about what tunnels hold, and what load does: mpm, ramp, ceiling,
// mixed, messages, churn, telemetry.
func TestShippedMPM(t *testing.T) {
	needApache(t)
	runShipped(t, []shippedCase{
		{"ceiling", []string{"--set", "for=1s", "--set", "patience=1s"}, checkCeiling},
		{"mpm", []string{"--blocks", "1", "--set", "n=30", "--set", "workers=50", "--set", "for=500ms", "--set", "light=100/s", "--set", "busy=200/s"}, checkMPM},
		{"ramp", []string{"--set", "n=40", "--set", "workers=50", "--set", "for=500ms", "--set", "rest=1s"}, checkRamp},
		{"mixed", []string{"--targets", "tunnel,event,prefork", "--set", "for=500ms", "--set", "messages=100/s", "--set", "requests=50/s"}, checkMixed},
		{"messages", []string{"--targets", "direct,tunnel,event", "--set", "for=100ms", "--set", "n=4"}, checkMessages},
		{"churn", []string{"--targets", "tunnel,event", "--set", "n=40", "--set", "stay=10", "--set", "life=400ms", "--set", "limit=100", "--set", "for=1500ms"}, checkChurn},
		{"telemetry", []string{"--targets", "direct,tunnel,event", "--set", "n=40", "--set", "workers=50", "--set", "every=200ms", "--set", "for=1s"}, checkTelemetry},
	})
}

// ceilingCodes is what each MPM says once in its error log when its workers are taken.
var ceilingCodes = map[string]string{"event": "AH00484", "worker": "AH00286", "prefork": "AH00161"}

// checkCeiling: exactly as many tunnels as workers; those who come then stall and get no
// answer, as plain requests do; they are served when others leave, and not before.
func checkCeiling(t *testing.T, d *results.RunData) {
	if len(d.Trials) != len(ceilingCodes) {
		t.Errorf("%d trials, want one of each MPM", len(d.Trials))
	}
	for i := range d.Trials {
		trial := &d.Trials[i]
		if c := of(t, trial, "fill").Connections; c.Attempted != 50 || c.Opened != 50 {
			t.Errorf("%s: at first: %+v, want 50 of 50", trial.Target, c)
		}
		if trial.Connections.Peak != 50 {
			t.Errorf("%s: %d tunnels at once, want 50", trial.Target, trial.Connections.Peak)
		}
		over := of(t, trial, "over")
		if over.Connections.Opened != 0 || over.Failures["upgrade_stall"] != 40 || len(over.Failures) != 1 {
			t.Errorf("%s: beyond: %d opened, %v, want 40 upgrade_stall", trial.Target, over.Connections.Opened, over.Failures)
		}
		starved := of(t, trial, "starved")
		if h := starved.HTTP; h.Answered != 0 || h.Sent < 5 || len(h.Status) != 0 || starved.Failures["http_timeout"]+starved.Failures["http_no_connection"] == 0 {
			t.Errorf("%s: requests at the limit: %+v, %v, want no answer", trial.Target, h, starved.Failures)
		}
		for _, id := range []string{"calm", "live", "served", "stayed"} {
			if s := of(t, trial, id); len(s.Failures) > 0 || s.Messages.Answered != s.Messages.Sent || s.Messages.Sent < 30 {
				t.Errorf("%s: %s: %+v, %v", trial.Target, id, s.Messages, s.Failures)
			}
		}
		checkLate(t, trial)
		if n := trial.Log[ceilingCodes[trial.Target]]; n != 1 {
			t.Errorf("%s: %s stands %d times in the log, want once: %v", trial.Target, ceilingCodes[trial.Target], n, trial.Log)
		}
		if s := of(t, trial, "drained"); s.TookNs == nil {
			t.Errorf("%s: %s", trial.Target, s.Note)
		}
		if h := of(t, trial, "fed").HTTP; h.Answered != h.Sent || h.Status["200"] != h.Sent || h.Sent < 5 {
			t.Errorf("%s: requests when there is room: %+v", trial.Target, h)
		}
	}
}

// checkLate: those who waited were served when others had left, none of them before.
func checkLate(t *testing.T, trial *results.Trial) {
	t.Helper()
	late, leave := of(t, trial, "late"), of(t, trial, "leave")
	if late.Connections.Opened != 40 || len(late.Failures) > 0 || leave.Closures["closed_by_us"] != 40 {
		t.Errorf("%s: %d of those who waited were served, %v; %v left", trial.Target, late.Connections.Opened, late.Failures, leave.Closures)
	}
	// They dial within 0.4 s, and the others leave after 1 s.
	if u := late.Upgrade; u == nil || u.P50 == nil || *u.P50 < 0.5e9 || *u.P50 > 5e9 || late.EndedS < leave.StartedS {
		t.Errorf("%s: they waited %+v", trial.Target, u)
	}
}

// checkMPM: a thread a tunnel on event and worker, a process on prefork, neither on the
// reference tunnel.
func checkMPM(t *testing.T, d *results.RunData) {
	for i := range d.Trials {
		trial := &d.Trials[i]
		r := trial.Resources["target"]
		if r == nil || r.ThreadsPeak == nil || r.ProcessesPeak == nil || r.PSSBytesPerTunnel == nil {
			t.Errorf("%s: %+v", trial.Target, r)
			continue
		}
		threads, processes := *r.ThreadsPeak, *r.ProcessesPeak
		switch trial.Target {
		case "tunnel":
			if threads > 25 || processes != 1 {
				t.Errorf("tunnel: %v threads in %v processes", threads, processes)
			}
		case "prefork":
			if processes < 51 || threads > processes+2 {
				t.Errorf("prefork: %v threads in %v processes", threads, processes)
			}
		default:
			if threads < 51 || processes != 2 {
				t.Errorf("%s: %v threads in %v processes", trial.Target, threads, processes)
			}
		}
		if of(t, trial, "light").Messages.Answered < 20 || of(t, trial, "busy").Messages.Answered < 60 || of(t, trial, "drained").TookNs == nil {
			t.Errorf("%s: %+v, drained %q", trial.Target, trial.Messages, of(t, trial, "drained").Note)
		}
	}
}

// checkRamp: who has started everything beforehand keeps nobody waiting; prefork, which
// starts with five children, has to spawn for the rest, once a second.
func checkRamp(t *testing.T, d *results.RunData) {
	for i := range d.Trials {
		trial := &d.Trials[i]
		if c := of(t, trial, "burst").Connections; c.Opened != 40 {
			t.Errorf("%s: %+v", trial.Target, c)
		}
		slowest := of(t, trial, "burst").Upgrade.Max
		if trial.Target == "prefork" && slowest < 0.9e9 {
			t.Errorf("prefork: the slowest upgrade took %.0f ms, with children to be started", slowest/1e6)
		}
		if trial.Target == "event-full" && slowest > 0.9e9 {
			t.Errorf("event-full: the slowest upgrade took %.0f ms, with nothing to be started", slowest/1e6)
		}
	}
}

// checkMixed: messages and requests each have figures of their own.
func checkMixed(t *testing.T, d *results.RunData) {
	for i := range d.Trials {
		trial := &d.Trials[i]
		for _, id := range []string{"ws-alone", "ws", "ws-tight", "ws-new"} {
			if s := of(t, trial, id); s.ResponseTime == nil || s.HTTP.Sent != 0 || s.Messages.Answered < 20 {
				t.Errorf("%s: %s: %+v, http %+v", trial.Target, id, s.Messages, s.HTTP)
			}
		}
		for _, id := range []string{"http-alone", "web", "web-tight", "web-new"} {
			if s := of(t, trial, id); s.HTTP.ResponseTime == nil || s.Messages.Sent != 0 || s.HTTP.Status["200"] < 5 {
				t.Errorf("%s: %s: %+v", trial.Target, id, s.HTTP)
			}
		}
		if trial.Connections.Peak != 96 {
			t.Errorf("%s: %+v", trial.Target, trial.Connections)
		}
	}
}

// checkMessages: every size comes back whole.
func checkMessages(t *testing.T, d *results.RunData) {
	sizes := map[string]int64{"b16": 16, "b128": 128, "k1": 1 << 10, "k8": 8 << 10, "k64": 64 << 10, "k256": 256 << 10, "m1": 1 << 20}
	for i := range d.Trials {
		trial := &d.Trials[i]
		for id, size := range sizes {
			m := of(t, trial, id).Messages
			if m.Answered == 0 || m.Answered != m.Sent || m.Corrupt != 0 || m.BytesReceived < m.Answered*size {
				t.Errorf("%s: %s: %+v", trial.Target, id, m)
			}
		}
	}
}

// checkChurn: tunnels come and go at the rate that their lifetime gives, and those that
// stay lose nothing.
func checkChurn(t *testing.T, d *results.RunData) {
	for i := range d.Trials {
		trial := &d.Trials[i]
		turnover, stayers := of(t, trial, "turnover"), of(t, trial, "stayers")
		// 40 clients with lives of 0.4 s and a moment between: at most 3.75 lives in 1.5 s.
		if n := turnover.Connections.Opened; n < 60 || n > 170 {
			t.Errorf("%s: %d tunnels opened anew", trial.Target, n)
		}
		if turnover.Upgrade == nil || turnover.Closures["closed_by_us"] < 60 || len(turnover.Closures) != 1 {
			t.Errorf("%s: %v", trial.Target, turnover.Closures)
		}
		if m := stayers.Messages; m.Answered != m.Sent || m.Sent < 400 {
			t.Errorf("%s: those that stay: %+v", trial.Target, m)
		}
		if s := of(t, trial, "drained"); s.TookNs == nil {
			t.Errorf("%s: %s", trial.Target, s.Note)
		}
	}
}

// checkTelemetry: every message that was due at the backend arrived.
func checkTelemetry(t *testing.T, d *results.RunData) {
	for i := range d.Trials {
		trial := &d.Trials[i]
		if m := of(t, trial, "push").Messages; m.Delivered != 200 || m.Scheduled != 200 || m.Answered != 0 {
			t.Errorf("%s: %+v, want 200 delivered", trial.Target, m)
		}
	}
}

// The same scenarios as they are shipped, one after the other: what they expect has to
// hold, and their tables are printed. A quarter of an hour: `make evidence`.
func TestEvidenceShippedMPM(t *testing.T) {
	if os.Getenv("WSGAUGE_EVIDENCE") == "" {
		t.Skip("skipped: takes a quarter of an hour and prints tables; run it with make evidence")
	}
	needApache(t)
	for _, name := range []string{"ceiling", "mpm", "ramp", "mixed", "messages", "churn", "telemetry"} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("..", "..", "scenarios", name+".yaml"))
			if err != nil {
				t.Fatal(err)
			}
			watchSegments(t)
			r := start(t, string(text))
			r.passed(15 * time.Minute)
			fmt.Printf("\n%s\n", r.output.String())
		})
	}
}
