package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	tailBytes = 2 << 10
	tailLines = 5 // shown in an error

	// kinGrace is what processes get that their parent, told to end, has left
	// behind, between SIGTERM and SIGKILL.
	kinGrace = time.Second
)

// Child is a process that was started by a keeper, with everything that descends
// from it. Its methods may be called from several goroutines.
type Child struct {
	keeper *Keeper
	name   string
	cmd    *exec.Cmd
	root   root
	output string // file; empty: none
	offset int64  // where this child's output begins in it

	done  chan struct{}
	err   error        // valid after done
	asked atomic.Bool  // by Stop
	sent  atomic.Int32 // the last signal sent by Signal or SignalAll

	stopping sync.Mutex // held by Stop
	family   *family
	stopped  bool
	forced   atomic.Bool
}

// PID is the child's pid, which is also the number of its process group.
func (c *Child) PID() int { return c.root.pid }

// Name is what messages call it.
func (c *Child) Name() string { return c.name }

// Done is closed when the child itself has ended; others of its group may live.
func (c *Child) Done() <-chan struct{} { return c.done }

// Err says how the child ended, with its last lines of output, when it ended
// before Stop was asked for; nil while it runs and after a Stop.
func (c *Child) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// watch waits for the child; it runs in a goroutine of its own.
func (c *Child) watch() {
	err := c.cmd.Wait()
	asked := c.asked.Load()
	c.keeper.mu.Lock()
	delete(c.keeper.awaited, c.root.pid)
	c.keeper.mu.Unlock()
	if errors.Is(err, exec.ErrWaitDelay) { // its input was not read to the end
		err = nil
	}
	if !asked {
		c.err = c.ending(err)
	}
	close(c.done)
}

// ending tells how it ended.
func (c *Child) ending(err error) error {
	if err == nil {
		err = errors.New("exit status 0")
	}
	how := "ended by itself"
	if sent := syscall.Signal(c.sent.Load()); sent != 0 && endedBy(err) == sent {
		how = "ended by the signal it was sent"
	}
	text := fmt.Sprintf("%s (pid %d) %s", c.name, c.root.pid, how)
	lines := strings.Split(c.Tail(), "\n")
	last := strings.Join(lines[max(0, len(lines)-tailLines):], "\n\t")
	if last == "" {
		return fmt.Errorf("%s: %w", text, err)
	}
	return fmt.Errorf("%s: %w: %s", text, err, last)
}

// endedBy is the signal that ended a process, 0 when none did.
func endedBy(err error) syscall.Signal {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return 0
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return 0
	}
	return status.Signal()
}

// Tail is the end of the child's output, at most 2 KiB and beginning with a whole
// line when there is more; empty when the output is discarded.
func (c *Child) Tail() string {
	if c.output == "" {
		return ""
	}
	f, err := os.Open(c.output)
	if err != nil {
		return fmt.Sprintf("(its output cannot be read: %v)", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Sprintf("(its output cannot be read: %v)", err)
	}
	// One byte more than is shown tells whether the cut falls between two lines.
	from := max(c.offset, info.Size()-tailBytes-1)
	buf := make([]byte, max(0, info.Size()-from))
	n, err := f.ReadAt(buf, from)
	if n < len(buf) && err != nil {
		return fmt.Sprintf("(its output cannot be read: %v)", err)
	}
	text := string(buf)
	if from > c.offset {
		if _, rest, found := strings.Cut(text, "\n"); found && rest != "" {
			text = rest
		}
	}
	return strings.TrimSpace(strings.ToValidUTF8(text, "?"))
}

// Signal sends a signal to the child itself. [os.ErrProcessDone] when it has ended.
func (c *Child) Signal(sig syscall.Signal) error {
	c.sent.Store(int32(sig))
	if err := c.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("send %s to %s (pid %d): %w", unix.SignalName(sig), c.name, c.root.pid, err)
	}
	return nil
}

// SignalAll sends a signal to the child and to every process that descends from
// it or is in its group, as pausing a server with its workers takes.
func (c *Child) SignalAll(sig syscall.Signal) error {
	c.stopping.Lock()
	defer c.stopping.Unlock()
	if c.stopped {
		return fmt.Errorf("send %s to %s (pid %d): %w", unix.SignalName(sig), c.name, c.root.pid, os.ErrProcessDone)
	}
	c.sent.Store(int32(sig))
	members, err := c.family.find()
	if err != nil {
		return err
	}
	return signalEach(&c.family.reader, members, sig)
}

func signalEach(r *reader, members []stat, sig syscall.Signal) error {
	var errs []error
	for i := range members {
		if !members[i].ended() {
			errs = append(errs, signalExactly(r, &members[i], sig))
		}
	}
	return errors.Join(errs...)
}

// Forced tells whether Stop had to use SIGKILL on the child or its kin.
func (c *Child) Forced() bool { return c.forced.Load() }

// Stop ends the child and everything that descends from it, and returns when all
// of it is gone. The child gets SIGTERM (and SIGCONT, in case it is paused) and
// grace to end; what it leaves behind gets SIGTERM and the rest of grace, a second
// at most; what is left then, or when ctx ends, gets SIGKILL. With a grace of 0
// that is the beginning. A child that has ended is stopped too: others of its
// group may live. The error is a [LeftError] for what could not be ended; Stop may
// then be tried again.
func (c *Child) Stop(ctx context.Context, grace time.Duration) error {
	c.stopping.Lock()
	defer c.stopping.Unlock()
	if c.stopped {
		return nil
	}
	c.asked.Store(true)
	// Who belongs is looked up while the tree still shows it.
	members, err := c.family.find()
	if err != nil {
		return fmt.Errorf("stop %s (pid %d): %w", c.name, c.root.pid, err)
	}
	if grace > 0 {
		c.endGently(ctx, grace, members)
	}
	killed, err := c.family.end(killTimeout, 5*time.Millisecond, c.keeper.collect)
	if killed {
		c.forced.Store(true)
	}
	if err != nil {
		return fmt.Errorf("stop %s (pid %d): %w", c.name, c.root.pid, err)
	}
	// The process is gone already; only its status is on the way.
	<-c.done
	c.stopped = true
	c.keeper.forget(c)
	return nil
}

// endGently asks, and waits as long as Stop allows.
func (c *Child) endGently(ctx context.Context, grace time.Duration, members []stat) {
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	// Errors here mean that it has ended, or that it will not: SIGKILL follows.
	_ = c.cmd.Process.Signal(unix.SIGTERM)
	_ = signalEach(&c.family.reader, members, unix.SIGCONT)
	select {
	case <-c.done:
	case <-ctx.Done():
		return
	}
	rest, cancelRest := context.WithTimeout(ctx, kinGrace)
	defer cancelRest()
	for told := false; ; told = true {
		members, err := c.family.find()
		live := slices.DeleteFunc(members, func(s stat) bool { return s.ended() })
		if err != nil || len(live) == 0 {
			return
		}
		if !told {
			_ = signalEach(&c.family.reader, live, unix.SIGTERM)
			_ = signalEach(&c.family.reader, live, unix.SIGCONT)
		}
		select {
		case <-rest.Done():
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}
