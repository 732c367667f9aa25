package runner

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
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
	if n := r.spread.backends; n > 1 && broadcasts(r.scenario.Steps) {
		out = append(out, fmt.Sprintf("a broadcast needs one backend, which has every client, and %d connections take %d of them here: "+
			"ask for fewer connections, or raise the limit of open files with `ulimit -n`", r.scenario.MaxOpen(), n))
	}
	return out
}

// broadcasts tells whether a step does.
func broadcasts(steps []scenarios.Step) bool {
	return slices.ContainsFunc(steps, func(s scenarios.Step) bool {
		return s.Send != nil && s.Send.Pattern == "broadcast" || s.Repeat != nil && broadcasts(s.Repeat.Steps)
	})
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
	d := demand{open: uint64(s.MaxOpen()), spread: r.spread, limits: r.limits, memory: uint64(max(r.memory, 0)),
		sysctls: r.record.Host.Sysctls, root: os.Geteuid() == 0}
	d.generator()
	for _, t := range r.targets {
		d.secure(s.WSS(t.Target), t.Tunnel != nil && t.Tunnel.TLS.Backend)
		switch {
		case t.Tunnel != nil:
			d.tunnel(t)
		case t.Apache != nil:
			d.apache(t)
		}
	}
	d.machine()
	slices.SortStableFunc(d.short, func(a, b Shortage) int {
		return cmp.Compare(float64(a.Have)/float64(a.Need), float64(b.Have)/float64(b.Need))
	})
	return d.short
}

// demand is what a scenario asks of a machine.
type demand struct {
	open    uint64 // most connections at once
	spread  spread
	limits  proc.ResourceLimits
	memory  uint64 // bytes available; 0: not known
	sysctls map[string]string
	root    bool

	files  uint64 // of the hungriest target
	bytes  uint64 // the same
	tls    uint64 // the same, of TLS
	onward uint64 // connections of one pair of addresses behind a target
	short  []Shortage
}

// Kernel and process memory of a tunnel, for an estimate: a TCP socket with its
// inode, file and epoll entry takes 3 to 4 KiB (MemAvailable before and with 80,000
// sockets, less our processes' PSS), a worker of Apache 61 KiB of PSS (quickstart).
const (
	socketBytes       = 4 << 10
	apacheWorkerBytes = 64 << 10
	tlsBytes          = 12 << 10 // one end of a TLS connection: 9 to 12 KiB of PSS, garbage included
)

// secure is what TLS takes at both ends of a leg.
func (d *demand) secure(legs ...bool) {
	ends := uint64(0)
	for _, encrypted := range legs {
		if encrypted {
			ends += 2
		}
	}
	d.tls = max(d.tls, ends*d.open*tlsBytes)
}

func (d *demand) need(what string, need, have uint64, fatal bool, remedy string, args ...any) {
	if have != 0 && need > have {
		d.short = append(d.short, Shortage{What: what, Need: need, Have: have, Fatal: fatal, Remedy: fmt.Sprintf(remedy, args...)})
	}
}

func (d *demand) descriptors(what string, need, have uint64, fatal bool, more string) {
	d.need(what, need, have, fatal, "raise it with `ulimit -n %d` (as root, or by LimitNOFILE= of the service)%s", roundUp(need), more)
}

// generator is agents and backends, which are the same for every target.
func (d *demand) generator() {
	d.descriptors("descriptors of each agent", perProcess(d.open, d.spread.agents), d.limits.NofileHard, true,
		", or spread the load with --agents")
	d.descriptors("descriptors of each backend", perProcess(d.open, d.spread.backends), d.limits.NofileHard, true,
		", or spread the load with backend: {instances: N}")
}

func perProcess(files uint64, processes int) uint64 {
	n := uint64(max(processes, 1))
	return (files+n-1)/n + spareFiles
}

