package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wsgauge/results"
)

// shipped starts a shipped scenario, with its sizes cut down by flags. Tests of them run
// side by side: most of their time they wait for what Apache waits for, and nothing that
// they look at depends on speed. That nothing is left is start's to check.
func shipped(t *testing.T, name string, flags ...string) *results.RunData {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "scenarios", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, string(text), flags...)
	r.passed(3 * time.Minute)
	d := r.records()
	for _, trial := range d.Trials {
		if trial.Error != "" || trial.TargetEnded {
			t.Fatalf("%s ended: %s\n%s", trial.Target, trial.Error, r.output.String())
		}
	}
	return d
}

// ends adds up the closures of a step that stand among the events, each with its time.
func ends(d *results.RunData, target, step string) (n int64, classes []string) {
	for _, e := range d.Events {
		if e.Kind == "closure" && e.Target == target && e.Step == step && e.AtS > 0 {
			n += e.Count
			classes = append(classes, e.Class)
		}
	}
	return n, classes
}

// saidDuring tells whether the target's log had a line of that code in a step.
func saidDuring(d *results.RunData, trial *results.Trial, step *results.Step, code string) bool {
	return slices.ContainsFunc(d.Events, func(e results.Event) bool {
		at := e.AtS - trial.StartedS
		return e.Kind == "log" && e.Target == trial.Target && e.Class == code && at >= step.StartedS-0.1 && at <= step.EndedS+0.1
	})
}

// Reloads of Apache under tunnels, one too many: with 4 places for 2 children the first
// reload of event is for free, and after the second no handshake is answered.
func TestShippedRestarts(t *testing.T) {
	needApache(t)
	t.Parallel()
	d := shipped(t, "restarts", "--targets", "event", "--set", "n=20", "--set", "threads=10", "--set", "within=3s")
	trial := &d.Trials[0]
	one := of(t, trial, "reload1")
	if g := one.Generations; g == nil || *g != (results.Generations{Before: 3, Old: 3, New: 2}) || one.NextHandshakeNs == nil || len(one.Closures) > 0 {
		t.Errorf("the first reload: %+v, next handshake %v, closures %v", g, one.NextHandshakeNs, one.Closures)
	}
	if s := of(t, trial, "g1"); s.Connections.Opened != 20 {
		t.Errorf("after it: %+v, %v", s.Connections, s.Failures)
	}
	for _, id := range []string{"old1", "new1", "old2", "after"} {
		if s := of(t, trial, id); s.Messages.Sent < 100 || s.Messages.Answered != s.Messages.Sent || len(s.Closures) > 0 {
			t.Errorf("%s: %+v, closures %v", id, s.Messages, s.Closures)
		}
	}
	two := of(t, trial, "reload2")
	if g := two.Generations; g == nil || *g != (results.Generations{Before: 5, Old: 5, New: 0}) || two.NextHandshakeNs != nil || len(two.Closures) > 0 {
		t.Errorf("the second reload: %+v, next handshake %v, closures %v", g, two.NextHandshakeNs, two.Closures)
	}
	if !strings.Contains(two.Note, "no handshake was answered within 3") || !strings.Contains(two.Note, "AH03490") || !saidDuring(d, trial, two, "AH03490") || saidDuring(d, trial, one, "AH03490") {
		t.Errorf("the second reload: %q; its log: %v", two.Note, trial.Log)
	}
	if s := of(t, trial, "g2"); s.Connections.Opened != 0 || s.Failures["upgrade_stall"] != 20 {
		t.Errorf("after the second: %+v, %v", s.Connections, s.Failures)
	}
	if s := of(t, trial, "g3"); s.Connections.Opened != 20 {
		t.Errorf("when the first generation had left: %+v, %v", s.Connections, s.Failures)
	}
	for id, tunnels := range map[string]int64{"hup": 40, "term": 20} {
		s := of(t, trial, id)
		if n, classes := ends(d, "event", id); n != tunnels || s.Closures["closed_by_peer"]+s.Closures["closed_reset"] != tunnels {
			t.Errorf("%s: %d ends of %v among the events, want %d; closures %v", id, n, classes, tunnels, s.Closures)
		}
	}
	if s := of(t, trial, "hup"); s.NextHandshakeNs == nil || s.Generations.Old != 1 {
		t.Errorf("the restart: %+v, %q", s.Generations, s.Note)
	}
	if s := of(t, trial, "winch"); !strings.Contains(s.Note, "SIGWINCH") || len(s.Closures) > 0 {
		t.Errorf("graceful stop: %q, %v", s.Note, s.Closures)
	}
	generationsInSamples(t, d)
}

// generationsInSamples wants the threads of each generation, which hold its tunnels.
func generationsInSamples(t *testing.T, d *results.RunData) {
	t.Helper()
	most := map[string]float64{}
	for _, s := range d.Samples {
		if strings.HasPrefix(s.Group, results.GenerationOf) && s.Step == "g2" && s.Threads != nil {
			most[s.Group] = max(most[s.Group], *s.Threads)
			if s.CPUSeconds != nil || s.Processes == nil || *s.Processes != 2 {
				t.Errorf("a sample of %s: %v processes, CPU %v", s.Group, s.Processes, s.CPUSeconds)
			}
		}
	}
	if len(most) != 2 || most["target_g0"] < 20 || most["target_g1"] < 20 {
		t.Errorf("threads by generation: %v, want 20 tunnels in each of two", most)
	}
}

