package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"wsgauge/internal/proc"
)

// steps walks the scenario's steps; the target's death ends them.
func (t *trial) steps(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := make(chan struct{})
	defer func() { cancel(nil); <-watched }()
	go func() {
		defer close(watched)
		t.watch(ctx, cancel)
	}()
	c := newCourse(t)
	err := c.steps(ctx, t.run.scenario.Steps)
	if err == nil {
		t.run.status(func(s *Status) {
			s.Step = "closing"
			s.PerSecond, s.P50, s.P99 = 0, 0, 0
		})
		err = c.finish(ctx)
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		var died *targetError
		t.record.TargetEnded = errors.As(cause, &died)
		return cause
	}
	return err
}

// targetError says that the target ended while it was needed.
type targetError struct {
	name string
	err  error
}

func (e *targetError) Error() string { return fmt.Sprintf("target %s: %v", e.name, e.err) }

func (e *targetError) Unwrap() error { return e.err }

// watch ends the steps when a process that they need has ended by itself.
func (t *trial) watch(ctx context.Context, cancel context.CancelCauseFunc) {
	var target <-chan struct{}
	if t.child != nil {
		target = t.child.Done()
	}
	ended := make(chan *proc.Child, len(t.backends))
	for _, b := range t.backends {
		go func() {
			select {
			case <-b.Done():
				ended <- b
			case <-ctx.Done():
			}
		}()
	}
	var backend *proc.Child
	select {
	case <-ctx.Done():
		return
	case <-target:
	case backend = <-ended:
	}
	// The agents see the ends of their connections and report within a second;
	// those closures belong to the record.
	select {
	case <-ctx.Done():
		return
	case <-time.After(1200 * time.Millisecond):
	}
	if backend != nil {
		cancel(fmt.Errorf("backend: %w", backend.Err()))
		return
	}
	cancel(&targetError{t.target.Name, t.child.Err()})
}
