package proc

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Process names one process for good: its pid alone may be used again.
type Process struct {
	PID   int
	Start uint64 // ticks after boot
}

// Members are the living processes of the child: itself, what descends from it, and
// the rest of its group. None after a Stop.
func (c *Child) Members() ([]Process, error) {
	c.stopping.Lock()
	defer c.stopping.Unlock()
	if c.stopped {
		return nil, nil
	}
	live, err := c.family.living()
	if err != nil {
		return nil, fmt.Errorf("look for the processes of %s (pid %d): %w", c.name, c.root.pid, err)
	}
	var out []Process
	for i := range live {
		out = append(out, Process{live[i].pid, live[i].start})
	}
	return out, nil
}

// pauseWithin bounds how long Pause waits until everything stands still.
const pauseWithin = 2 * time.Second

// Pause sends SIGSTOP to the child and all of its kin, and returns when every one of
// them stands still: one that was forked meanwhile is stopped too. SIGCONT by
// [Child.SignalAll], and Stop, let them go on. The error names those that did not stop
// within two seconds.
func (c *Child) Pause() error {
	c.stopping.Lock()
	defer c.stopping.Unlock()
	if c.stopped {
		return fmt.Errorf("pause %s (pid %d): %w", c.name, c.root.pid, os.ErrProcessDone)
	}
	for deadline := time.Now().Add(pauseWithin); ; time.Sleep(2 * time.Millisecond) {
		live, err := c.family.living()
		if err != nil {
			return fmt.Errorf("pause %s (pid %d): %w", c.name, c.root.pid, err)
		}
		if len(live) == 0 {
			return fmt.Errorf("pause %s (pid %d): %w", c.name, c.root.pid, os.ErrProcessDone)
		}
		// The parent comes first, since it is the older: it forks no more then.
		moving := slices.DeleteFunc(live, func(s stat) bool { return s.state == 'T' || s.state == 't' })
		if len(moving) == 0 {
			return nil
		}
		failed := signalEach(&c.family.reader, moving, unix.SIGSTOP)
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("pause %s (pid %d): %d of its processes do not stand still, %s for one",
				c.name, c.root.pid, len(moving), describe(moving[:1])[0]), failed)
		}
	}
}

// living are the members that have not ended.
func (f *family) living() ([]stat, error) {
	members, err := f.find()
	return slices.DeleteFunc(members, func(s stat) bool { return s.ended() }), err
}

// ExitCode is the status with which the child ended; -1 while it runs, and when a
// signal ended it.
func (c *Child) ExitCode() int {
	select {
	case <-c.done:
		return c.cmd.ProcessState.ExitCode()
	default:
		return -1
	}
}

// SignalName is the usual name of a signal: "SIGUSR1".
func SignalName(sig syscall.Signal) string { return unix.SignalName(sig) }
