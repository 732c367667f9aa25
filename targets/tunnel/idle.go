package tunnel

import "wsgauge/internal/evloop"

// idle ends a tunnel through which nothing passes. A message only notes the time:
// the timer, when it runs out, finds out how much of the timeout is left and arms
// itself for that.
type idle struct {
	timer evloop.Timer
	last  int64 // when bytes last moved, on the loop's clock
}

// idleSide is the tunnel as its idle timer knows it.
type idleSide tunnel

func (t *tunnel) startIdle() {
	timeout := int64(t.server.options.IdleTimeout)
	if timeout == 0 {
		return
	}
	now := evloop.Now()
	t.idle = &idle{timer: evloop.Timer{Owner: (*idleSide)(t)}, last: now}
	t.server.loop.Arm(&t.idle.timer, now+timeout)
}

// Expire ends the tunnel when its time is up.
func (s *idleSide) Expire(now int64) {
	t := (*tunnel)(s)
	due := t.idle.last + int64(t.server.options.IdleTimeout)
	if now < due {
		t.server.loop.Arm(&t.idle.timer, due)
		return
	}
	t.server.stats.idled.Add(1)
	t.end()
}
