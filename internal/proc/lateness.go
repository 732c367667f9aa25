package proc

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// Every 10 to 25 ms one nap of 1 ms is measured. The rest of the time the thread
	// is idle: naps without a pause would keep Go's monitor awake, on the CPU that is
	// looked at.
	napLength           = time.Millisecond
	shortest, randomMax = 10 * time.Millisecond, 15 * time.Millisecond

	// maxNaps bounds what a Lateness holds between two calls of Take, to about a
	// minute. Later naps count for the maximum only.
	maxNaps = 4000
)

// Lateness tells how long something that was ready to run had to wait for a CPU: a
// thread that does nothing else takes a nap of 1 ms about 55 times a second and
// records how late it woke. The zero value is ready to Start.
type Lateness struct {
	mu   sync.Mutex
	naps []time.Duration
	max  time.Duration
	err  error

	tid  int // of its thread, while it runs
	stop chan struct{}
	done sync.WaitGroup
}

// Start starts the thread on the CPUs of list (empty: wherever this process may
// run). It lives until Stop.
func (l *Lateness) Start(cpus string) error {
	if l.stop != nil {
		return errors.New("measure lateness: it was started before")
	}
	l.stop = make(chan struct{})
	ready := make(chan error, 1)
	l.done.Go(func() { l.run(cpus, ready) })
	if err := <-ready; err != nil {
		l.done.Wait()
		l.stop = nil
		return fmt.Errorf("measure lateness: %w", err)
	}
	return nil
}

// run never unlocks its thread, so that the thread ends with it and nobody
// inherits its CPUs and timer slack.
func (l *Lateness) run(cpus string, ready chan<- error) {
	runtime.LockOSThread()
	l.tid = unix.Gettid()
	if cpus != "" {
		set, err := cpuSet(cpus)
		if err == nil {
			err = placeThread(0, cpus, set)
		}
		if err != nil {
			ready <- err
			return
		}
	}
	// What is measured is how long an ordinary thread waits, also while this process
	// has stepped back.
	if err := stayForward(); err != nil {
		ready <- err
		return
	}
	// The kernel may make sleeps longer to wake several sleepers at once, by 50 µs
	// when not told otherwise (prctl(2)).
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		ready <- fmt.Errorf("PR_SET_TIMERSLACK: %w", err)
		return
	}
	ready <- nil
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-pause.C:
		}
		pause.Reset(shortest + rand.N(randomMax))
		late, err := nap(napLength)
		l.mu.Lock()
		if err != nil {
			l.err = err
			l.mu.Unlock()
			return
		}
		l.max = max(l.max, late)
		if len(l.naps) < maxNaps {
			l.naps = append(l.naps, late)
		}
		l.mu.Unlock()
	}
}

// nap sleeps until a moment and returns how long after it the thread went on.
func nap(length time.Duration) (late time.Duration, err error) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0, err
	}
	due := now.Nano() + int64(length)
	until := unix.NsecToTimespec(due)
	for {
		// Raw: else waking would include the way back through Go's scheduler.
		_, _, err := unix.RawSyscall6(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME,
			uintptr(unsafe.Pointer(&until)), 0, 0, 0)
		if err == 0 {
			break
		}
		if err != unix.EINTR {
			return 0, fmt.Errorf("clock_nanosleep: %w", err)
		}
	}
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0, err
	}
	return time.Duration(now.Nano() - due), nil
}

// Take returns the greatest lateness and the 99th percentile since the last call,
// and the number of naps they come from; with no nap there is nothing to say and
// all are 0. The error is why it measures no more.
func (l *Lateness) Take() (greatest, p99 time.Duration, naps int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	greatest, naps, err = l.max, len(l.naps), l.err
	if naps > 0 {
		slices.Sort(l.naps)
		p99 = l.naps[min(naps-1, (naps*99+99)/100-1)] // the nearest rank
	}
	l.naps, l.max = l.naps[:0], 0
	return greatest, p99, naps, err
}

// Stop ends the thread and waits for it.
func (l *Lateness) Stop() {
	if l.stop == nil {
		return
	}
	close(l.stop)
	l.done.Wait()
	l.stop, l.tid = nil, 0
}
