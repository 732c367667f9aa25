package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"wsgauge/internal/proc"
	"wsgauge/scenarios"
)

const drainEvery = 20 * time.Millisecond

// untilFree waits until the target is drained or has released its clients, and says,
// if it says anything, that none of its workers is busy.
func (t *trial) untilFree(ctx context.Context, step string, w scenarios.Wait, d *deed) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, w.Limit)
	defer cancel()
	sockets := t.undrained
	if w.Until == "released" {
		sockets = t.unreleased
	}
	left := ""
	for {
		now, err := t.left(ctx, sockets)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("waiting until target %s is %s: %w", t.target.Name, w.Until, err)
		}
		if err == nil {
			left = now
		}
		if err == nil && left == "" {
			d.timed(began)
			t.acted(began, w.Until, step, w.Until, fmt.Sprintf("%s after %v", w.Until, time.Since(began).Round(time.Millisecond)), d)
			return nil
		}
		if !sleepUntil(ctx, time.Now().Add(drainEvery)) {
			break
		}
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		d.note("not %s within %v: %s", w.Until, w.Limit, left)
		t.acted(began, w.Until, step, "limit", d.notes[len(d.notes)-1], d)
	}
	return nil
}

// undrained says which sockets are left, TIME_WAIT apart; empty: none.
func (t *trial) undrained() (string, error) {
	front, back, err := connections(t.leg)
	if err != nil || front+back == 0 {
		return "", err
	}
	return fmt.Sprintf("%d sockets are left on the clients' leg and %d on the backends'", front, back), nil
}

// unreleased says how many clients' connections the target holds. One that it has closed
// is the kernel's alone, in FIN_WAIT1 for minutes when its client has vanished.
func (t *trial) unreleased() (string, error) {
	legs, err := proc.Sockets(t.leg)
	if err != nil {
		return "", err
	}
	front := legs["front"]
	if n := front["ESTABLISHED"] + front["CLOSE_WAIT"] + front["SYN_RECV"]; n > 0 {
		return fmt.Sprintf("%d clients' connections are open at the target", n), nil
	}
	return "", nil
}

// left says what keeps the target from being free: sockets, or workers; empty: nothing.
func (t *trial) left(ctx context.Context, sockets func() (string, error)) (string, error) {
	if text, err := sockets(); err != nil || text != "" {
		return text, err
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
