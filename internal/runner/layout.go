package runner

import (
	"slices"
	"time"

	"wsgauge/internal/proc"
	"wsgauge/results"
	"wsgauge/scenarios"
)

// agentsNice raises the agents' event loops above what shares their CPU, where that
// is permitted: the instrument must not wait for what it measures.
const agentsNice = -10

// backendSlice lets a backend interrupt an agent on the same CPU. An agent polls just
// before a message is due; an echo that waits for that would be latency which no target
// has made. The agents' loops ask for twice as much.
const backendSlice = 100 * time.Microsecond

// prompt gives a backend what the agents beside it have, unless the target would suffer
// for it.
func (l layout) prompt(spec *proc.Spec, nice int) {
	if nice == 0 || l.backend != l.agents || overlap(l.backend, l.target) {
		return
	}
	spec.Nice, spec.Slice = nice, backendSlice
}

// overlap tells whether two CPU lists have one in common; one that cannot be read might.
func overlap(a, b string) bool {
	one, err := proc.ParseCPUs(a)
	other, err2 := proc.ParseCPUs(b)
	return err != nil || err2 != nil || slices.ContainsFunc(one, func(cpu int) bool { return slices.Contains(other, cpu) })
}

// realtime is the share of a CPU up to which each loop of an agent and each backend has
// real-time priority; 0: never. What shares a CPU with the target must not be favoured
// over it, and with many loops nothing would be left for others.
func (l layout) realtime(agentLoops, backends int) (agents, backend float64) {
	if overlap(l.agents, l.target) || overlap(l.backend, l.target) || !proc.MayRealtime() {
		return 0, 0
	}
	allowed := l.allowed()
	share := func(all float64, list string, loops int) float64 {
		cpus, err := proc.ParseCPUs(list)
		if err != nil || loops == 0 {
			return 0
		}
		return min(all, all*float64(len(cpus))/float64(loops))
	}
	return share(allowed.Agents, l.agents, agentLoops), share(allowed.Backend, l.backend, backends)
}

// Realtime is the share of a CPU (0 to 1) up to which all loops of the agents, and of
// the backend, that share it may have real-time priority.
type Realtime struct{ Agents, Backend float64 }

// allowed is what was asked for, or what was found to be good.
func (l layout) allowed() Realtime {
	if l.asked != nil {
		return *l.asked
	}
	return Realtime{agentsShare, backendShare}
}

// permittedNice is what the agents' loops really get.
func permittedNice() int {
	if proc.MayRaise(agentsNice) {
		return agentsNice
	}
	return 0
}

// layout is the CPU list of each group of processes.
type layout struct {
	agents, backend, target string
	asked                   *Realtime // nil: as usual
}

// place keeps the target away from the load: with two CPUs, agents and backend
// share the first and the target has the second; with more, all are apart. With
// one there is nothing to choose.
func place(s *scenarios.Scenario, cpus []int, asked *Realtime) layout {
	list := func(from, to int) string { return proc.FormatCPUs(cpus[from:to]) }
	n := len(cpus)
	var l layout
	switch {
	case n < 2:
		l = layout{agents: list(0, n), backend: list(0, n), target: list(0, n)}
	case n == 2:
		l = layout{agents: list(0, 1), backend: list(0, 1), target: list(1, 2)}
	case n == 3:
		l = layout{agents: list(0, 1), backend: list(1, 2), target: list(2, 3)}
	default:
		// A quarter each for the agents and the backend, half for the target.
		q := n / 4
		l = layout{agents: list(0, q), backend: list(q, 2*q), target: list(2*q, n)}
	}
	l.asked = asked
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
	first, _ := l.realtime(1, 1)
	p := results.Placement{Agents: l.agents, Backend: l.backend, Target: l.target,
		Controller: proc.FormatCPUs(proc.AvailableCPUs()), AgentsNice: permittedNice(), Realtime: first > 0}
	// Nobody puts a target that runs already, nor what is behind it, anywhere.
	if len(list) > 0 && !slices.ContainsFunc(list, func(t *chosen) bool { return t.external() == nil }) {
		p.Backend, p.Target = "", ""
	}
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