func (d *demand) tunnel(t *chosen) {
	have, own := d.limits.NofileHard, t.Nofile.Soft != 0
	if own {
		have = t.Nofile.Soft
	}
	files := 2 * d.open
	if m := uint64(t.Tunnel.MaxTunnels); m > 0 {
		files = min(files, 2*m)
	}
	// A limit that the scenario sets is what it wants to measure.
	d.descriptors("descriptors of target "+t.Name+" (two a tunnel)", perProcess(files, max(t.Tunnel.Processes, 1)), have, !own, "")
	d.files, d.bytes = max(d.files, files), max(d.bytes, 2*d.open*socketBytes)
}

// apache needs descriptors in each child (about 20 and three a tunnel), processes or
// threads in all, and a port of one address pair for each tunnel.
func (d *demand) apache(t *chosen) {
	shape, err := apache.ShapeOf(*t.Apache)
	if err != nil {
		return // said with more context when the target is prepared
	}
	threads := shape.ThreadsPerChild
	have, own := d.limits.NofileSoft, t.Nofile.Soft != 0
	if own {
		have = t.Nofile.Soft
	}
	files := uint64(20 + 3*threads)
	d.need("descriptors of a child of target "+t.Name, files, have, !own,
		"raise it with `ulimit -n %d`, or lower threads_per_child", roundUp(files))
	tasks := uint64(shape.Workers) + uint64(shape.Workers/threads)*3
	d.need("processes and threads of target "+t.Name, tasks, d.taskLimit(), true,
		"raise pids.max of the control group (TasksMax= of the service), `ulimit -u`, kernel.pid_max or kernel.threads-max")
	tunnels := min(d.open, uint64(shape.Workers))
	d.files = max(d.files, 2*tunnels+files)
	d.bytes = max(d.bytes, 2*tunnels*socketBytes+uint64(shape.Workers)*apacheWorkerBytes)
	d.onward = max(d.onward, tunnels)
}

// machine is what all processes share.
func (d *demand) machine() {
	files := 2*d.open + d.files
	d.need("open files of the whole machine (fs.file-max)", files, d.number("fs.file-max"), !d.root,
		"raise it with `sysctl -w fs.file-max=%d`", roundUp(files))
	if low, high, ok := portRange(d.sysctls["net.ipv4.ip_local_port_range"]); ok {
		d.need("ports from a target to its one backend address (net.ipv4.ip_local_port_range)", d.onward, uint64(high-low+1), false,
			"widen it with `sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"`")
	}
	d.need("connections tracked by netfilter (net.netfilter.nf_conntrack_max)", 2*d.open, d.number("net.netfilter.nf_conntrack_max"), true,
		"raise it with `sysctl -w net.netfilter.nf_conntrack_max=%d`", roundUp(2*d.open))
	memory := 2*d.open*socketBytes + d.bytes + d.tls
	d.need("bytes of memory, estimated", memory, d.memory, false, "use fewer connections or a larger machine")
	d.need("net.core.somaxconn, which bounds a burst of connects", d.open, d.number("net.core.somaxconn"), false,
		"raise it with `sysctl -w net.core.somaxconn=%d`, or connect at a lower rate", roundUp(d.open))
}

// taskLimit is the smallest limit on processes and threads; 0: none is known.
// RLIMIT_NPROC does not hold root.
func (d *demand) taskLimit() uint64 {
	limit := uint64(0)
	least := func(n uint64) {
		if n != 0 && (limit == 0 || n < limit) {
			limit = n
		}
	}
	least(uint64(max(d.limits.PidMax, 0)))
	least(uint64(max(d.limits.CgroupPidsMax, 0)))
	least(d.number("kernel.threads-max"))
	if !d.root {
		least(d.limits.Nproc)
	}
	return limit
}

// number is a setting of the kernel; 0: it has none of that name.
func (d *demand) number(name string) uint64 {
	n, _ := strconv.ParseUint(d.sysctls[name], 10, 64) // 0 stands for what is no number too
	return n
}

// portRange reads "32768 60999".
func portRange(text string) (low, high int, ok bool) {
	n, err := fmt.Sscan(text, &low, &high)
	return low, high, err == nil && n == 2 && low > 0 && high >= low
}

// roundUp returns the next power of two: what one would type.
func roundUp(n uint64) uint64 {
	p := uint64(1024)
	for p < n {
		p *= 2
	}
	return p
}
