package runner

import (
	"context"
	"time"

	"wsgauge/results"
	"wsgauge/scenarios"
)

// actWithin bounds a step that is the controller's own, but for one with a limit of its
// own: ten minutes, and what a target may take to end before it.
const actWithin = 11 * time.Minute

// own fills in a job that is the controller's.
func (t *trial) own(j *job, b branch, s scenarios.Step) {
	j.most = actWithin
	switch {
	case s.Signal != nil:
		j.action = s.Signal.Action
		j.act = func(ctx context.Context, d *deed) error { return t.signal(ctx, s.ID, *s.Signal, d) }
	case s.Backend != nil:
		j.action = s.Backend.Action
		j.act = func(ctx context.Context, d *deed) error { return t.actOnBackends(ctx, s.ID, *s.Backend, d) }
	case s.Wait.Until != "":
		j.action, j.most = s.Wait.Until, s.Wait.Limit+time.Minute
		j.act = func(ctx context.Context, d *deed) error { return t.untilFree(ctx, s.ID, *s.Wait, d) }
	default:
		j.most = s.Wait.For
		if b.beside {
			j.act = func(ctx context.Context, _ *deed) error {
				sleepUntil(ctx, time.Now().Add(s.Wait.For))
				return nil
			}
		}
	}
}

// timed says that something that was begun at a time has come to its end.
func (d *deed) timed(since time.Time) {
	ns := time.Since(since).Nanoseconds()
	d.took = &ns
}

// acted writes what a step did as an event of the time at which it did it.
func (t *trial) acted(at time.Time, kind, step, action, text string, d *deed) {
	e := results.Event{Kind: kind, Step: step, Class: action, Text: text, Data: map[string]any{}}
	for name, ns := range map[string]*int64{"took_ns": d.took, "next_handshake_ns": d.handshake, "handshake_gap_ns": d.gap} {
		if ns != nil {
			e.Data[name] = *ns
		}
	}
	if d.generations != nil {
		e.Data["generations"] = d.generations
	}
	t.eventAt(at, e)
}
