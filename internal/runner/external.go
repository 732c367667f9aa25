package runner

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"wsgauge/scenarios"
	"wsgauge/targets/external"
)

// external is a target that runs already; nil: the run starts it.
func (c *chosen) external() *external.Target {
	e, _ := c.impl.(*external.Target)
	return e
}

// ownBackends tells whether a target needs backends of the run. One that runs already has
// its own behind it.
func (r *run) ownBackends() bool {
	return slices.ContainsFunc(r.targets, func(t *chosen) bool { return t.external() == nil })
}

// externalFaults lists what cannot, or must not, be done to targets that run already.
func (r *run) externalFaults() []string {
	var out []string
	for _, t := range r.targets {
		e := t.external()
		if e == nil {
			continue
		}
		fault := func(format string, args ...any) {
			out = append(out, "target "+t.Name+": "+fmt.Sprintf(format, args...))
		}
		walk(r.scenario.Steps, func(s scenarios.Step) {
			if s.Backend != nil {
				fault("step %s acts on the backend, and the one behind a target that runs already was not started here: leave the target or the step out", s.ID)
			}
			if s.Signal != nil {
				if err := r.maySignal(e, s.Signal.Action); err != nil {
					fault("step %s: signal: %s: %v", s.ID, s.Signal.Action, err)
				}
			}
		})
	}
	return append(out, r.sourceFaults()...)
}

// walk visits every step, those in repeat and together included.
func walk(steps []scenarios.Step, visit func(scenarios.Step)) {
	for _, s := range steps {
		visit(s)
		switch {
		case s.Repeat != nil:
			walk(s.Repeat.Steps, visit)
		case s.Together != nil:
			for _, branch := range s.Together.Branches {
				walk(branch, visit)
			}
		}
	}
}

// maySignal tells whether a signal step can reach the target's processes.
func (r *run) maySignal(e *external.Target, name string) error {
	pids, err := e.Processes()
	if err != nil {
		return err
	}
	if len(pids) == 0 {
		return errors.New("which process is not known: give the target pids: or unit:")
	}
	if _, err := e.Signal(name); err != nil {
		return err
	}
	// Signal 0 asks for the right alone (kill(2)).
	if err := syscall.Kill(pids[0], 0); err != nil {
		return fmt.Errorf("process %d: %w; run wsgauge as its user or as root", pids[0], err)
	}
	return nil
}

// sourceFaults wants addresses of this machine that can dial the targets.
func (r *run) sourceFaults() []string {
	var out []string
	for _, a := range r.Sources {
		// Bound as agents will bind it; only the kernel knows every address that it has.
		l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(a, 0)))
		if err == nil {
			err = l.Close()
		}
		if err != nil {
			out = append(out, fmt.Sprintf("--source %v: %v; `ip address` lists the addresses of this machine", a, err))
		}
		if a.Is4() != r.Sources[0].Is4() {
			out = append(out, fmt.Sprintf("--source: %v and %v are not of one family", r.Sources[0], a))
		}
	}
	if len(r.Sources) > 0 && !slices.ContainsFunc(r.targets, func(t *chosen) bool { return t.external() != nil }) {
		out = append(out, "--source: no target of this run is external, and the others are dialled from loopback addresses of the run's own: leave the flag out")
	}
	return out
}

// sourcesOf are the addresses that clients of a target dial from, given those of its
// trial; none: the kernel chooses.
func (r *run) sourcesOf(t *chosen, own []netip.Addr) []netip.Addr {
	e := t.external()
	switch {
	case e == nil:
		return own
	case len(r.Sources) > 0:
		return r.Sources
	case e.Loopback():
		return own
	}
	return nil
}

// external is one leg, of which this machine has one end at least. What the target needs
// is its operator's affair.
func (d *demand) external(t *chosen, sources int) {
	e := t.external()
	d.both = max(d.both, d.open)
	if sources == 0 {
		sources = d.sources()
		if !e.Loopback() {
			sources = 1
		}
	}
	d.ports("clients and target "+t.Name, d.open, sources, max(len(e.Addrs()), 1), true)
	d.processes("with target "+t.Name, 0)
}
