package runner

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const drainEvery = 20 * time.Millisecond

// untilDrained waits until no socket is left on either leg, TIME_WAIT apart, and the
// target says, if it says anything, that none of its workers is busy.
func (t *trial) untilDrained(ctx context.Context, step string, limit time.Duration, d *deed) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	left := ""
	for {
		now, err := t.left(ctx)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("waiting until target %s is drained: %w", t.target.Name, err)
		}
		if err == nil {
			left = now
		}
		if err == nil && left == "" {
			d.timed(began)
			t.acted(began, "drained", step, "drained", fmt.Sprintf("drained after %v", time.Since(began).Round(time.Millisecond)), d)
			return nil
		}
		if !sleepUntil(ctx, time.Now().Add(drainEvery)) {
			break
		}
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		d.note("not drained within %v: %s", limit, left)
		t.acted(began, "drained", step, "limit", d.notes[len(d.notes)-1], d)
	}
	return nil
}

// left says what keeps the target from being drained; empty: nothing.
func (t *trial) left(ctx context.Context) (string, error) {
	front, back, err := connections(t.leg)
	if err != nil {
		return "", err
	}
	if front+back > 0 {
		return fmt.Sprintf("%d sockets are left on the clients' leg and %d on the backends'", front, back), nil
	}
	if t.board == nil || t.instance.Reach == nil && !runs(t.targetChild()) {
		return "", nil
	}
	w, _, err := t.board.scrape(ctx)
	switch {
	case err != nil:
		return "its status cannot be read: " + err.Error(), nil
	case w.Busy > 0: // besides the one that answers
		return fmt.Sprintf("%d workers are busy", w.Busy), nil
	}
	return "", nil
}
