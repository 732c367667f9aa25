package runner

import (
	"wsgauge/internal/proc"
	"wsgauge/results"
	"wsgauge/scenarios"
)

// agentsNice raises the agents' event loops above what shares their CPU, where that
// is permitted: the instrument must not wait for what it measures.
const agentsNice = -10

// permittedNice is what the agents' loops really get.
func permittedNice() int {
	if proc.MayRaise(agentsNice) {
		return agentsNice
	}
	return 0
}

// layout is the CPU list of each group of processes.
type layout struct{ agents, backend, target string }

// place keeps the target away from the load: with two CPUs, agents and backend
// share the first and the target has the second; with more, all are apart. With
// one there is nothing to choose.
func place(s *scenarios.Scenario, cpus []int) layout {
	list := func(from, to int) string { return proc.FormatCPUs(cpus[from:to]) }
	n := len(cpus)
	var l layout
	switch {
	case n < 2:
		l = layout{list(0, n), list(0, n), list(0, n)}
	case n == 2:
		l = layout{list(0, 1), list(0, 1), list(1, 2)}
	case n == 3:
		l = layout{list(0, 1), list(1, 2), list(2, 3)}
	default:
		// A quarter each for the agents and the backend, half for the target.
		q := n / 4
		l = layout{list(0, q), list(q, 2*q), list(2*q, n)}
	}
	if s.Agents.CPUs != "" {
		l.agents = s.Agents.CPUs
	}
	return l
}

// with is the layout of a trial whose target may have CPUs of its own.
func (l layout) with(target string) layout {
	if target != "" {
		l.target = target
	}
	return l
}

func (l layout) record(list []*chosen) results.Placement {
	p := results.Placement{Agents: l.agents, Backend: l.backend, Target: l.target,
		Controller: proc.FormatCPUs(proc.AvailableCPUs()), AgentsNice: permittedNice()}
	for _, t := range list {
		if t.CPUs != "" {
			if p.PerTarget == nil {
				p.PerTarget = map[string]string{}
			}
			p.PerTarget[t.Name] = t.CPUs
		}
	}
	return p
}
