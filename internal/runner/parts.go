package runner

import (
	"fmt"
	"net/netip"
	"slices"

	"wsgauge/internal/proc"
	"wsgauge/results"
)

// generations tell the processes of a target apart by the reload after which they began.
type generations struct {
	root    int
	reloads [][]proc.Process // the processes that lived at each
}

// of names the generation of a process: "target_g0" before the first reload, "target_g1"
// after it. The target's first process, which goes through all of them, is of none.
func (g *generations) of(p proc.Process) string {
	if p.PID == g.root {
		return ""
	}
	n := slices.IndexFunc(g.reloads, func(living []proc.Process) bool { return slices.Contains(living, p) })
	if n < 0 {
		n = len(g.reloads)
	}
	return fmt.Sprintf("%s%d", results.GenerationOf, n)
}

// reload is told the processes that lived when the target was told to reload. From then
// on samples tell its generations apart.
func (s *sampler) reload(root int, living []proc.Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.generations == nil {
		s.generations = &generations{root: root}
	}
	s.generations.reloads = append(s.generations.reloads, living)
}

// anew is told that all of the target's processes have been replaced.
func (s *sampler) anew() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generations = nil
}

// instances counts the connections that each of the backends has from the target, or
// from the clients of direct; nil: they are not known, or there is one backend.
func (t *trial) instances() []int64 {
	addrs := t.addrs
	if t.run.scenario.Backend.Instances < 2 || len(addrs) < 2 || t.instance.Reach != nil || t.run.backend.remote != nil {
		return nil
	}
	found, err := proc.Sockets(func(local, remote netip.AddrPort) string {
		if i := slices.Index(addrs, local); i >= 0 && t.leg(local, remote) != "" {
			return backendGroup(i)
		}
		return ""
	})
	if err != nil {
		return nil // not measured
	}
	out := make([]int64, len(addrs))
	for i := range out {
		out[i] = int64(found[backendGroup(i)]["ESTABLISHED"])
	}
	return out
}

// backendGroup names the samples of one of several backends.
func backendGroup(i int) string { return fmt.Sprintf("%s%d", results.BackendInstance, i+1) }
