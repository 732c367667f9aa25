package runner

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"wsgauge/internal/proc"
	"wsgauge/targets/apache"
)

// demand is what a scenario asks of a machine.
type demand struct {
	open    uint64 // most connections at once
	spread  spread
	limits  proc.ResourceLimits
	memory  uint64 // bytes available; 0: not known
	sysctls map[string]string
	root    bool
	remote  bool // the backend runs already, and is not ours

	files uint64 // of the hungriest target
	bytes uint64 // the same
	tls   uint64 // the same, of TLS
	both  uint64 // the same, of connections on both legs
	tasks uint64 // processes and threads of all but the target
	short []Shortage
}

// Kernel and process memory of a tunnel, for an estimate: a TCP socket with its
// inode, file and epoll entry takes 3 to 4 KiB (MemAvailable before and with 80,000
// sockets, less our processes' PSS), a worker of Apache 61 KiB of PSS (quickstart).
const (
	socketBytes       = 4 << 10
	apacheWorkerBytes = 64 << 10
	tlsBytes          = 12 << 10 // one end of a TLS connection: 9 to 12 KiB of PSS, garbage included
)

// ourThreads is about how many threads a process of ours has that holds connections:
// 8 to 10 were counted, of which one is the loop.
const ourThreads = 12

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

// need compares; a limit of 0 is not known. What several targets lack is said once.
func (d *demand) need(what string, need, have uint64, fatal bool, remedy string, args ...any) {
	s := Shortage{What: what, Need: need, Have: have, Fatal: fatal, Remedy: fmt.Sprintf(remedy, args...)}
	if have != 0 && need > have && !slices.Contains(d.short, s) {
		d.short = append(d.short, s)
	}
}

func (d *demand) descriptors(what string, need, have uint64, fatal bool, more string) {
	d.need(what, need, have, fatal, "raise it with `ulimit -n %d` (as root, or by LimitNOFILE= of the service)%s", roundUp(need), more)
}

// ownNofile is the remedy for a limit that the scenario sets on its target, which is
// what it wants to measure.
const ownNofile = "the scenario sets it; where that is not what it measures, write `nofile: %d` at the target"

// generator is agents and backends, which are the same for every target, and the guard.
func (d *demand) generator(workers int) {
	d.descriptors("descriptors of each agent", perProcess(d.open, d.spread.agents), d.limits.NofileHard, true,
		", or spread the load with --agents")
	if d.remote { // whose limits are not ours
		d.tasks = uint64(d.spread.agents*(ourThreads+max(workers, 1)-1) + ourThreads)
		return
	}
	if d.spread.backends > 0 { // there are none where every target runs already
		d.descriptors("descriptors of each backend", perProcess(d.open, d.spread.backends), d.limits.NofileHard, true,
			", or spread the load with backend: {instances: N}")
	}
	d.tasks = uint64(d.spread.agents*(ourThreads+max(workers, 1)-1) + (d.spread.backends+1)*ourThreads)
}

func perProcess(files uint64, processes int) uint64 {
	return ceil(files, max(processes, 1)) + spareFiles
}

// ceil divides and rounds up.
func ceil(a uint64, b int) uint64 { return (a + uint64(b) - 1) / uint64(b) }

// direct has one leg, on which clients take the backends in turn.
func (d *demand) direct() {
	d.both = max(d.both, d.open)
	d.ports("clients and backends", d.open, d.sources(), d.spread.backends, true)
	d.processes("without a target", 0)
}

func (d *demand) tunnel(t *chosen) {
	have, own := d.limits.NofileHard, t.Nofile.Soft != 0
	if own {
		have = t.Nofile.Soft
	}
	tunnels := d.open
	if m := uint64(t.Tunnel.MaxTunnels); m > 0 {
		tunnels = min(tunnels, m)
	}
	processes := max(t.Tunnel.Processes, 1)
	what, files := "descriptors of target "+t.Name+" (two a tunnel)", perProcess(2*tunnels, processes)
	if own {
		d.need(what, files, have, false, ownNofile, files)
	} else {
		d.descriptors(what, files, have, true, "")
	}
	d.files, d.bytes = max(d.files, 2*tunnels), max(d.bytes, 2*d.open*socketBytes)
	d.both = max(d.both, d.open+tunnels)
	d.ports("clients and target", d.open, d.sources(), 1, true)
	d.ports("target "+t.Name+" and its backends", tunnels, d.sources(), d.spread.backends, true)
	if processes > 1 {
		processes++ // the one that starts the others
	}
	d.processes("with target "+t.Name, uint64(processes*ourThreads))
}

// apache needs descriptors in each child (about 20 and three a tunnel), processes or
// threads in all, and a port of an address pair for each tunnel: it leads to its
// backends from the address that the kernel chooses. Of a configuration of the user's
// own nothing is known but that tunnels are to go through it.
func (d *demand) apache(t *chosen) {
	if t.Apache.Config != "" {
		d.both = max(d.both, 2*d.open)
		d.ports("clients and target", d.open, d.sources(), 1, true)
		return
	}
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
	if what := "descriptors of a child of target " + t.Name; own {
		d.need(what, files, have, false, ownNofile, files)
	} else {
		d.need(what, files, have, true, "raise it with `ulimit -n %d`, or lower threads_per_child", roundUp(files))
	}
	d.processes("with target "+t.Name, uint64(shape.Workers)+uint64(shape.Workers/threads)*3)
	tunnels := min(d.open, uint64(shape.Workers))
	d.files = max(d.files, 2*tunnels+files)
	d.bytes = max(d.bytes, 2*tunnels*socketBytes+uint64(shape.Workers)*apacheWorkerBytes)
	d.both = max(d.both, d.open+tunnels)
	d.ports("clients and target", d.open, d.sources(), 1, true)
	// What Apache does without a port is a figure of Apache.
	backends := d.spread.backends
	if b := t.Apache.Balancer; b != nil && b.Members > 0 {
		backends = min(backends, b.Members)
	}
	d.ports("target "+t.Name+" and its backends", tunnels, 1, max(backends, 1), false)
}

