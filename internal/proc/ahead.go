package proc

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// ahead is how this process was before it stepped ahead, for what it starts meanwhile.
var ahead struct {
	sync.Mutex
	active bool
	nice   int // before
}

// StepAhead raises every thread of this process, and those that they start, to a nice
// value (-20, first, to 19, last), until back is called: one that has to come to
// its turn among many busy processes that are raised themselves. The threads of those
// [Lateness] stay as they are, since they measure how long an ordinary thread waits; so
// do children that a [Keeper] starts.
//
// It takes CAP_SYS_NICE or a RLIMIT_NICE that allows it; without it nothing is done, and
// the error matches [errors.ErrUnsupported]. A process steps ahead once at a time.
func StepAhead(nice int, except ...*Lateness) (back func() error, err error) {
	if !MayRaise(nice) {
		return nil, fmt.Errorf("raise this process to nice %d: that takes CAP_SYS_NICE: %w", nice, errors.ErrUnsupported)
	}
	ahead.Lock()
	defer ahead.Unlock()
	if ahead.active {
		return nil, errors.New("raise this process: it has been raised already")
	}
	// The system call answers 20 less the nice value, for want of negative results.
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return nil, fmt.Errorf("getpriority: %w", err)
	}
	before := 20 - raw
	set := func(nice int) error {
		return eachThread(func(tid int) error {
			if slices.ContainsFunc(except, func(l *Lateness) bool { return l.tid == tid }) {
				return nil
			}
			if err := unix.Setpriority(unix.PRIO_PROCESS, tid, nice); err != nil {
				return fmt.Errorf("setpriority: %w", err)
			}
			return nil
		})
	}
	if err := set(nice); err != nil {
		return nil, errors.Join(err, set(before))
	}
	ahead.active, ahead.nice = true, before
	return func() error {
		ahead.Lock()
		defer ahead.Unlock()
		if !ahead.active {
			return nil
		}
		ahead.active = false
		return set(before)
	}, nil
}

// ordinaryNice is what a child gets for which nothing is asked; nil: what it inherits.
func ordinaryNice() *int {
	ahead.Lock()
	defer ahead.Unlock()
	if !ahead.active {
		return nil
	}
	nice := ahead.nice
	return &nice
}
