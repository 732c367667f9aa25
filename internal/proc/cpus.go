package proc

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxCPUs is how many CPUs the kernel's affinity calls are asked about: numbers
// 0 to 1023, the size of cpu_set_t (CPU_SET(3)).
const maxCPUs = 1024

// ParseCPUs reads a CPU list as the kernel writes it, "0", "1-3" or "0,2-3", and
// returns the numbers in rising order, each once. Numbers are 0 to 1023.
func ParseCPUs(list string) ([]int, error) {
	bad := func(why string) ([]int, error) {
		return nil, fmt.Errorf("CPU list %q: %s; write it as \"0\", \"1-3\" or \"0,2-3\"", list, why)
	}
	if strings.TrimSpace(list) == "" {
		return bad("it is empty")
	}
	var cpus []int
	for part := range strings.SplitSeq(list, ",") {
		low, high, isRange := strings.Cut(strings.TrimSpace(part), "-")
		from, err := parseCPU(low)
		if err != nil {
			return bad(err.Error())
		}
		to := from
		if isRange {
			if to, err = parseCPU(high); err != nil {
				return bad(err.Error())
			}
		}
		if to < from {
			return bad(fmt.Sprintf("the range %s runs backwards", strings.TrimSpace(part)))
		}
		if len(cpus) > 4*maxCPUs { // before a hostile list of ranges grows without bound
			return bad("it is too long")
		}
		for cpu := from; cpu <= to; cpu++ {
			cpus = append(cpus, cpu)
		}
	}
	slices.Sort(cpus)
	return slices.Compact(cpus), nil
}

func parseCPU(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%q is no CPU number", text)
	}
	if n >= maxCPUs {
		return 0, fmt.Errorf("CPU %d is beyond %d", n, maxCPUs-1)
	}
	return int(n), nil
}

// FormatCPUs writes CPU numbers as [ParseCPUs] reads them; "" for none.
func FormatCPUs(cpus []int) string {
	cpus = slices.Compact(slices.Sorted(slices.Values(cpus)))
	var b strings.Builder
	for i := 0; i < len(cpus); {
		end := i
		for end+1 < len(cpus) && cpus[end+1] == cpus[end]+1 {
			end++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(cpus[i]))
		if end > i {
			b.WriteByte('-')
			b.WriteString(strconv.Itoa(cpus[end]))
		}
		i = end + 1
	}
	return b.String()
}

// AvailableCPUs lists the CPUs that this process may run on, in rising order.
func AvailableCPUs() []int {
	var cpus []int
	var set unix.CPUSet
	// Of the first thread, not of the one that happens to run this goroutine.
	if err := unix.SchedGetaffinity(os.Getpid(), &set); err != nil {
		// It fails only on a machine with more CPUs than the set has room for.
		for cpu := range min(runtime.NumCPU(), maxCPUs) {
			cpus = append(cpus, cpu)
		}
		return cpus
	}
	for cpu := range maxCPUs {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus
}

// cpuSet turns a CPU list into the kernel's form.
func cpuSet(list string) (*unix.CPUSet, error) {
	cpus, err := ParseCPUs(list)
	if err != nil {
		return nil, err
	}
	set := new(unix.CPUSet)
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	return set, nil
}

// placeThread binds a thread (0: the calling one, which has to be locked).
func placeThread(tid int, list string, set *unix.CPUSet) error {
	err := unix.SchedSetaffinity(tid, set)
	if errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("bind to CPUs %s: none of them is usable here (/proc/self/status, Cpus_allowed_list)", list)
	}
	if err != nil {
		return fmt.Errorf("bind to CPUs %s: %w", list, err)
	}
	return nil
}

// SetAffinity binds every thread of this process, and so those that will be
// started by them, to the CPUs of list.
func SetAffinity(list string) error {
	set, err := cpuSet(list)
	if err != nil {
		return err
	}
	return eachThread(func(tid int) error { return placeThread(tid, list, set) })
}

// MayRaise tells whether this process and its children may give a thread of theirs
// that priority (-20, first, to 19, last): below 0 it takes CAP_SYS_NICE or a
// RLIMIT_NICE that allows it.
func MayRaise(nice int) bool {
	allowed := make(chan bool)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		allowed <- unix.Setpriority(unix.PRIO_PROCESS, 0, nice) == nil
	}()
	return <-allowed
}

// MayRealtime tells whether this process and its children may give a thread of theirs
// real-time priority: it takes CAP_SYS_NICE or RLIMIT_RTPRIO, and a control group that
// has any real-time bandwidth.
func MayRealtime() bool {
	allowed := make(chan bool)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}
		allowed <- unix.SchedSetAttr(0, &attr, 0) == nil
	}()
	return <-allowed
}

// eachThread does something once to every thread of this process, until a look at
// the list finds no new one: on Linux, affinity belongs to threads.
func eachThread(do func(tid int) error) error {
	done := map[int]bool{}
	for {
		entries, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("list this process's threads: %w", err)
		}
		fresh := false
		for _, entry := range entries {
			tid, err := strconv.Atoi(entry.Name())
			if err != nil || done[tid] {
				continue
			}
			done[tid], fresh = true, true
			if err := do(tid); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
		}
		if !fresh {
			return nil
		}
	}
}
