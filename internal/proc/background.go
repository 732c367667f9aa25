package proc

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// A Background wakes every pace. When it is later than tolerated, the CPUs are taken.
	pace      = 100 * time.Millisecond
	tolerated = 150 * time.Millisecond

	// behindSlice is the shortest slice that Linux grants. It does not let an idle
	// thread interrupt another, but brings its turn sooner: with the usual slice, that
	// would come after a second beside an ordinary busy thread, and after nine beside
	// one at nice -10.
	behindSlice = 100 * time.Microsecond
)

// Background is a process that has stepped back; see [StepBack].
type Background struct {
	stop    chan struct{}
	done    sync.WaitGroup
	once    sync.Once
	forward atomic.Bool
}

// StepBack lets all other programs go before this process: its threads, and those that
// they start, get SCHED_IDLE (sched(7)), whose work is interrupted as soon as anybody
// else can run. That holds for as long as the others leave it something. When it has
// waited for a CPU for more than 150 ms, it comes forward again for good.
//
// The threads of those [Lateness] stay as they are, since they measure how long an
// ordinary thread waits.
//
// Children inherit it, but for those that a [Keeper] starts. It takes the right to
// come forward again (CAP_SYS_NICE or RLIMIT_NICE); without it nothing is done, and
// the error matches [errors.ErrUnsupported]. The caller has to call Stop.
func StepBack(except ...*Lateness) (*Background, error) {
	if policy, err := getPolicy(0); err != nil || policy != unix.SCHED_NORMAL {
		return nil, fmt.Errorf("step back behind other programs: this process was started with another scheduling policy: %w",
			errors.Join(err, errors.ErrUnsupported))
	}
	if !mayComeForward() {
		return nil, fmt.Errorf("step back behind other programs: coming forward again takes CAP_SYS_NICE: %w", errors.ErrUnsupported)
	}
	step := func(tid int) error {
		if slices.ContainsFunc(except, func(l *Lateness) bool { return l.tid == tid }) {
			return nil
		}
		return setPolicy(tid, unix.SCHED_IDLE)
	}
	if err := eachThread(step); err != nil {
		return nil, errors.Join(fmt.Errorf("step back behind other programs: %w", err), comeForward())
	}
	b := &Background{stop: make(chan struct{})}
	b.done.Go(b.watch)
	return b, nil
}

// Stop brings the process forward, and returns when that is done.
func (b *Background) Stop() error {
	var err error
	b.once.Do(func() {
		close(b.stop)
		b.done.Wait()
		err = comeForward()
	})
	return err
}

// ComeForward ends stepping back before Stop.
func (b *Background) ComeForward() error {
	err := comeForward()
	b.forward.Store(err == nil)
	return err
}

// Forward tells whether the process has come forward before Stop.
func (b *Background) Forward() bool { return b.forward.Load() }

// watch has stepped back like the rest, so that it waits as they do.
func (b *Background) watch() {
	tick := time.NewTimer(pace)
	defer tick.Stop()
	for {
		due := time.Now().Add(pace)
		select {
		case <-b.stop:
			return
		case <-tick.C:
		}
		if time.Since(due) > tolerated {
			_ = b.ComeForward() // or else Stop tells
			return
		}
		tick.Reset(pace)
	}
}

// comeForward undoes stepping back, for those threads that did.
func comeForward() error {
	return eachThread(func(tid int) error {
		if policy, err := getPolicy(tid); err != nil || policy != unix.SCHED_IDLE {
			return err
		}
		return setPolicy(tid, unix.SCHED_NORMAL)
	})
}

func mayComeForward() bool {
	may := make(chan bool)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		may <- setPolicy(0, unix.SCHED_IDLE) == nil && setPolicy(0, unix.SCHED_NORMAL) == nil
	}()
	return <-may
}

// stayForward makes an ordinary thread of the calling one (locked), in a process that
// has stepped back.
func stayForward() error {
	if policy, err := getPolicy(0); err != nil || policy != unix.SCHED_IDLE {
		return err
	}
	return setPolicy(0, unix.SCHED_NORMAL)
}

func getPolicy(tid int) (uint32, error) {
	attr, err := unix.SchedGetAttr(tid, 0)
	if err != nil {
		return 0, fmt.Errorf("sched_getattr: %w", err)
	}
	return attr.Policy, nil
}

// setPolicy leaves the thread's nice value as it is.
func setPolicy(tid int, policy uint32) error {
	attr, err := unix.SchedGetAttr(tid, 0)
	if err != nil {
		return fmt.Errorf("sched_getattr: %w", err)
	}
	set := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: policy, Nice: attr.Nice}
	if policy == unix.SCHED_IDLE {
		set.Runtime = uint64(behindSlice)
	}
	if err := unix.SchedSetAttr(tid, &set, 0); err != nil {
		return fmt.Errorf("sched_setattr: %w", err)
	}
	return nil
}
