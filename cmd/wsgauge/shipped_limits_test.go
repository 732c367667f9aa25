package main

import (
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"wsgauge/results"
)

// The scenarios about limits of time, descriptors, ports and patience, shortened.
func TestShippedLimits(t *testing.T) {
	needApache(t)
	runShipped(t, []shippedCase{
		{"timeouts", []string{"--targets", strings.Join(slices.Sorted(maps.Keys(silentEnds)), ","),
			"--set", "n=5", "--set", "short=1s", "--set", "long=2s", "--set", "least=1800ms", "--set", "most=2200ms",
			"--set", "past=4s", "--set", "beat=500ms"}, checkTimeouts},
		{"fd-exhaustion", []string{"--targets", "event-a,event-b,event-c,nginx", "--set", "n=50"}, checkDescriptors},
		{"hostile", []string{"--targets", "event-reqtimeout,nginx", "--set", "n=5", "--set", "rate=100/s", "--set", "beside=1500ms", "--set", "look=500ms"}, checkHostile},
	})
	for instances, out := range map[string]bool{"1": true, "2": false} {
		t.Run(instances+" backends", func(t *testing.T) {
			if os.Geteuid() != 0 {
				t.Skip("skipped: network namespaces take root")
			}
			runShipped(t, []shippedCase{{"ports", []string{"--targets", "proxypass,tunnel", "--set", "instances=" + instances},
				func(t *testing.T, d *results.RunData) { checkPorts(t, d, out) }}})
		})
	}
}

// trialsByTarget are the trials, one of each target that can run here.
func trialsByTarget(t *testing.T, d *results.RunData) map[string]*results.Trial {
	t.Helper()
	all := map[string]*results.Trial{}
	for i := range d.Trials {
		all[d.Trials[i].Target] = &d.Trials[i]
	}
	if len(all) == 0 {
		t.Fatal("there are no trials")
	}
	return all
}

// silentEnds are the targets of timeouts, and whether a silent tunnel ends there.
var silentEnds = map[string]bool{
	"proxypass-short-long": true, "proxypass-long-short": true, "upgrade-short-long": true, "upgrade-long-short": true,
	"rewrite-short-long": true, "rewrite-long-short": true, "legacy-short-long": false, "legacy-long-short": false,
	"nginx": true,
}

// checkTimeouts: a silent tunnel ends 2 s after its last byte, give or take 0.2 s, where
// the configuration has a limit; a heartbeat from either side keeps it; what clients leave
// behind is held as long.
func checkTimeouts(t *testing.T, d *results.RunData) {
	const limit = 2.0
	for name, trial := range trialsByTarget(t, d) {
		idle, ends := of(t, trial, "idle"), silentEnds[name]
		switch {
		case !ends && (len(idle.Closures) > 0 || idle.IdleBeforeClose != nil):
			t.Errorf("%s has no limit, and tunnels ended: %v", name, idle.Closures)
		case ends && (idle.Closures["closed_by_peer"] != 5 || idle.IdleBeforeClose == nil):
			t.Errorf("%s: silent tunnels: %v", name, idle.Closures)
		case ends:
			for _, ns := range []float64{idle.IdleBeforeClose.Mean, float64(idle.IdleBeforeClose.Max)} {
				if math.Abs(ns/1e9-limit) > 0.2 {
					t.Errorf("%s: a silent tunnel ended after %.3f s", name, ns/1e9)
				}
			}
		}
		for _, id := range []string{"ping-client", "ping-backend"} {
			if s := of(t, trial, id); len(s.Closures)+len(s.Failures) > 0 {
				t.Errorf("%s: %s: %v, %v", name, id, s.Closures, s.Failures)
			}
		}
		half := of(t, trial, "half-open")
		wait := limit // nginx and the legacy route end a tunnel at the first FIN
		if !ends || name == "nginx" {
			wait = 0
		}
		if took := half.EndedS - half.StartedS; math.Abs(took-wait) > 0.7 {
			t.Errorf("%s: half-open clients were left after %.3f s", name, took)
		}
		gone := of(t, trial, "vanished")
		switch {
		case !ends && gone.TookNs != nil:
			t.Errorf("%s has no limit, and let go of who vanished after %.3f s", name, float64(*gone.TookNs)/1e9)
		case ends && (gone.TookNs == nil || math.Abs(float64(*gone.TookNs)/1e9-limit) > 0.7):
			t.Errorf("%s: who vanished: %v, %q", name, gone.TookNs, gone.Note)
		}
	}
}

