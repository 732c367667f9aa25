package evloop

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// A loop that uses little goes first; one that takes its CPU goes back among the
// others, and first again when it has calmed down.
func TestForemost(t *testing.T) {
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	l.Foremost(1, 0.5)
	const step = 10e6 // ns
	var policies []uint32
	var timer Timer
	turns := 0
	timer.Owner = ExpireFunc(func(now int64) {
		turns++
		switch {
		case turns == 10 || turns == 20 || turns == 30:
			attr, err := unix.SchedGetAttr(0, 0)
			if err != nil {
				t.Error(err)
				l.Stop()
				return
			}
			policies = append(policies, attr.Policy)
		case turns > 30:
			l.Stop()
			return
		}
		if 10 < turns && turns <= 20 { // busy without a pause
			for end := ThreadCPU() + step; ThreadCPU() < end; {
			}
			l.Arm(&timer, Now())
			return
		}
		l.Arm(&timer, Now()+step)
	})
	l.Post(func() { l.Arm(&timer, Now()+step) })
	permitted := make(chan bool)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}
		permitted <- unix.SchedSetAttr(0, &attr, 0) == nil
	}()
	want := []uint32{unix.SCHED_FIFO, unix.SCHED_NORMAL, unix.SCHED_FIFO}
	if !<-permitted {
		t.Log("real-time priority is not permitted here: the loop has to do without")
		want = make([]uint32, 3)
	}
	after := make(chan uint32)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := l.Run(); err != nil {
			t.Error(err)
		}
		attr, err := unix.SchedGetAttr(0, 0)
		if err != nil {
			t.Error(err)
			attr = &unix.SchedAttr{Policy: unix.SCHED_FIFO}
		}
		after <- attr.Policy
	}()
	if policy := <-after; policy != unix.SCHED_NORMAL {
		t.Errorf("the thread is given back with policy %d", policy)
	}
	for i, policy := range policies {
		if policy != want[i] {
			t.Errorf("policies %v, want %v", policies, want)
			break
		}
	}
	if len(policies) != 3 {
		t.Errorf("%d policies were read", len(policies))
	}
}
