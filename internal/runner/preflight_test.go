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
		Nproc: proc.Unlimited, PidMax: 1 << 22, CgroupPidsMax: -1, CgroupMemoryMax: -1}}
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
	few := func(r *run) { r.record.Host.Sysctls["net.ipv4.ip_local_port_range"] = "60000 60999" }
	conntrack := func(most string) func(*run) {
		return func(r *run) { r.record.Host.Sysctls["net.netfilter.nf_conntrack_max"] = most }
	}
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
		"a target's own":  {plenty(700, scenarios.Target{Name: "few", Tunnel: &scenarios.Tunnel{}, Nofile: scenarios.Nofile{Soft: 256, Hard: 256}}), nil, []string{"descriptors of target few (two a tunnel): 1464 needed, the limit is 256; the scenario sets it", "`nofile: 1464` at the target"}, false},
		// 256 workers of prefork with three more each, an agent, a backend and the guard.
		"pids":              {plenty(100, prefork), func(r *run) { r.limits.CgroupPidsMax = 500 }, []string{"processes and threads with target prefork (pids.max 500 of the control group, less the 0 in it): 1060", "500", "TasksMax=2048"}, true},
		"pids in use":       {plenty(100, direct), func(r *run) { r.limits.CgroupPidsMax, r.limits.CgroupPids = 500, 470 }, []string{"processes and threads without a target", "the 470 in it): 36", "is 30;"}, true},
		"threads-max":       {plenty(100, prefork), func(r *run) { r.record.Host.Sysctls["kernel.threads-max"] = "1000" }, []string{"processes and threads", "1060", "1000", "sysctl -w kernel.threads-max=2048"}, true},
		"pid_max":           {plenty(100, prefork), func(r *run) { r.limits.PidMax = 1050 }, []string{"(kernel.pid_max): 1060", "sysctl -w kernel.pid_max=2048"}, true},
		"many processes":    {many(60_000, tunnel), func(r *run) { r.limits.CgroupPidsMax = 190 }, []string{"with target tunnel (pids.max 190", "204 needed", "190"}, true},
		"agents' loops":     {plenty(100, direct), func(r *run) { r.scenario.Agents.Workers = 16; r.limits.CgroupPidsMax = 50 }, []string{"51 needed"}, true},
		"default workers":   {plenty(100, prefork), func(r *run) { r.limits.CgroupPidsMax = 1059 }, []string{"processes and threads"}, true},
		"ports in front":    {plenty(60_000, tunnel), few, []string{"between clients and target (48 × 1 addresses, net.ipv4.ip_local_port_range 60000 to 60999): 1250", "1000", `sysctl -w net.ipv4.ip_local_port_range="1024 65535"`}, true},
		"ports of direct":   {plenty(60_000, direct), few, []string{"between clients and backends (48 × 1 addresses", "1250"}, true},
		"ports of backends": {plenty(200_000, direct), func(r *run) { few(r); r.spread.backends = 3 }, []string{"between clients and backends (48 × 3 addresses", "1389"}, true},
		"ports suffice":     {plenty(48_000, direct, tunnel), few, nil, false},
		"reserved ports":    {plenty(48_000, direct), func(r *run) { few(r); r.record.Host.Sysctls["net.ipv4.ip_local_reserved_ports"] = "8080,60990-61005" }, []string{"1000 needed", "is 990;"}, true},
		"ports behind":      {plenty(35_000, event), func(r *run) { r.record.Host.Sysctls["net.ipv4.ip_local_port_range"] = "32768 60999" }, []string{"between target event and its backends (1 × 1", "35000", "28232", "ip_local_port_range"}, false},
		"conntrack":         {plenty(5000, direct), conntrack("4000"), []string{"nf_conntrack_max", "5000", "4000", "nf_conntrack_max=8192"}, true},
		"conntrack of one":  {plenty(5000, direct), conntrack("5000"), nil, false},
		"conntrack of both": {plenty(5000, direct, tunnel), conntrack("9999"), []string{"nf_conntrack_max", "10000", "9999", "nf_conntrack_max=16384"}, true},
		"conntrack of few":  {plenty(5000, prefork), conntrack("5255"), []string{"nf_conntrack_max", "5256"}, true},
		"memory":            {plenty(100_000, tunnel), func(r *run) { r.memory = 1 << 30 }, []string{"bytes of memory, estimated (available on the machine)", "1638400000", "1073741824"}, false},
		"memory of TLS":     {plenty(10_000, wss), func(r *run) { r.memory = 600 << 20 }, []string{"bytes of memory", "655360000", "629145600"}, false},
		"memory.max":        {plenty(100_000, tunnel), func(r *run) { r.limits.CgroupMemoryMax, r.limits.CgroupMemory = 2<<30, 1<<30 }, []string{"memory.max 2147483648 of the control group, less the 1073741824 in use", "1638400000", "is 1073741824;", "MemoryMax=4294967296"}, false},
		"the machine less":  {plenty(100_000, tunnel), func(r *run) { r.memory = 1 << 29; r.limits.CgroupMemoryMax = 1 << 30 }, []string{"available on the machine", "is 536870912;"}, false},
		"accept queue":      {plenty(5000, direct), func(r *run) { r.record.Host.Sysctls["net.core.somaxconn"] = "4096" }, []string{"somaxconn", "5000", "4096", "somaxconn=8192"}, false},
		"the worst first":   {plenty(5000, direct), func(r *run) { r.record.Host.Sysctls["net.core.somaxconn"] = "4096"; r.limits.NofileHard = 1024 }, []string{"descriptors of each", "1024"}, true},
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

