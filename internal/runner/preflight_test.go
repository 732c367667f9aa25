package runner

import (
	"strings"
	"testing"

	"wsgauge/internal/proc"
	"wsgauge/results"
	"wsgauge/scenarios"
)

// plenty is a machine that lacks nothing.
func plenty(open int, list ...scenarios.Target) *run {
	s := &scenarios.Scenario{Steps: []scenarios.Step{{ID: "1", Connect: &scenarios.Connect{Connections: open, Rate: 1000, Group: "main"}}}}
	r := &run{scenario: s, memory: 64 << 30, limits: proc.ResourceLimits{NofileSoft: 1 << 20, NofileHard: 1 << 20,
		Nproc: proc.Unlimited, PidMax: 1 << 22, CgroupPidsMax: -1}}
	r.record.Host = results.Host{Sysctls: map[string]string{"fs.file-max": "9223372036854775807", "net.core.somaxconn": "1000000",
		"net.ipv4.ip_local_port_range": "1024\t65535", "kernel.threads-max": "1000000"}}
	for _, t := range list {
		r.targets = append(r.targets, &chosen{Target: t})
	}
	r.spread = spreadOver(open, 1, 1, 1, r.limits.NofileHard)
	return r
}

// many is the same where a process may open 20,000 files, and more are started.
func many(open int, list ...scenarios.Target) *run {
	r := plenty(open, list...)
	r.limits.NofileHard = 20_000
	r.spread = spreadOver(open, 1, 1, 1, r.limits.NofileHard)
	r.spreadTunnels()
	return r
}

func TestPreflightNamesWhatIsShort(t *testing.T) {
	event := scenarios.Target{Name: "event", Apache: &scenarios.Apache{MPM: "event", MaxRequestWorkers: 40_000, ThreadsPerChild: 100, ThreadLimit: 100, ServerLimit: 400}}
	prefork := scenarios.Target{Name: "prefork", Apache: &scenarios.Apache{MPM: "prefork"}} // 256 workers by default
	tunnel := scenarios.Target{Name: "tunnel", Tunnel: &scenarios.Tunnel{}}
	direct := scenarios.Target{Name: "direct", Direct: true}
	wss := scenarios.Target{Name: "wss", Tunnel: &scenarios.Tunnel{TLS: scenarios.TLS{Frontend: true, Backend: true}}}
	for name, c := range map[string]struct {
		run   *run
		harm  func(r *run)
		want  []string // what, need, have and remedy of the first; empty: nothing is short
		fatal bool
	}{
		"nothing":         {plenty(5000, direct, tunnel, prefork), nil, nil, false},
		"agents' files":   {plenty(5000, direct), func(r *run) { r.limits.NofileHard = 1024 }, []string{"descriptors of each agent: 5064", "1024", "ulimit -n 8192"}, true},
		"tunnel's files":  {plenty(700, tunnel), func(r *run) { r.limits.NofileHard = 1024 }, []string{"descriptors of target tunnel (two a tunnel): 1464", "1024", "ulimit -n 2048"}, true},
		"a child's files": {plenty(100, event), func(r *run) { r.limits.NofileSoft = 256 }, []string{"descriptors of a child of target event: 320", "256"}, true},
		"pids":            {plenty(100, prefork), func(r *run) { r.limits.CgroupPidsMax = 500 }, []string{"processes and threads of target prefork: 1024", "500", "pids.max"}, true},
		"threads-max":     {plenty(100, prefork), func(r *run) { r.record.Host.Sysctls["kernel.threads-max"] = "1000" }, []string{"processes and threads", "1000", "threads-max"}, true},
		"ports behind":    {plenty(35_000, event), func(r *run) { r.record.Host.Sysctls["net.ipv4.ip_local_port_range"] = "32768 60999" }, []string{"ports from a target", "35000", "28232", "ip_local_port_range"}, false},
		"conntrack":       {plenty(5000, direct), func(r *run) { r.record.Host.Sysctls["net.netfilter.nf_conntrack_max"] = "8000" }, []string{"nf_conntrack_max", "10000", "8000", "nf_conntrack_max=16384"}, true},
		"memory":          {plenty(100_000, tunnel), func(r *run) { r.memory = 1 << 30 }, []string{"bytes of memory", "1638400000", "1073741824"}, false},
		"memory of TLS":   {plenty(10_000, wss), func(r *run) { r.memory = 600 << 20 }, []string{"bytes of memory", "655360000", "629145600"}, false},
		"accept queue":    {plenty(5000, direct), func(r *run) { r.record.Host.Sysctls["net.core.somaxconn"] = "4096" }, []string{"somaxconn", "5000", "4096", "somaxconn=8192"}, false},
		"the worst first": {plenty(5000, direct), func(r *run) { r.record.Host.Sysctls["net.core.somaxconn"] = "4096"; r.limits.NofileHard = 1024 }, []string{"descriptors of each", "1024"}, true},
		"default workers": {plenty(100, prefork), func(r *run) { r.limits.CgroupPidsMax = 1023 }, []string{"processes and threads"}, true},
	} {
		if c.harm != nil {
			c.harm(c.run)
		}
		short := c.run.shortages()
		if len(c.want) == 0 {
			if len(short) != 0 {
				t.Errorf("%s: %v", name, short)
			}
			continue
		}
		if len(short) == 0 {
			t.Errorf("%s: nothing is short", name)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(short[0].String(), want) {
				t.Errorf("%s: %q lacks %q", name, short[0], want)
			}
		}
		if short[0].Fatal != c.fatal {
			t.Errorf("%s: fatal is %v", name, short[0].Fatal)
		}
	}
}

// A broadcast over several backends cannot be, and is said before anything starts.
func TestBroadcastOverSeveralBackendsIsAFault(t *testing.T) {
	r := many(60_000, scenarios.Target{Name: "direct", Direct: true})
	send := scenarios.Step{ID: "2", Send: &scenarios.Send{Group: "main", Rate: 1, Pattern: "broadcast"}}
	r.scenario.Steps = append(r.scenario.Steps, scenarios.Step{ID: "3", Repeat: &scenarios.Repeat{Times: 2, Steps: []scenarios.Step{send}}})
	if faults := r.faults(); len(faults) != 1 || !strings.Contains(faults[0], "60000 connections take 4 of them") {
		t.Errorf("%q", faults)
	}
	r.spread.backends = 1
	if faults := r.faults(); len(faults) != 0 {
		t.Errorf("%q", faults)
	}
}

// A limit that a scenario sets on its target is what it measures.
func TestOwnLimitsOnlyWarn(t *testing.T) {
	r := plenty(500, scenarios.Target{Name: "small", Nofile: scenarios.Nofile{Soft: 100, Hard: 100}, Tunnel: &scenarios.Tunnel{}},
		scenarios.Target{Name: "few", Nofile: scenarios.Nofile{Soft: 100, Hard: 100}, Apache: &scenarios.Apache{MPM: "event", ThreadsPerChild: 64, MaxRequestWorkers: 512}})
	short := r.shortages()
	if len(short) != 2 {
		t.Fatalf("%v", short)
	}
	for _, s := range short {
		if s.Fatal {
			t.Errorf("%v is fatal", s)
		}
	}
	if err := r.preflight(); err != nil {
		t.Error(err)
	}
}
