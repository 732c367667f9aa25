package runner

import "fmt"

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
	most := func(asked int, files int) int {
		if nofile < planAround {
			return asked
		}
		each := int(min(nofile, 1<<30)) - spareFiles
		return max(asked, (files+each-1)/each)
	}
	return spread{agents: most(max(agents, 1), open), backends: most(max(backends, 1), open),
		tunnels: most(max(tunnels, 1), 2*open)}
}

// note says what was added and why; empty: nothing.
func (s spread) note(agents, backends int, nofile uint64) string {
	text := ""
	add := func(what string, n, asked int) {
		if n > max(asked, 1) {
			text += fmt.Sprintf(", %d %s", n, what)
		}
	}
	add("agents", s.agents, agents)
	add("backends", s.backends, backends)
	if text == "" {
		return ""
	}
	return fmt.Sprintf("a process may open %d files, so the connections are spread over%s", nofile, text[1:])
}
