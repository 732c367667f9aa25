package proc

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Unlimited is how a limit that is not set reads (RLIM_INFINITY).
const Unlimited = math.MaxUint64

// ResourceLimits are those that bound how much a run can open and start.
type ResourceLimits struct {
	// NofileSoft is the limit of open files as this process inherited it, which is
	// what its children get; Go has raised its own to NofileHard since.
	NofileSoft uint64
	NofileHard uint64
	// Nproc is the limit of processes and threads of this user, and UserTasks how many
	// there are now, this process's own included; root is not held to it.
	Nproc, UserTasks uint64
	PidMax           int64 // sysctl kernel.pid_max
	// CgroupPidsMax is a pids.max (systemd's TasksMax), and CgroupPids how many
	// processes and threads are there now: of this process's cgroup and those above
	// it the one that leaves least; -1 and 0 when none is set.
	CgroupPidsMax, CgroupPids int64
	// CgroupMemoryMax is a memory.max in bytes (systemd's MemoryMax), and CgroupMemory
	// what of it is in use, files that need not be kept left out: likewise.
	CgroupMemoryMax, CgroupMemory int64
}

// Limits reads the limits of this process.
func Limits() (ResourceLimits, error) {
	l := ResourceLimits{CgroupPidsMax: -1, CgroupMemoryMax: -1}
	var err error
	if l.NofileSoft, l.NofileHard, err = inheritedNofile(); err != nil {
		return l, err
	}
	var nproc unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &nproc); err != nil {
		return l, fmt.Errorf("read RLIMIT_NPROC: %w", err)
	}
	if l.Nproc = nproc.Cur; l.Nproc != Unlimited {
		if l.UserTasks, err = userTasks(os.Getuid()); err != nil {
			return l, err
		}
	}
	text, err := os.ReadFile("/proc/sys/kernel/pid_max")
	if err != nil {
		return l, fmt.Errorf("read kernel.pid_max: %w", err)
	}
	if l.PidMax, err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err != nil {
		return l, fmt.Errorf("read kernel.pid_max: %w", err)
	}
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return l, nil // a kernel without cgroups sets no such limit
	}
	l.CgroupPidsMax, l.CgroupPids = cgroupLimit(string(groups), pidsController, os.ReadFile)
	l.CgroupMemoryMax, l.CgroupMemory = cgroupLimit(string(groups), memoryController, os.ReadFile)
	return l, nil
}

// userTasks counts the threads of all processes with this real user id, which is what
// the kernel holds against RLIMIT_NPROC.
func userTasks(uid int) (tasks uint64, err error) {
	var r reader
	all, err := everyone(&r)
	if err != nil {
		return 0, fmt.Errorf("count the threads of user %d: %w", uid, err)
	}
	mine := []byte("\nUid:\t" + strconv.Itoa(uid) + "\t")
	for i := range all {
		status, err := r.read(procPath(all[i].pid, "status"), 4096)
		if err == nil && bytes.Contains(status, mine) { // else it has ended since
			tasks += uint64(all[i].threads)
		}
	}
	return tasks, nil
}

// inheritedNofile tells the limit of open files that this process was started
// with. Go's runtime raises the soft limit of itself before any code of ours runs
// and keeps the original where only os/exec finds it, so a child is asked.
func inheritedNofile() (soft, hard uint64, err error) {
	const script = "ulimit -Sn; ulimit -Hn"
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal's Ctrl-C is not meant for it
	out, err := cmd.Output()
	if err != nil {
		return 0, 0, fmt.Errorf("ask /bin/sh for the inherited limit of open files (%s): %w", script, err)
	}
	words := bytes.Fields(out)
	if len(words) != 2 {
		return 0, 0, fmt.Errorf("ask /bin/sh for the inherited limit of open files (%s): it said %q", script, out)
	}
	for i, to := range []*uint64{&soft, &hard} {
		if *to, err = parseLimit(string(words[i])); err != nil {
			return 0, 0, fmt.Errorf("ask /bin/sh for the inherited limit of open files (%s): %w", script, err)
		}
	}
	return soft, hard, nil
}

func parseLimit(text string) (uint64, error) {
	if text == "unlimited" {
		return Unlimited, nil
	}
	return strconv.ParseUint(text, 10, 64)
}
