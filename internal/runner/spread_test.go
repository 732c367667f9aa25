package runner

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"wsgauge/scenarios"
)

func TestSpreadHoldsTheLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		open := rapid.IntRange(0, 2_000_000).Draw(t, "open")
		nofile := rapid.Uint64Range(planAround, 1<<20).Draw(t, "nofile")
		s := spreadOver(open, 1, 1, 1, nofile)
		each := func(what string, files, processes, share int) {
			most := (int(nofile) - spareFiles) * share / 100
			if processes < 1 || files > processes*most {
				t.Fatalf("%d files over %d %s of at most %d", files, processes, what, nofile)
			}
			if processes > 1 && files <= (processes-1)*most {
				t.Fatalf("%d %s for %d files: one fewer would do", processes, what, files)
			}
		}
		each("agents", open, s.agents, 100)
		each("backends", open, s.backends, 100)
		each("tunnels", 2*open, s.tunnels, 90)
	})
}

func TestSpreadKeepsWhatIsAsked(t *testing.T) {
	if s := spreadOver(300, 2, 3, 4, 20_000); s != (spread{2, 3, 4}) {
		t.Errorf("%+v", s)
	}
	// A limit that low is to be raised, not to be planned around.
	if s := spreadOver(5000, 1, 1, 1, 1024); s != (spread{1, 1, 1}) {
		t.Errorf("%+v", s)
	}
	s := spreadOver(60_000, 1, 1, 1, 20_000)
	if s != (spread{4, 4, 7}) {
		t.Errorf("%+v", s)
	}
	r := plenty(60_000, scenarios.Target{Name: "tunnel", Tunnel: &scenarios.Tunnel{}})
	r.limits.NofileHard, r.spread = 20_000, s
	r.spreadTunnels()
	want := "a process may open 20000 files, so the connections are spread over 4 agents, 4 backends, 7 tunnel processes"
	if got := r.spreadNote(); got != want || r.targets[0].Tunnel.Processes != 7 {
		t.Errorf("%q, want %q; %d processes", got, want, r.targets[0].Tunnel.Processes)
	}
	asked := plenty(60_000, scenarios.Target{Name: "tunnel", Tunnel: &scenarios.Tunnel{Processes: 8}})
	asked.limits.NofileHard, asked.spread = 20_000, s
	asked.scenario.Agents.Count, asked.scenario.Backend.Instances = 4, 4
	asked.spreadTunnels()
	if got := asked.spreadNote(); got != "" || asked.targets[0].Tunnel.Processes != 8 {
		t.Errorf("%q although that was asked for; %d processes", got, asked.targets[0].Tunnel.Processes)
	}
}

func TestSiteHasPortsEnough(t *testing.T) {
	for text, want := range map[string]int{"": 11_292, "32768 60999": 11_292, "1024\t65535": 25_804, "40000 40009": 4, "x": 11_292} {
		if got := portsPerPair(text); got != want {
			t.Errorf("%q: %d ports a pair, want %d", text, got, want)
		}
	}
	n, err := newNetwork()
	if err != nil {
		t.Fatal(err)
	}
	a, b := n.site(1, 100_000, 20_000), n.site(2, 100, 20_000)
	if len(a.sources) < 5 || len(b.sources) != 1 {
		t.Errorf("%d and %d sources", len(a.sources), len(b.sources))
	}
	seen := map[string]bool{}
	for _, s := range []site{a, b} {
		for _, addr := range append(append([]netip.Addr{s.target, s.backend, s.probe}, s.sources...), s.onward...) {
			if seen[addr.String()] || !addr.IsLoopback() {
				t.Errorf("%v is used twice, or not of this machine", addr)
			}
			seen[addr.String()] = true
		}
	}
}
