package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"wsgauge/internal/proc"
)

// counter counts the system calls of a process that runs, by perf, which hardly slows
// it, or by strace, which does. The zero of it, and nil, count nothing.
type counter struct{ tool string }

// findCounter takes the better one of those that work here.
func findCounter() *counter {
	if exec.Command("perf", "stat", "-e", "raw_syscalls:sys_enter", "true").Run() == nil {
		return &counter{"perf"}
	}
	if _, err := exec.LookPath("strace"); err == nil {
		return &counter{"strace"}
	}
	return nil
}

// counting is a counter at work.
type counting struct {
	child *proc.Child
	tool  string
	file  string
}

func (c *counter) start(r *rig, pid int) (*counting, error) {
	if c == nil {
		return nil, nil
	}
	r.serial++
	n := &counting{tool: c.tool, file: filepath.Join(r.dir, strconv.Itoa(r.serial)+"-calls.txt")}
	argv := []string{"perf", "stat", "-x", ",", "-o", n.file, "-e", "raw_syscalls:sys_enter", "-p", strconv.Itoa(pid)}
	if c.tool == "strace" {
		argv = []string{"strace", "-f", "-c", "-o", n.file, "-p", strconv.Itoa(pid)}
	}
	var err error
	if n.child, err = r.start(c.tool, "", nil, argv...); err != nil {
		return nil, err
	}
	time.Sleep(500 * time.Millisecond) // for it to take hold; the process is idle meanwhile
	return n, nil
}

// stop ends the counting and returns the calls of all threads.
func (n *counting) stop() (int64, error) {
	if n == nil {
		return 0, nil
	}
	if err := n.child.Signal(syscall.SIGINT); err != nil {
		return 0, err
	}
	select {
	case <-n.child.Done():
	case <-time.After(5 * time.Second):
	}
	if err := stop(n.child); err != nil {
		return 0, err
	}
	file, err := os.Open(n.file)
	if err != nil {
		return 0, fmt.Errorf("%s has written nothing: %w", n.tool, err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if n.tool == "perf" && strings.Contains(lines.Text(), "raw_syscalls") {
			count, _, _ := strings.Cut(lines.Text(), ",")
			return strconv.ParseInt(count, 10, 64)
		}
		if f := strings.Fields(lines.Text()); n.tool == "strace" && len(f) >= 4 && f[len(f)-1] == "total" {
			return strconv.ParseInt(f[3], 10, 64)
		}
	}
	return 0, errors.New(n.tool + " has counted nothing")
}
