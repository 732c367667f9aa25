package runner

import (
	"time"

	"wsgauge/internal/evloop"
)

// clockCheck compares the wall clock with the monotonic one over a trial: who
// steps the clock moves every time that crosses a process.
type clockCheck struct{ wall, mono int64 }

func newClockCheck() clockCheck {
	return clockCheck{wall: time.Now().UnixNano(), mono: evloop.Now()}
}

func (c clockCheck) drift() time.Duration {
	return time.Duration((time.Now().UnixNano() - c.wall) - (evloop.Now() - c.mono))
}