// sources is how many addresses a trial's clients and tunnel dial from.
func (d *demand) sources() int {
	return sourcesFor(int(d.open), portsPerPair(d.sysctls["net.ipv4.ip_local_port_range"]))
}

// ports is what connections from some addresses to others need of each pair of them.
func (d *demand) ports(between string, connections uint64, sources, addresses int, fatal bool) {
	low, high, ok := portRange(d.sysctls["net.ipv4.ip_local_port_range"])
	if !ok {
		return
	}
	have := high - low + 1 - reserved(d.sysctls["net.ipv4.ip_local_reserved_ports"], low, high)
	d.need(fmt.Sprintf("ports of each address pair between %s (%d × %d addresses, net.ipv4.ip_local_port_range %d to %d)", between, sources, addresses, low, high),
		ceil(connections, sources*addresses), uint64(max(have, 1)), fatal,
		"widen it with `sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"`, or ask for fewer connections")
}

// processes is what runs while a target does, against each limit on it. Threads are
// processes to the kernel.
func (d *demand) processes(when string, target uint64) {
	tasks := d.tasks + target
	limit := func(name string, have uint64, remedy string, args ...any) {
		d.need("processes and threads "+when+" ("+name+")", tasks, have, true, remedy, args...)
	}
	if most := d.limits.CgroupPidsMax; most >= 0 {
		limit(fmt.Sprintf("pids.max %d of the control group, less the %d in it", most, d.limits.CgroupPids), uint64(max(most-d.limits.CgroupPids, 1)),
			"raise pids.max of the control group, such as by `systemctl set-property UNIT TasksMax=%d`", roundUp(tasks+uint64(d.limits.CgroupPids)))
	}
	if !d.root { // RLIMIT_NPROC does not hold root
		most, running := d.limits.Nproc, d.limits.UserTasks
		limit(fmt.Sprintf("ulimit -u %d, less the %d that this user runs already", most, running), max(most, running+1)-running,
			"raise it with `ulimit -u %d` (as root, or by LimitNPROC= of the service)", roundUp(tasks+running))
	}
	limit("kernel.threads-max", d.number("kernel.threads-max"), "raise it with `sysctl -w kernel.threads-max=%d`", roundUp(tasks))
	limit("kernel.pid_max", uint64(max(d.limits.PidMax, 0)), "raise it with `sysctl -w kernel.pid_max=%d`", roundUp(tasks))
}

// machine is what all processes share.
func (d *demand) machine() {
	files := 2*d.open + d.files
	d.need("open files of the whole machine (fs.file-max)", files, d.number("fs.file-max"), !d.root,
		"raise it with `sysctl -w fs.file-max=%d`", roundUp(files))
	d.need("connections tracked by netfilter (net.netfilter.nf_conntrack_max)", d.both, d.number("net.netfilter.nf_conntrack_max"), true,
		"raise it with `sysctl -w net.netfilter.nf_conntrack_max=%d`", roundUp(d.both))
	d.room(2*d.open*socketBytes + d.bytes + d.tls)
	d.need("net.core.somaxconn, which bounds a burst of connects", d.open, d.number("net.core.somaxconn"), false,
		"raise it with `sysctl -w net.core.somaxconn=%d`, or connect at a lower rate", roundUp(d.open))
}

// room compares bytes with what the machine or, when that is less, the control group
// has left.
func (d *demand) room(bytes uint64) {
	what, have, remedy := "available on the machine", d.memory, "use fewer connections or a larger machine"
	if most := d.limits.CgroupMemoryMax; most >= 0 {
		if left := uint64(max(most-d.limits.CgroupMemory, 1)); left < have || have == 0 {
			what, have = fmt.Sprintf("memory.max %d of the control group, less the %d in use", most, d.limits.CgroupMemory), left
			remedy = fmt.Sprintf("raise memory.max of the control group, such as by `systemctl set-property UNIT MemoryMax=%d`, or use fewer connections",
				roundUp(bytes+uint64(d.limits.CgroupMemory)))
		}
	}
	d.need("bytes of memory, estimated ("+what+")", bytes, have, false, "%s", remedy)
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

// reserved counts the ports of a range that the kernel gives to nobody:
// "8080,40000-40009".
func reserved(list string, low, high int) int {
	count := 0
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		from, err := strconv.Atoi(first)
		if err != nil {
			continue // none is reserved
		}
		to := from
		if isRange {
			if to, err = strconv.Atoi(last); err != nil {
				continue
			}
		}
		count += max(min(to, high)-max(from, low)+1, 0)
	}
	return count
}

// roundUp returns the next power of two: what one would type.
func roundUp(n uint64) uint64 {
	p := uint64(1024)
	for p < n {
		p *= 2
	}
	return p
}
