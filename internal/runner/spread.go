package runner

import (
	"fmt"

	"wsgauge/targets/tunnel"
)

const (
	// spareFiles is what a process of ours holds besides its connections: loops,
	// logs, the bus, Go's own.
	spareFiles = 64

	// planAround is the smallest limit of open files that is planned around by
	// starting more processes. A lower one is a setting: it is named, with the
	// command that raises it.
	planAround = 8192
)

// spread is how many processes of each kind share the connections, so that none
// opens more files than a process may.
type spread struct{ agents, backends, tunnels int }

// spreadOver plans for the most connections that are open at once. What the
// scenario asks for is the least.
func spreadOver(open, agents, backends, tunnels int, nofile uint64) spread {
	most := func(asked, files, share int) int {
		if nofile < planAround {
			return max(asked, 1)
		}
		each := (int(min(nofile, 1<<30)) - spareFiles) * share / 100
		return max(asked, (files+each-1)/each, 1)
	}
	return spread{agents: most(agents, open, 100), backends: most(backends, open, 100),
		// The kernel deals connections to tunnel processes by a hash: some get more.
		tunnels: most(tunnels, 2*open, 90)}
}

// spreadTunnels gives tunnel targets the processes that they need.
func (r *run) spreadTunnels() {
	for _, t := range r.targets {
		if t.Tunnel == nil || t.Nofile.Soft != 0 || t.Tunnel.Processes >= r.spread.tunnels || r.spread.tunnels < 2 {
			continue
		}
		config := *t.Tunnel // the scenario's own stays as it was read
		config.Processes = r.spread.tunnels
		t.Tunnel, t.impl = &config, tunnel.New(config)
		r.tunnelsAdded = r.spread.tunnels
	}
}

// spreadNote says what was added and why; empty: nothing.
func (r *run) spreadNote() string {
	s, text := r.spread, ""
	add := func(what string, n, asked int) {
		if n > max(asked, 1) {
			text += fmt.Sprintf(", %d %s", n, what)
		}
	}
	add("agents", s.agents, r.scenario.Agents.Count)
	if r.backend.remote == nil {
		add("backends", s.backends, r.scenario.Backend.Instances)
	}
	add("tunnel processes", r.tunnelsAdded, 1)
	if text == "" {
		return ""
	}
	return fmt.Sprintf("a process may open %d files, so the connections are spread over%s", r.limits.NofileHard, text[1:])
}
