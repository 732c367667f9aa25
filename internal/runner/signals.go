package runner

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"wsgauge/internal/proc"
	"wsgauge/results"
	"wsgauge/scenarios"
	"wsgauge/targets"
)

// commandWithin bounds a command that makes a target reload.
const commandWithin = 30 * time.Second

// signal does what a signal step says.
func (t *trial) signal(ctx context.Context, step string, s scenarios.Signal, d *deed) error {
	name := s.Action
	d.within = s.Within
	if t.instance.Reach != nil {
		return t.signalExternal(ctx, step, name, d)
	}
	child := t.targetChild()
	if child == nil {
		d.note("nothing was done: target %s is no process of this run", t.target.Name)
		t.acted(time.Now(), "signal", step, name, d.notes[0], d)
		return nil
	}
	if !runs(child) && name != "restart" {
		d.note("nothing was done: target %s does not run", t.target.Name)
		t.acted(time.Now(), "signal", step, name, d.notes[0], d)
		return nil
	}
	before, err := child.Members()
	if err != nil {
		return err
	}
	at := time.Now()
	text, err := t.signalled(ctx, child, name, before, at, d)
	if err != nil {
		return fmt.Errorf("%s of target %s: %w", name, t.target.Name, err)
	}
	if len(d.notes) > 0 { // nothing went well after it
		t.run.note(fmt.Sprintf("%s, step %s: %s", t.target.Name, step, strings.Join(d.notes, "; ")))
	}
	d.notes = append([]string{text}, d.notes...)
	t.acted(at, "signal", step, name, strings.Join(d.notes, "; "), d)
	return nil
}

// signalled does it, and says what was done.
func (t *trial) signalled(ctx context.Context, child *proc.Child, name string, before []proc.Process, at time.Time, d *deed) (text string, err error) {
	switch name {
	case "pause":
		text, err = "SIGSTOP to all its processes", child.Pause()
	case "resume":
		text, err = "SIGCONT to all its processes", child.SignalAll(syscall.SIGCONT)
	case "kill":
		t.watches.excuse(child)
		text, err = "SIGKILL to all its processes", child.Stop(ctx, 0)
	case "stop":
		t.watches.excuse(child)
		text, err = t.stopTarget(ctx, child)
	case "graceful_stop":
		a := t.instance.GracefulStop
		if a.Zero() {
			return fmt.Sprintf("nothing was done: %s has no way to end with its last tunnel", t.target.Kind()), nil
		}
		// It ends when its last tunnel does, in whatever step that is.
		t.watches.excuse(child)
		text, err = fmt.Sprintf("%s to process %d", proc.SignalName(a.Signal), child.PID()), child.Signal(a.Signal)
	case "graceful":
		switch {
		case t.instance.Graceful.Zero() && t.target.Command != nil:
			return t.startAnew(ctx, child, before, at, d) // as its documentation says
		case t.instance.Graceful.Zero():
			return fmt.Sprintf("nothing was done: %s has no graceful reload", t.target.Kind()), nil
		}
		return t.reload(ctx, child, name, t.instance.Graceful, before, at, d)
	case "restart":
		if t.instance.Restart.Zero() || !runs(child) {
			return t.startAnew(ctx, child, before, at, d)
		}
		return t.reload(ctx, child, name, t.instance.Restart, before, at, d)
	default:
		return "", errors.New("there is no such signal")
	}
	if err == nil {
		d.timed(at)
	}
	return text, err
}

// stopTarget ends the target as a service manager would: SIGTERM, and SIGKILL for what
// is left after its grace.
func (t *trial) stopTarget(ctx context.Context, child *proc.Child) (string, error) {
	err := child.Stop(ctx, t.instance.StopGrace)
	if child.Forced() {
		return fmt.Sprintf("SIGTERM to process %d, and SIGKILL to what was left", child.PID()), err
	}
	return fmt.Sprintf("SIGTERM to process %d", child.PID()), err
}

// reload has the target do what its action says, and waits for the next handshake,
// from the moment on at which that begins.
func (t *trial) reload(ctx context.Context, child *proc.Child, name string, a targets.Action, before []proc.Process, at time.Time, d *deed) (text string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t.sampler.reload(child.PID(), before)
	told := make(chan struct{})
	handshake := make(chan error, 1)
	go func() { handshake <- t.nextHandshake(ctx, child, before, at, told, d) }()
	if len(a.Argv) > 0 {
		text = fmt.Sprintf("command %q", a.Argv)
		err = t.command(ctx, name, a.Argv)
	} else {
		text = fmt.Sprintf("%s to process %d", proc.SignalName(a.Signal), child.PID())
		err = child.Signal(a.Signal)
	}
	took := time.Since(at).Nanoseconds()
	close(told)
	if err != nil {
		cancel()
	}
	err = errors.Join(err, <-handshake)
	d.took = &took
	return text, err
}

// startAnew ends the target, if it runs, and starts it in the same place.
func (t *trial) startAnew(ctx context.Context, old *proc.Child, before []proc.Process, at time.Time, d *deed) (text string, err error) {
	t.watches.excuse(old)
	text, err = t.stopTarget(ctx, old)
	if err != nil {
		return "", err
	}
	child, err := t.run.keeper.Start(t.spec)
	if err != nil {
		return "", &targetError{t.target.Name, err}
	}
	// From now on it is the trial's to end, whatever comes.
	t.mu.Lock()
	t.child = child
	t.mu.Unlock()
	t.sampler.add("target", child.PID())
	t.sampler.anew()
	if err := t.ready(ctx, child, t.instance.Addrs[0], t.run.scenario.WSS(t.target.Target), time.Minute); err != nil {
		return "", &targetError{t.target.Name, err}
	}
	t.watchTarget(child)
	ns := time.Since(at).Nanoseconds()
	d.took, d.handshake, d.gap = &ns, &ns, &ns
	now, err := child.Members()
	d.generations = &results.Generations{Before: len(before), New: len(now)}
	if len(before) == 0 {
		text = "it did not run"
	}
	return fmt.Sprintf("%s; started anew as process %d", text, child.PID()), err
}

// command runs a command of the target beside it, in the target's place and
// environment, to its end.
func (t *trial) command(ctx context.Context, name string, argv []string) error {
	spec := t.spec
	spec.Name, spec.Argv = t.target.Name+" "+name, argv
	spec.Output = filepath.Join(t.logDir, "target-"+name+".log")
	child, err := t.run.keeper.Start(spec)
	if err != nil {
		return err
	}
	// What it leaves behind may be the target's next generation: it stays until the
	// trial ends.
	t.mu.Lock()
	t.helpers = append(t.helpers, child)
	t.mu.Unlock()
	limit := time.NewTimer(commandWithin)
	defer limit.Stop()
	select {
	case <-child.Done():
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-limit.C:
		return fmt.Errorf("the command %q did not end within %v", argv, commandWithin)
	}
	if child.ExitCode() != 0 {
		return child.Err()
	}
	return nil
}

func (t *trial) targetChild() *proc.Child {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.child
}

// runs tells whether a child has not ended; nil does not run.
func runs(c *proc.Child) bool {
	if c == nil {
		return false
	}
	select {
	case <-c.Done():
		return false
	default:
		return true
	}
}