// The peers have no such limit: each of their reloads leaves an old worker to the tunnels
// it has.
func TestShippedRestartsOfPeers(t *testing.T) {
	atLeisure(t)
	t.Parallel()
	d := shipped(t, "restarts", "--targets", "tunnel,nginx,haproxy", "--set", "n=20", "--set", "threads=10")
	for i := range d.Trials {
		trial := &d.Trials[i]
		for _, id := range []string{"g0", "g1", "g2", "g3", "g4", "g5"} {
			if s := of(t, trial, id); s.Connections.Opened != 20 {
				t.Errorf("%s, %s: %+v, %v", trial.Target, id, s.Connections, s.Failures)
			}
		}
		if trial.Target == "tunnel" {
			continue
		}
		for n, id := range []string{"reload1", "reload2"} {
			if s := of(t, trial, id); s.Generations == nil || s.Generations.Old != 2+n || s.Generations.New != 1 || len(s.Closures) > 0 || s.NextHandshakeNs == nil {
				t.Errorf("%s, %s: %+v, closures %v, next handshake %v", trial.Target, id, s.Generations, s.Closures, s.NextHandshakeNs)
			}
		}
	}
}

// All clients come back after a hard restart, whatever their attempts met.
func TestShippedRestartStorm(t *testing.T) {
	atLeisure(t)
	needApache(t)
	t.Parallel()
	d := shipped(t, "restart-storm", "--targets", "event,tunnel", "--set", "n=60", "--set", "workers=96", "--set", "threads=16", "--set", "for=8s")
	for i := range d.Trials {
		trial := &d.Trials[i]
		if n, classes := ends(d, trial.Target, "restart"); n != 60 {
			t.Errorf("%s: %d ends of %v at the restart, want 60", trial.Target, n, classes)
		}
		if c := trial.Connections; c.Opened != 120 || c.Peak != 60 {
			t.Errorf("%s: %+v; want each client to open twice", trial.Target, c)
		}
	}
}

// A member that is killed under 200 tunnels: each of its tunnels ends with a class and a
// time, the others stay where they are, and those that come back go to the members that
// are left.
func TestShippedBalancing(t *testing.T) {
	needApache(t)
	t.Parallel()
	d := shipped(t, "balancing", "--targets", "bybusyness,sticky", "--set", "visitors=12", "--set", "home=12", "--set", "more=30",
		"--set", "churn=3s", "--set", "retry=1s", "--set", "back=2s")
	for i := range d.Trials {
		trial := &d.Trials[i]
		before := of(t, trial, "leave").Instances
		if len(before) != 3 || before[0]+before[1]+before[2] != 200 || slices.Min(before) < 60 || slices.Max(before) > 73 {
			t.Fatalf("%s: the tunnels that stay are spread as %v", trial.Target, before)
		}
		kill := of(t, trial, "kill")
		n, classes := ends(d, trial.Target, "kill")
		if n != before[1] || kill.Closures["closed_by_peer"]+kill.Closures["closed_reset"] != before[1] || slices.Contains(classes, "") {
			t.Errorf("%s: the member had %d tunnels; %d ends of %v, closures %v", trial.Target, before[1], n, classes, kill.Closures)
		}
		moved := of(t, trial, "moved")
		if len(moved.Closures) > 0 || moved.Connections.Opened+kill.Connections.Opened != before[1] {
			t.Errorf("%s: after the kill: %+v, closures %v; want %d to come back and nobody to move", trial.Target, moved.Connections, moved.Closures, before[1])
		}
		if m := moved.Instances; len(m) != 3 || m[1] != 0 || m[0] < before[0] || m[2] < before[2] || m[0]+m[2] != 200 {
			t.Errorf("%s: spread as %v before and %v after", trial.Target, before, m)
		}
	}
	busy, sticky := byTarget(t, d, "bybusyness"), byTarget(t, d, "sticky")
	if m := of(t, busy, "refilled").Instances; len(m) != 3 || m[1] != 30 {
		t.Errorf("bybusyness: %v when 30 more had come, want all of them with the emptiest", m)
	}
	was, home := of(t, sticky, "spread").Instances, of(t, sticky, "affinity").Instances
	if len(was) != 3 || len(home) != 3 || home[1]-was[1] != 12 || home[0] != was[0] || home[2] != was[2] {
		t.Errorf("sticky: %v, and %v with 12 clients of the second member", was, home)
	}
	if opened := of(t, sticky, "affinity").Connections.Opened; opened < 12 {
		t.Errorf("sticky: %d connections were opened anew, want 12 at least", opened)
	}
}

func byTarget(t *testing.T, d *results.RunData, name string) *results.Trial {
	t.Helper()
	for i := range d.Trials {
		if d.Trials[i].Target == name {
			return &d.Trials[i]
		}
	}
	t.Fatalf("no trial of %s", name)
	return nil
}