// checkDescriptors: three limits that follow one another are three ways to run out, each
// with its own class and code; nobody who has a tunnel loses it.
func checkDescriptors(t *testing.T, d *results.RunData) {
	seen := map[string]bool{}
	all := trialsByTarget(t, d)
	for name, trial := range all {
		crowd, live := of(t, trial, "crowd"), of(t, trial, "live")
		if len(live.Failures)+len(live.Closures) > 0 || live.Messages.Sent < 50 || live.Messages.Answered != live.Messages.Sent {
			t.Errorf("%s: live tunnels: %+v, %v, %v", name, live.Messages, live.Failures, live.Closures)
		}
		if opened := of(t, trial, "empty").Connections.Opened; opened != 10 {
			t.Errorf("%s: %d of 10 open when all have left", name, opened)
		}
		var failed int64
		for _, n := range crowd.Failures {
			failed += n
		}
		if failed < 10 {
			t.Errorf("%s: the crowd: %+v, %v", name, crowd.Connections, crowd.Failures)
		}
		again := of(t, trial, "again").Connections.Opened
		if !strings.HasPrefix(name, "event-") {
			if crowd.Failures["upgrade_stall"] != failed || again != 10 {
				t.Errorf("%s: %v, and %d of 10 when the crowd has left", name, crowd.Failures, again)
			}
			continue
		}
		// Attempts that come close together can take each other's descriptors, so that one
		// limit shows more than one way to run out.
		known := int64(0)
		for class, code := range map[string]string{"upgrade_stall": "AH02179", "upgrade_status_503": "AH00952", "protocol_error": "AH10240"} {
			n := crowd.Failures[class]
			known += n
			if n > 0 {
				seen[class] = true
			}
			if n > 0 && (trial.Log[code] == 0 || class != "upgrade_stall" && trial.Log[code] < n) {
				t.Errorf("%s: %d of class %s, and the log has %v", name, n, class, trial.Log)
			}
		}
		if known != failed {
			t.Errorf("%s: the crowd: %v", name, crowd.Failures)
		}
		// A child that could not accept takes nobody any more, and lives with its tunnels.
		if shut := trial.Log["AH02179"] > 0; shut != (again == 0) || shut && trial.Log["AH03490"] == 0 {
			t.Errorf("%s: %d of 10 when the crowd has left, log %v", name, again, trial.Log)
		}
	}
	if len(seen) != 3 {
		t.Errorf("of three ways to run out only %v were seen", seen)
	}
}

// checkPorts: 200 ports are at most 200 tunnels to one backend. The run's own bus listens
// on one of them, and on the others nobody.
func checkPorts(t *testing.T, d *results.RunData, out bool) {
	all := trialsByTarget(t, d)
	if got := d.Run.Host.Sysctls["net.ipv4.ip_local_port_range"]; got != "20000 20199" {
		t.Errorf("the range was %s", got)
	}
	for name, trial := range all {
		crowd := of(t, trial, "crowd")
		if name == "tunnel" || !out {
			if len(crowd.Failures) > 0 || crowd.Connections.Opened != 260 || trial.Log["AH00957"] != 0 {
				t.Errorf("%s: %+v, %v, log %v", name, crowd.Connections, crowd.Failures, trial.Log)
			}
			continue
		}
		open := crowd.Connections.Opened + 20
		if failed := crowd.Failures["upgrade_status_503"]; open < 195 || open > 200 || failed != 280-open || trial.Log["AH00957"] == 0 {
			t.Errorf("%s: %d are open, failures %v, log %v", name, open, crowd.Failures, trial.Log)
		}
		if live := of(t, trial, "live"); len(live.Failures) > 0 || live.Messages.Answered < 100 {
			t.Errorf("%s: live tunnels: %+v, %v", name, live.Messages, live.Failures)
		}
	}
}

// checkHostile: what comes of each offence; and bystanders get all of their answers.
func checkHostile(t *testing.T, d *results.RunData) {
	const n = 5
	for name, trial := range trialsByTarget(t, d) {
		both := func(ids ...string) map[string]int64 {
			sum := map[string]int64{}
			for _, id := range ids {
				s := of(t, trial, id)
				for _, counts := range []map[string]int64{s.Failures, s.Closures} {
					for class, k := range counts {
						sum[class] += k
					}
				}
			}
			return sum
		}
		slow := "upgrade_stall"
		switch name {
		case "event-reqtimeout":
			slow = "upgrade_status_408"
		}
		for _, c := range []struct {
			ids  []string
			want map[string]int64
		}{
			{[]string{"garbage", "garbage-end"}, map[string]int64{"closed_by_peer_1002": n}},
			{[]string{"huge", "huge-end"}, map[string]int64{"closed_by_peer_1009": n}},
			{[]string{"early", "early-end"}, map[string]int64{}},
			{[]string{"refused"}, map[string]int64{"upgrade_status_200": n}},
			{[]string{"refused-early"}, map[string]int64{"upgrade_status_200": n}},
			{[]string{"slow"}, map[string]int64{slow: n}},
		} {
			if got := both(c.ids...); !maps.Equal(got, c.want) {
				t.Errorf("%s: %v: %v, want %v", name, c.ids, got, c.want)
			}
		}
		for _, offence := range []string{"garbage", "huge", "early", "refused", "refused-early", "slow", "deaf", "gone"} {
			by := of(t, trial, "by-"+offence)
			if len(by.Failures)+len(by.Closures) > 0 || by.Messages.Sent < 50 || by.Messages.Answered != by.Messages.Sent {
				t.Errorf("%s: bystanders of %s: %+v, %v, %v", name, offence, by.Messages, by.Failures, by.Closures)
			}
		}
		deaf := of(t, trial, "deaf-send")
		if deaf.Messages.Sent < 20 || deaf.Messages.Answered != 0 || deaf.Connections.Opened != 0 {
			t.Errorf("%s: who never reads: %+v", name, deaf.Messages)
		}
		// What the vanished have left is let go of at the limit of silence, where there is one.
		if s := of(t, trial, "released"); name != "tunnel" && s.TookNs == nil {
			t.Errorf("%s still holds who vanished: %q", name, s.Note)
		} else if s.TookNs != nil && time.Duration(*s.TookNs) > 6*time.Second {
			t.Errorf("%s held who vanished for %v", name, time.Duration(*s.TookNs))
		}
	}
}
