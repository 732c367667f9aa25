package runner

import (
	"fmt"
	"os"
	"strings"

	"wsgauge/internal/proc"
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

// preflight compares what the scenario asks with what the machine allows, before
// anything is started.
func (r *run) preflight() error {
	var fatal []string
	for _, s := range r.shortages() {
		if s.Fatal {
			fatal = append(fatal, s.String())
		} else {
			r.note("preflight: " + s.String())
		}
	}
	if len(fatal) > 0 {
		return fmt.Errorf("preflight: this machine's limits are too low for the scenario; nothing was started\n  %s",
			strings.Join(fatal, "\n  "))
	}
	return nil
}

func (r *run) shortages() []Shortage {
	s := r.scenario
	open := uint64(s.MaxOpen())
	agents, backends, tunnels := uint64(r.spread.agents), uint64(r.spread.backends), uint64(r.spread.tunnels)
	var out []Shortage
	files := func(what string, need, have uint64, more string, fatal bool) {
		if have != 0 && need > have {
			out = append(out, Shortage{What: what, Need: need, Have: have, Fatal: fatal,
				Remedy: fmt.Sprintf("raise it with `ulimit -n %d` (as root, or by LimitNOFILE= of the service)%s", roundUp(need), more)})
		}
	}
	hard := r.limits.NofileHard
	files("descriptors of each agent", (open+agents-1)/agents+spareFiles, hard, ", or spread the load with --agents", true)
	files("descriptors of each backend", (open+backends-1)/backends+spareFiles, hard, ", or spread the load with backend: {instances: N}", true)
	for _, t := range r.targets {
		switch {
		case t.Tunnel != nil:
			have, own := hard, t.Nofile.Soft != 0
			if own {
				have = t.Nofile.Soft
			}
			need := (2*open+tunnels-1)/tunnels + spareFiles
			if m := uint64(t.Tunnel.MaxTunnels); m > 0 {
				need = min(need, 2*m+spareFiles)
			}
			// A limit that the scenario sets is what it wants to measure.
			files("descriptors of target "+t.Name+" (two a tunnel)", need, have, "", !own)
		case t.Apache != nil:
			out = append(out, r.apacheShortages(t)...)
		}
	}
	if n, err := somaxconn(r); err == nil && open > n {
		out = append(out, Shortage{What: "net.core.somaxconn, which bounds a burst of connects", Need: open, Have: n,
			Remedy: fmt.Sprintf("raise it with `sysctl -w net.core.somaxconn=%d`, or connect at a lower rate", roundUp(open))})
	}
	return out
}

// apacheShortages are the limits that the server's own shape needs: descriptors a
// child (about 20 and three a tunnel), and processes or threads in all.
func (r *run) apacheShortages(t *chosen) []Shortage {
	var out []Shortage
	shape, err := apache.ShapeOf(*t.Apache)
	if err != nil {
		return nil // said with more context when the target is prepared
	}
	threads := shape.ThreadsPerChild
	have, own := r.limits.NofileSoft, t.Nofile.Soft != 0
	if own {
		have = t.Nofile.Soft
	}
	if need := uint64(20 + 3*threads); have != 0 && need > have {
		out = append(out, Shortage{What: "descriptors of a child of target " + t.Name, Need: need, Have: have, Fatal: !own,
			Remedy: fmt.Sprintf("raise it with `ulimit -n %d`, or lower threads_per_child", roundUp(need))})
	}
	tasks := uint64(shape.Workers) + uint64(shape.Workers/threads)*3
	if limit := taskLimit(r.limits); limit != 0 && tasks > limit {
		out = append(out, Shortage{What: "processes and threads of target " + t.Name, Need: tasks, Have: limit, Fatal: true,
			Remedy: "raise pids.max of the control group (TasksMax= of the service), `ulimit -u`, or kernel.pid_max"})
	}
	return out
}

// taskLimit is the smallest limit on processes and threads; 0: none is known.
// RLIMIT_NPROC does not hold root.
func taskLimit(l proc.ResourceLimits) uint64 {
	limit := uint64(0)
	for _, n := range []uint64{uint64(max(l.PidMax, 0)), uint64(max(l.CgroupPidsMax, 0))} {
		if n != 0 && (limit == 0 || n < limit) {
			limit = n
		}
	}
	if os.Geteuid() != 0 && l.Nproc != 0 && (limit == 0 || l.Nproc < limit) {
		limit = l.Nproc
	}
	return limit
}

// roundUp returns the next power of two: what one would type.
func roundUp(n uint64) uint64 {
	p := uint64(1024)
	for p < n {
		p *= 2
	}
	return p
}

func somaxconn(r *run) (uint64, error) {
	var n uint64
	_, err := fmt.Sscan(r.record.Host.Sysctls["net.core.somaxconn"], &n)
	return n, err
}
