package runner

import (
	"context"
	"time"

	"wsgauge/loadgen"
)

// edge is the pair of readings around a send window.
type edge struct {
	from, to reading
	whole    bool
	ended    chan struct{}
}

// edges reads all groups at both ends of a send window, so that what a message
// costs is counted over the messages that are counted.
func (s *sampler) edges(ctx context.Context, plan *loadgen.StepPlan) *edge {
	e := &edge{ended: make(chan struct{})}
	if plan.Send == nil {
		close(e.ended)
		return e
	}
	from := time.Unix(0, plan.StartAt).Add(plan.Send.Warmup)
	go func() {
		defer close(e.ended)
		if !sleepUntil(ctx, from) {
			return
		}
		e.from = s.mark(false)
		if !sleepUntil(ctx, from.Add(plan.Send.For)) {
			return
		}
		e.to, e.whole = s.mark(false), true
	}()
	return e
}

// wait returns the edges once the window is over, or cut short.
func (e *edge) wait() *edge {
	<-e.ended
	return e
}

func sleepUntil(ctx context.Context, at time.Time) bool {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
