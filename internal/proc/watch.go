package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Watchable tells whether [Prober.Usage] would learn everything of a process that others
// started: that it is there, its descriptors and its memory. The error says what is
// missing, and what to do.
func Watchable(pid int) error {
	var r reader
	s, err := r.stat(pid)
	switch {
	case gone(err):
		return fmt.Errorf("watch process %d: there is none of that number here; `pgrep -o NAME` finds a server's first", pid)
	case err != nil:
		return fmt.Errorf("watch process %d: %w", pid, err)
	case s.ended():
		return fmt.Errorf("watch process %d (%s): it has ended", pid, s.name)
	}
	if _, err = os.ReadDir(procPath(pid, "fd")); err == nil {
		_, err = r.read(procPath(pid, "smaps_rollup"), 64<<10)
	}
	if err != nil {
		return fmt.Errorf("watch process %d (%s): %w; run wsgauge as the process's user or as root, or leave pids out: then it is not watched", pid, s.name, err)
	}
	return nil
}

// Strangers are processes that somebody else started and owns: those that the function
// names, the first of them first, and all that descends from them.
type Strangers func() ([]int, error)

// Members are the living ones. It is an error when we are among them: then what was named
// is not the server, but something that we were started from.
func (s Strangers) Members() ([]Process, error) {
	_, live, err := s.living()
	var out []Process
	for i := range live {
		out = append(out, Process{live[i].pid, live[i].start})
	}
	return out, err
}

func (s Strangers) living() (first *stat, live []stat, err error) {
	roots, err := s()
	if err != nil {
		return nil, nil, err
	}
	var r reader
	all, err := everyone(&r)
	if err != nil {
		return nil, nil, fmt.Errorf("look for processes %v: %w", roots, err)
	}
	belongs := map[int]bool{}
	for _, pid := range roots {
		belongs[pid] = true
	}
	for again := true; again; { // a child may come before its parent in the list
		again = false
		for i := range all {
			if p := &all[i]; belongs[p.parent] && !belongs[p.pid] {
				belongs[p.pid], again = true, true
			}
		}
	}
	if belongs[os.Getpid()] {
		return nil, nil, fmt.Errorf("watch processes %v: wsgauge itself descends from them; name the server's own first process, `pgrep -o NAME` finds it", roots)
	}
	for i := range all {
		if !belongs[all[i].pid] || all[i].ended() {
			continue
		}
		live = append(live, all[i])
		if all[i].pid == roots[0] {
			first = &all[i]
		}
	}
	return first, live, nil
}

// Signal sends a signal to the first process, and tells which that is. One that has ended
// is an error.
func (s Strangers) Signal(sig syscall.Signal) (pid int, err error) {
	first, _, err := s.living()
	if err != nil {
		return 0, err
	}
	if first == nil {
		return 0, fmt.Errorf("send %s: %w", SignalName(sig), os.ErrProcessDone)
	}
	return first.pid, signalExactly(new(reader), first, sig)
}

// SignalAll sends a signal to every one, and tells to how many.
func (s Strangers) SignalAll(sig syscall.Signal) (n int, err error) {
	_, live, err := s.living()
	var r reader
	for i := range live {
		err = errors.Join(err, signalExactly(&r, &live[i], sig))
	}
	return len(live), err
}

// ProcessName is the name of a living process's program, cut to 15 bytes by the kernel.
// Of one that has ended it is [os.ErrProcessDone].
func ProcessName(pid int) (string, error) {
	var r reader
	s, err := r.stat(pid)
	if gone(err) || err == nil && s.ended() {
		return "", os.ErrProcessDone
	}
	return s.name, err
}

// UnitProcesses lists the processes of a systemd unit ("nginx", "nginx.service") by its
// control group, those of groups below it included, in ascending order. A unit that is
// not there, or has none, is an error.
func UnitProcesses(unit string) ([]int, error) { return unitProcesses("/sys/fs/cgroup", unit) }

// unitProcesses looks below root: for version 2 of control groups, and for version 1,
// where systemd's own hierarchy is called systemd. Units lie in slices, which may lie in
// slices.
func unitProcesses(root, unit string) ([]int, error) {
	if unit == "" || strings.Contains(unit, "/") || strings.HasPrefix(unit, ".") {
		return nil, fmt.Errorf("watch unit %q: want a unit's name, such as apache2.service", unit)
	}
	name := unit
	if path.Ext(name) == "" {
		name += ".service"
	}
	var found []string
	for _, hierarchy := range []string{"", "unified", "systemd"} {
		for _, slices := range []string{"", "*.slice", "*.slice/*.slice", "*.slice/*.slice/*.slice"} {
			at, err := filepath.Glob(filepath.Join(root, hierarchy, slices, escapeGlob(name)))
			if err != nil {
				return nil, fmt.Errorf("watch unit %q: %w", unit, err)
			}
			found = append(found, at...)
		}
	}
	var pids []int
	for _, dir := range found {
		some, err := groupProcesses(dir)
		if err != nil {
			return nil, fmt.Errorf("watch unit %s: %w", unit, err)
		}
		pids = append(pids, some...)
	}
	slices.Sort(pids)
	if pids = slices.Compact(pids); len(pids) == 0 {
		return nil, fmt.Errorf("watch unit %s: no control group below %s has processes of it; `systemctl status %s` says whether it runs, and pids: watches without systemd", unit, root, unit)
	}
	return pids, nil
}

// escapeGlob makes a name stand for itself: units are called "getty@tty1", or "a\x2db".
func escapeGlob(name string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(name)
}

// groupProcesses reads cgroup.procs of a control group and of all below it. Groups come
// and go while it looks.
func groupProcesses(dir string) (pids []int, err error) {
	err = filepath.WalkDir(dir, func(at string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || e.Name() != "cgroup.procs" {
			return err
		}
		text, err := os.ReadFile(at)
		if gone(err) {
			return nil
		}
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			pid, err := strconv.Atoi(strings.TrimSpace(line))
			if err != nil {
				return fmt.Errorf("%s: %q is no process", at, line)
			}
			if pid > 0 { // 0 is one of another pid namespace
				pids = append(pids, pid)
			}
		}
		return nil
	})
	return pids, err
}
