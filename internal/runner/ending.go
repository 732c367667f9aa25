package runner

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"wsgauge/internal/proc"
)

// idle tells whether no connection is left on either leg, TIME_WAIT apart.
func (t *trial) idle() (bool, error) {
	front, back, err := connections(t.ours(t.leg))
	return front+back == 0, err
}

// connections counts the sockets of both legs, TIME_WAIT apart.
func connections(leg func(local, remote netip.AddrPort) string) (front, back int, err error) {
	legs, err := proc.Sockets(leg)
	if err != nil {
		return 0, 0, err
	}
	count := func(states map[string]int) (sum int) {
		for state, n := range states {
			if state != "TIME_WAIT" && state != "LISTEN" {
				sum += n
			}
		}
		return sum
	}
	return count(legs["front"]), count(legs["back"]), nil
}

// leg names the side of the target that a socket serves, by the listener's end. The
// runner's own questions (readiness, the scoreboard) are not of the load.
func (t *trial) leg(local, remote netip.AddrPort) string {
	if remote.Addr() == t.site.probe {
		return ""
	}
	return t.everyLeg(local, remote)
}

// everyLeg is leg with the runner's own questions.
func (t *trial) everyLeg(local, remote netip.AddrPort) string {
	switch {
	case t.instance.Reach != nil:
		return t.outerLeg(local, remote)
	case t.run.backend.remote != nil:
		return t.remoteLeg(local, remote)
	case slices.Contains(t.instance.Addrs, local):
		return "front"
	case slices.Contains(t.addrs, local):
		return "back"
	}
	return ""
}

// down ends everything of the trial, clients first: a target that is told to stop
// with live tunnels may take its time.
func (t *trial) down(ctx context.Context) error {
	var errs []error
	if t.sampler != nil {
		t.sampler.stop()
	}
	t.board.stop()
	if t.agents != nil {
		errs = append(errs, t.agents.stop(ctx))
	}
	if t.child != nil {
		t.drained(ctx)
		t.readLog(true)
		errs = append(errs, t.child.Stop(ctx, t.instance.StopGrace))
	} else if t.instance != nil && t.instance.Reach != nil {
		t.drained(ctx) // the next trial finds it as this one did
	}
	for _, c := range t.helpers {
		errs = append(errs, c.Stop(ctx, time.Second))
	}
	for _, b := range t.backends {
		errs = append(errs, b.Stop(ctx, 2*time.Second))
	}
	t.closeLog()
	if t.dir != "" {
		errs = append(errs, t.run.keeper.RemoveDir(t.dir))
	}
	return errors.Join(errs...)
}

// drained waits, for a while, until the target has let go of the clients that
// have just left: Apache that is told to stop before takes ten seconds.
func (t *trial) drained(ctx context.Context) {
	for limit := time.Now().Add(3 * time.Second); time.Now().Before(limit) && ctx.Err() == nil; {
		if free, err := t.idle(); err != nil || free {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}
