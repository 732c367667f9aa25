package runner

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"wsgauge/internal/bus"
	"wsgauge/internal/proc"
	"wsgauge/scenarios"
	"wsgauge/targets/apache"
)

// Shortage is a limit of this machine that is too low for what a scenario asks.
type Shortage struct {
	What   string // "descriptors of an agent"
	Need   uint64
	Have   uint64
	Remedy string // the command that mends it
	Fatal  bool   // the run cannot do what was asked; else it is a warning
}

// String is one line for people.
func (s Shortage) String() string {
	return fmt.Sprintf("%s: %d needed, the limit is %d; %s", s.What, s.Need, s.Have, s.Remedy)
}

// preflight compares what was asked with what the machine allows, before anything
// is started. All that is in the way is one error.
func (r *run) preflight() error {
	faults := r.faults()
	faults = append(faults, r.placeFaults()...)
	for i, s := range slices.DeleteFunc(r.shortages(), func(s Shortage) bool {
		if !s.Fatal {
			r.note("preflight: " + s.String())
		}
		return !s.Fatal
	}) {
		if i == 0 {
			faults = append(faults, "this machine's limits are too low for the scenario; what binds first:")
		}
		faults = append(faults, s.String())
	}
	if len(faults) > 0 {
		return fmt.Errorf("preflight: nothing was started:\n  %s", strings.Join(faults, "\n  "))
	}
	return nil
}

// faults lists what of the scenario cannot be done here, limits apart.
func (r *run) faults() []string {
	var out []string
	cpus := func(whose, list string) {
		if err := usableCPUs(list, proc.AvailableCPUs()); err != nil {
			out = append(out, whose+": "+err.Error())
		}
	}
	cpus("agents", r.scenario.Agents.CPUs)
	for _, t := range r.targets {
		cpus("target "+t.Name, t.CPUs)
	}
	if b := r.backend.remote; b != nil {
		if fault := b.fault(); fault != "" {
			out = append(out, fault)
		}
	}
	out = append(out, r.externalFaults()...)
	if n := r.spread.backends; n > 1 && broadcasts(r.scenario.Steps) {
		out = append(out, fmt.Sprintf("a broadcast needs one backend, which has every client, and %d connections take %d of them here: "+
			"ask for fewer connections, or raise the limit of open files with `ulimit -n`", r.scenario.MaxOpen(), n))
	}
	return out
}

// broadcasts tells whether a step does.
func broadcasts(steps []scenarios.Step) bool {
	found := false
	scenarios.Walk(steps, func(s *scenarios.Step) {
		found = found || s.Send != nil && s.Send.Pattern == "broadcast"
	})
	return found
}

// usableCPUs wants every CPU of a list: the kernel would silently leave out those
// that are not there, and the record would name them.
func usableCPUs(list string, available []int) error {
	if list == "" {
		return nil
	}
	asked, err := proc.ParseCPUs(list)
	if err != nil {
		return err
	}
	for _, cpu := range asked {
		if !slices.Contains(available, cpu) {
			return fmt.Errorf("cpus %q: CPU %d cannot be used here, this process may run on %s", list, cpu, proc.FormatCPUs(available))
		}
	}
	return nil
}

// placeFaults lists what is wrong with the places that the run is to use: where
// temporary files go, where the records go, and the bus.
func (r *run) placeFaults() []string {
	var out []string
	dir, err := os.MkdirTemp("", "wsgauge-preflight-")
	if err == nil {
		err = os.Remove(dir)
	}
	if err != nil {
		out = append(out, fmt.Sprintf("temporary files: %v; TMPDIR names another place", err))
	}
	if slices.ContainsFunc(r.targets, func(t *chosen) bool { return t.Apache != nil }) {
		for what, path := range map[string]string{"--out": r.Out, "TMPDIR": os.TempDir()} {
			if path, err = filepath.Abs(path); err == nil {
				err = apache.CheckPath(path)
			}
			if err != nil {
				out = append(out, what+": "+err.Error())
			}
		}
	}
	if r.NATS != "" {
		conn, err := bus.Connect(r.NATS, "wsgauge preflight")
		if err == nil {
			err = conn.Close()
		}
		if err != nil {
			out = append(out, fmt.Sprintf("--nats: %v; leave the flag out to use a bus of the run's own", err))
		}
	}
	return out
}

// shortages lists the limits that are too low, the one that binds first before the
// others: of two, that with the smaller share of what is needed.
func (r *run) shortages() []Shortage {
	s := r.scenario
	d := demand{open: uint64(s.MaxOpen()), spread: r.spread, limits: r.limits, memory: uint64(max(r.memory, 0)), remote: r.backend.remote != nil,
		sysctls: r.record.Host.Sysctls, root: os.Geteuid() == 0}
	d.generator(s.Agents.Workers)
	for _, t := range r.targets {
		d.secure(s.WSS(t.Target), t.Tunnel != nil && t.Tunnel.TLS.Backend || t.Apache != nil && t.Apache.TLS.Backend)
		switch {
		case t.Tunnel != nil:
			d.tunnel(t)
		case t.Apache != nil:
			d.apache(t)
		case t.external() != nil:
			d.external(t, len(r.Sources))
		default:
			d.direct()
		}
	}
	d.machine()
	slices.SortStableFunc(d.short, func(a, b Shortage) int {
		return cmp.Compare(float64(a.Have)/float64(a.Need), float64(b.Have)/float64(b.Need))
	})
	return d.short
}
