package runner

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"wsgauge/internal/proc"
	"wsgauge/results"
	"wsgauge/scenarios"
	"wsgauge/targets"
	"wsgauge/targets/external"
)

// found is a target that runs already, at addresses that need not exist.
func found(t *testing.T, name, url string, pids ...int) *chosen {
	t.Helper()
	x := scenarios.External{URL: url, PIDs: pids}
	e := external.New(x, nil)
	if _, err := e.Find(); err != nil {
		t.Fatal(err)
	}
	return &chosen{Target: scenarios.Target{Name: name, External: &x}, impl: e}
}

func TestSourcesOf(t *testing.T) {
	own, given := []netip.Addr{netip.MustParseAddr("127.9.8.16")}, []netip.Addr{netip.MustParseAddr("192.0.2.9")}
	ours := &chosen{Target: scenarios.Target{Name: "ours", Tunnel: &scenarios.Tunnel{}}}
	near, far, six := found(t, "near", "ws://127.0.0.1:80/"), found(t, "far", "ws://192.0.2.1:80/"), found(t, "six", "ws://[::1]:80/")
	for _, c := range []struct {
		target *chosen
		given  []netip.Addr
		want   []netip.Addr
	}{{ours, nil, own}, {ours, given, own}, {near, nil, own}, {near, given, given}, {far, nil, nil}, {far, given, given}, {six, nil, nil}} {
		r := &run{Options: Options{Sources: c.given}}
		if got := r.sourcesOf(c.target, own); !slices.Equal(got, c.want) {
			t.Errorf("%s with --source %v: from %v, want %v", c.target.Name, c.given, got, c.want)
		}
	}
}

// What is behind an external target is not planned for, and one address of ours has so
// many ports to one of its.
func TestExternalDemand(t *testing.T) {
	few := func(r *run) { r.record.Host.Sysctls["net.ipv4.ip_local_port_range"] = "60000 60999" }
	r := plenty(5000)
	r.targets, r.spread.backends = []*chosen{found(t, "far", "ws://192.0.2.1:80/")}, 0
	if short := r.shortages(); len(short) != 0 {
		t.Errorf("short of %v", short)
	}
	r.spread.agents, r.limits.NofileHard = 2, 3000 // 2564 each; one backend would need 5064
	if short := r.shortages(); len(short) != 0 {
		t.Errorf("short of %v, with two agents", short)
	}
	few(r)
	if short := r.shortages(); len(short) != 1 || !strings.HasPrefix(short[0].String(), "ports of each address pair between clients and target far (1 × 1 addresses") || short[0].Need != 5000 || !short[0].Fatal {
		t.Errorf("short of %v", short)
	}
	r.Sources = slices.Repeat([]netip.Addr{netip.MustParseAddr("192.0.2.9")}, 5)
	if short := r.shortages(); len(short) != 0 {
		t.Errorf("short of %v with five sources", short)
	}
	if r.ownBackends() {
		t.Error("nobody would use a backend of the run's")
	}
	r.targets = append(r.targets, &chosen{Target: scenarios.Target{Name: "direct", Direct: true}})
	if !r.ownBackends() {
		t.Error("direct is nothing without a backend")
	}
}

func TestExternalFaults(t *testing.T) {
	restart := scenarios.Step{ID: "again", Signal: &scenarios.Signal{Action: "restart"}}
	for name, c := range map[string]struct {
		target  *chosen
		sources []string
		step    scenarios.Step
		want    string
	}{
		"nothing":       {found(t, "x", "ws://127.0.0.1:80/"), nil, scenarios.Step{}, ""},
		"no process":    {found(t, "x", "ws://127.0.0.1:80/"), nil, restart, "step again: signal: restart: which process is not known"},
		"nested":        {found(t, "x", "ws://127.0.0.1:80/"), nil, scenarios.Step{Together: &scenarios.Together{Branches: [][]scenarios.Step{{{Repeat: &scenarios.Repeat{Steps: []scenarios.Step{restart}}}}}}}, "step again"},
		"backend":       {found(t, "x", "ws://127.0.0.1:80/"), nil, scenarios.Step{ID: "b", Backend: &scenarios.BackendStep{Action: "kill"}}, "was not started here"},
		"no such place": {found(t, "x", "ws://127.0.0.1:80/"), []string{"192.0.2.9"}, scenarios.Step{}, "--source 192.0.2.9"},
		"two families":  {found(t, "x", "ws://127.0.0.1:80/"), []string{"127.0.0.1", "::1"}, scenarios.Step{}, "not of one family"},
		"nobody's":      {&chosen{Target: scenarios.Target{Name: "direct", Direct: true}}, []string{"127.0.0.1"}, scenarios.Step{}, "no target of this run is external"},
	} {
		r := &run{scenario: &scenarios.Scenario{Steps: []scenarios.Step{c.step}}, targets: []*chosen{c.target}}
		for _, a := range c.sources {
			r.Sources = append(r.Sources, netip.MustParseAddr(a))
		}
		faults := strings.Join(r.externalFaults(), "\n")
		if !strings.Contains(faults, c.want) || c.want == "" && faults != "" {
			t.Errorf("%s: %q, want %q", name, faults, c.want)
		}
	}
}

// Other programs cannot be told from a target that runs here and is not watched.
func TestOthersBesideAnUnwatchedTarget(t *testing.T) {
	at := time.Unix(1000, 0)
	cpus := proc.AvailableCPUs()
	from, to := reading{at: at, tasks: map[int]time.Duration{}}, reading{at: at.Add(time.Second), tasks: map[int]time.Duration{}}
	for _, n := range cpus {
		from.tasks[n], to.tasks[n] = 0, time.Second/2
	}
	for _, local := range []bool{true, false} {
		far := found(t, "x", "ws://127.0.0.1:80/")
		in, err := far.impl.Prepare(targets.Site{})
		if err != nil {
			t.Fatal(err)
		}
		tr := &trial{run: &run{}, target: far, instance: in, local: local, record: results.Trial{}}
		tr.run.layout = layout{agents: proc.FormatCPUs(cpus), backend: proc.FormatCPUs(cpus), target: proc.FormatCPUs(cpus)}
		s := &sampler{trial: tr}
		if got := s.tookOf(from, to); (got.machine == 0) != local || got.beside < 0.4 {
			t.Errorf("local %v: %+v", local, got)
		}
	}
}
