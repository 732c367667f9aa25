package runner

import (
	"time"

	"wsgauge/internal/proc"
	"wsgauge/results"
)

// ofStep is what each group used in a step: from the reading before it to the one
// at its end. Beside other load (shared) nobody can
// tell what a message cost.
func (s *sampler) ofStep(record *results.Step, y *tally, window *edge, shared bool) map[string]*results.Resources {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := time.Unix(0, y.start)
	var inside []reading
	for i, r := range s.readings {
		next := i+1 < len(s.readings) && !s.readings[i+1].at.After(from)
		if !next { // the last one before the step, and all after it
			inside = append(inside, r)
		}
	}
	out := map[string]*results.Resources{}
	var took othersTook
	switch n := len(inside); {
	case window.whole:
		took = s.tookOf(window.from, window.to)
	case y.plan.Send == nil && n > 1 && inside[n-1].at.Sub(inside[0].at) >= time.Second: // of less the kernel's ticks tell nothing
		took = s.tookOf(inside[0], inside[n-1])
	}
	s.others[record.ID] = s.others[record.ID].worse(took)
	for _, name := range groupNames {
		out[name] = s.resources(name, inside)
		if out[name] != nil && window.whole && !shared && record.Messages.Through() > 0 {
			if cpu, ok := spent(window.from, window.to, name); ok {
				// A reading may come late; the messages are those of the window as planned.
				part := float64(y.window) / float64(max(window.to.at.Sub(window.from.at), 1))
				v := float64(cpu.Microseconds()) * part / float64(record.Messages.Through())
				out[name].CPUUsPerMessage = &v
			}
		}
	}
	return out
}

// total is the same over the whole trial; what a message cost is taken over all
// send windows.
func (s *sampler) total(t *results.Trial) map[string]*results.Resources {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]*results.Resources{}
	for _, name := range groupNames {
		out[name] = s.resources(name, s.readings)
		if out[name] == nil {
			continue
		}
		var us, answered float64
		for i := range t.Steps {
			if r := t.Steps[i].Resources[name]; r != nil && r.CPUUsPerMessage != nil {
				through := float64(t.Steps[i].Messages.Through())
				us += *r.CPUUsPerMessage * through
				answered += through
			}
		}
		if answered > 0 {
			v := us / answered
			out[name].CPUUsPerMessage = &v
		}
	}
	return out
}

// resources sums up readings of a group; nil when the group does not exist.
func (s *sampler) resources(name string, list []reading) *results.Resources {
	if len(s.roots[name]) == 0 {
		return nil
	}
	out := &results.Resources{}
	var first, last *proc.Usage
	most := s.base
	for i := range list {
		u, there := list[i].groups[name]
		if !there {
			continue
		}
		if first == nil {
			first = &u
		}
		last = &u
		peak(&out.RSSPeakBytes, u.RSS)
		peak(&out.PSSPeakBytes, u.PSS)
		peak(&out.FDsPeak, int64(u.FDs))
		peak(&out.ThreadsPeak, int64(u.Threads))
		peak(&out.ProcessesPeak, int64(u.Processes))
		if u.PSS >= 0 && list[i].open >= most.open {
			most = list[i]
		}
	}
	if first != nil {
		out.CPUSeconds = seconds(last.CPU - first.CPU)
		out.CPUUserSeconds = seconds(last.User - first.User)
		out.CPUSystemSeconds = seconds(last.System - first.System)
	}
	base, there := s.base.groups[name]
	if at, ok := most.groups[name]; ok && there && most.open > 0 && base.PSS >= 0 && at.PSS >= 0 {
		v := float64(at.PSS-base.PSS) / float64(most.open)
		out.PSSBytesPerTunnel = &v
	}
	return out
}

// othersTook is what programs took that are no part of the run: shares of the machine's
// time, and of the time of the CPUs that agents or backends have.
type othersTook struct{ machine, beside float64 }

func (o othersTook) worse(than othersTook) othersTook {
	return othersTook{max(o.machine, than.machine), max(o.beside, than.beside)}
}

// tookOf is what other programs took between two readings.
func (s *sampler) tookOf(from, to reading) othersTook {
	where := s.trial.cpus()
	took := othersTook{machine: others(from, to, proc.AvailableCPUs(), groupNames)}
	if i := s.trial.instance; i.Reach != nil && s.trial.local && i.Processes == nil {
		took.machine = 0 // what the target took, which is not watched, would be among it
	}
	of := map[string]string{"agents": where.agents, "backend": where.backend, "target": where.target}
	for _, list := range []string{where.agents, where.backend} {
		// The controller may run anywhere, and so may have run there.
		groups := []string{"controller"}
		for name, its := range of {
			if overlap(list, its) {
				groups = append(groups, name)
			}
		}
		if cpus, err := proc.ParseCPUs(list); err == nil {
			took.beside = max(took.beside, others(from, to, cpus, groups))
		}
	}
	return took
}

// others is the share of some CPUs' time that went, between two readings, to programs
// that are not of those groups. Time in interrupts is left out: whose it is the kernel
// does not say.
func others(from, to reading, cpus []int, groups []string) float64 {
	if from.tasks == nil || to.tasks == nil {
		return 0
	}
	var left time.Duration
	for _, n := range cpus {
		left += to.tasks[n] - from.tasks[n]
	}
	for _, name := range groups {
		if cpu, ok := spent(from, to, name); ok {
			left -= cpu
		}
	}
	span := to.at.Sub(from.at).Seconds() * float64(len(cpus))
	return max(left.Seconds(), 0) / max(span, 1e-3)
}

// spent is the CPU time of a group between two readings.
func spent(from, to reading, name string) (time.Duration, bool) {
	a, there := from.groups[name]
	b, too := to.groups[name]
	return b.CPU - a.CPU, there && too
}

func peak(place **float64, n int64) {
	if n < 0 {
		return
	}
	if v := float64(n); *place == nil || **place < v {
		*place = &v
	}
}
