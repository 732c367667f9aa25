package runner

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"wsgauge/internal/proc"
)

// steps walks the scenario's steps; the target's death ends them.
func (t *trial) steps(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	t.watches = &watches{ctx: ctx, fail: cancel, excused: map[*proc.Child]bool{}}
	defer func() { cancel(nil); t.watches.ending.Wait() }()
	if t.child != nil {
		t.watchTarget(t.child)
	}
	if t.instance.Processes != nil {
		t.watchOutside()
	}
	for _, b := range t.backends {
		t.watchBackend(b)
	}
	c := newCourse(t)
	err := c.steps(ctx, branch{wanted: ctx}, t.run.scenario.Steps)
	if err == nil {
		t.run.status(func(s *Status) {
			s.Step = "closing"
			s.PerSecond, s.P50, s.P99 = 0, 0, 0
		})
		err = c.finish(ctx)
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if _, died := errors.AsType[*targetError](err); died {
		t.record.TargetEnded = true
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

// watches end the steps when a process that they need has ended by itself.
type watches struct {
	ctx    context.Context // of the steps: what watches ends with it
	fail   context.CancelCauseFunc
	ending sync.WaitGroup

	mu      sync.Mutex
	excused map[*proc.Child]bool // those that a step ends
}

// excuse is called before a step ends a child.
func (w *watches) excuse(c *proc.Child) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.excused[c] = true
}

func (w *watches) isExcused(c *proc.Child) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.excused[c]
}

// watch watches a child until it ends, or the steps do.
func (w *watches) watch(c *proc.Child, why func(error) error) {
	w.ending.Go(func() {
		select {
		case <-w.ctx.Done():
			return
		case <-c.Done():
		}
		if w.isExcused(c) {
			return
		}
		// The agents see the ends of their connections and report within a second;
		// those closures belong to the record.
		select {
		case <-w.ctx.Done():
		case <-time.After(1200 * time.Millisecond):
			w.fail(why(c.Err()))
		}
	})
}

func (t *trial) watchTarget(c *proc.Child) {
	t.watches.watch(c, func(err error) error { return &targetError{t.target.Name, err} })
}

func (t *trial) watchBackend(c *proc.Child) {
	t.watches.watch(c, func(err error) error { return fmt.Errorf("backend: %w", err) })
}
