package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"wsgauge/scenarios"
)

// backendGrace is how long a backend may take to end when it is restarted.
const backendGrace = 2 * time.Second

// actOnBackends does what a backend step says, to one or to all.
func (t *trial) actOnBackends(ctx context.Context, step string, s scenarios.BackendStep, d *deed) error {
	t.mu.Lock()
	from, to := 0, len(t.backends)
	t.mu.Unlock()
	if s.Instance > to {
		return fmt.Errorf("%s of backend %d: there are %d; see backend: {instances: N}", s.Action, s.Instance, to)
	}
	if s.Instance > 0 {
		from, to = s.Instance-1, s.Instance
	}
	at := time.Now()
	var names []string
	for i := from; i < to; i++ {
		if err := t.actOnBackend(ctx, i, s.Action); err != nil {
			return fmt.Errorf("%s of backend %d: %w", s.Action, i+1, err)
		}
		names = append(names, fmt.Sprint(i+1))
	}
	d.timed(at)
	text := s.Action + " of backend " + strings.Join(names, ", ")
	d.note("%s", text)
	t.acted(at, "backend", step, s.Action, text, d)
	return nil
}

func (t *trial) actOnBackend(ctx context.Context, index int, action string) error {
	t.mu.Lock()
	child, addr := t.backends[index], t.addrs[index]
	t.mu.Unlock()
	switch action {
	case "pause":
		return unlessEnded(child.Pause())
	case "resume":
		return unlessEnded(child.SignalAll(syscall.SIGCONT))
	case "kill":
		t.watches.excuse(child)
		return child.Stop(ctx, 0)
	case "restart":
	default:
		return errors.New("there is no such action")
	}
	t.watches.excuse(child)
	if err := child.Stop(ctx, backendGrace); err != nil {
		return err
	}
	again, err := t.launchBackend(ctx, index, addr)
	if err != nil {
		return err
	}
	t.mu.Lock()
	t.backends[index] = again
	t.mu.Unlock()
	t.sampler.add("backend", again.PID())
	t.watchBackend(again)
	return nil
}

// unlessEnded: a process that a step has ended before is neither paused nor resumed.
func unlessEnded(err error) error {
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}