// What several targets lack is said once; both legs of one are told apart.
func TestPreflightSaysItOnce(t *testing.T) {
	r := plenty(60_000, scenarios.Target{Name: "one", Tunnel: &scenarios.Tunnel{}}, scenarios.Target{Name: "two", Tunnel: &scenarios.Tunnel{MaxTunnels: 1000}})
	r.record.Host.Sysctls["net.ipv4.ip_local_port_range"] = "60000 60999"
	short := r.shortages()
	if len(short) != 2 || !strings.Contains(short[0].What, "clients and target") || !strings.Contains(short[1].String(), "target one and its backends (48 × 1 addresses, net.ipv4.ip_local_port_range 60000 to 60999): 1250 needed, the limit is 1000") {
		t.Errorf("%v", short)
	}
}

// `ulimit -u` holds everybody but root.
func TestUserLimitOfProcesses(t *testing.T) {
	d := demand{limits: proc.ResourceLimits{Nproc: 200, UserTasks: 60, CgroupPidsMax: -1}, tasks: 90}
	d.processes("with target x", 60)
	if len(d.short) != 1 || !strings.Contains(d.short[0].String(), "with target x (ulimit -u 200, less the 60 that this user runs already): "+
		"150 needed, the limit is 140; raise it with `ulimit -u 1024`") {
		t.Errorf("%v", d.short)
	}
	d.short, d.limits.UserTasks = nil, 50
	if d.processes("with target x", 60); len(d.short) != 0 {
		t.Errorf("just enough: %v", d.short)
	}
	d.short, d.limits.UserTasks = nil, 500 // of another session, whose limit is higher
	if d.processes("with target x", 60); len(d.short) != 1 || d.short[0].Have != 1 {
		t.Errorf("none left: %v", d.short)
	}
	d.short, d.limits.Nproc = nil, proc.Unlimited
	if d.processes("with target x", 60); len(d.short) != 0 {
		t.Errorf("no limit: %v", d.short)
	}
	d.short, d.root, d.limits.Nproc = nil, true, 100
	if d.processes("with target x", 60); len(d.short) != 0 {
		t.Errorf("root: %v", d.short)
	}
}

// A broadcast over several backends cannot be, and is said before anything starts.
func TestBroadcastOverSeveralBackendsIsAFault(t *testing.T) {
	r := many(60_000, scenarios.Target{Name: "direct", Direct: true})
	send := scenarios.Step{ID: "2", Send: &scenarios.Send{Group: "main", Rate: 1, Pattern: "broadcast"}}
	r.scenario.Steps = append(r.scenario.Steps, scenarios.Step{ID: "3", Together: &scenarios.Together{Branches: [][]scenarios.Step{{{ID: "3.1", Repeat: &scenarios.Repeat{Times: 2, Steps: []scenarios.Step{send}}}}}}})
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
