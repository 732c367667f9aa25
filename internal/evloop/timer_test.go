package evloop

import (
	"math/rand/v2"
	"testing"
	"time"
)

// run serves a loop that f has prepared until something in it calls Stop.
func run(t *testing.T, f func(l *Loop)) {
	t.Helper()
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	f(l)
	guard := Timer{Owner: ExpireFunc(func(int64) { t.Error("nothing stopped the loop"); l.Stop() })}
	l.Arm(&guard, Now()+int64(10*time.Second))
	if err := l.Run(); err != nil {
		t.Fatal(err)
	}
}

func TestTimersRunInOrderAndNeverEarly(t *testing.T) {
	const n = 300
	var seen []int64
	run(t, func(l *Loop) {
		base := Now()
		for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(n) {
			at := base + int64(i)*100_000 // 0 to 30 ms
			tm := &Timer{}
			tm.Owner = ExpireFunc(func(now int64) {
				if now < at || Now() < at {
					t.Errorf("ran out %d ns early", at-now)
				}
				if tm.Armed() || tm.At() != at {
					t.Error("an expired timer is armed, or has lost its time")
				}
				if seen = append(seen, at); len(seen) == n {
					l.Stop()
				}
			})
			l.Arm(tm, at)
		}
	})
	for i := 1; i < len(seen); i++ {
		if seen[i] < seen[i-1] {
			t.Fatalf("timer %d ran out before timer %d", i-1, i)
		}
	}
}

// A wait ends by the nanosecond, not by the millisecond that Go's timers and
// epoll_wait round to. The median allows for a busy machine.
func TestTimerIsFinerThanAMillisecond(t *testing.T) {
	const n, gap = 101, 200_000
	var late []int64
	run(t, func(l *Loop) {
		tm := &Timer{}
		tm.Owner = ExpireFunc(func(now int64) {
			if late = append(late, now-tm.At()); len(late) == n {
				l.Stop()
				return
			}
			l.Arm(tm, Now()+gap)
		})
		l.Arm(tm, Now()+gap)
	})
	within := 0
	for _, ns := range late {
		if ns < 800_000 {
			within++
		}
	}
	if within < n/2 {
		t.Errorf("only %d of %d timers ran out within 0.8 ms of their time", within, n)
	}
}

func TestArmMovesAndDisarmStops(t *testing.T) {
	var order []string
	run(t, func(l *Loop) {
		now := Now()
		note := func(name string) *Timer {
			return &Timer{Owner: ExpireFunc(func(int64) { order = append(order, name) })}
		}
		late, early, never := note("late"), note("early"), note("never")
		l.Arm(late, now)
		l.Arm(early, now+int64(time.Hour))
		l.Arm(never, now)
		l.Arm(late, now+int64(4*time.Millisecond))
		l.Arm(early, now+int64(2*time.Millisecond))
		l.Disarm(never)
		l.Disarm(never)
		if never.Armed() || !late.Armed() {
			t.Error("Armed is wrong")
		}
		end := &Timer{Owner: ExpireFunc(func(int64) { l.Stop() })}
		l.Arm(end, now+int64(6*time.Millisecond))
	})
	if len(order) != 2 || order[0] != "early" || order[1] != "late" {
		t.Errorf("ran out: %v", order)
	}
}

// A timer that always arms itself for the past must not keep the loop from its
// descriptors, nor from what is posted.
func TestTimerInThePastDoesNotStarveTheLoop(t *testing.T) {
	run(t, func(l *Loop) {
		tm := &Timer{}
		turns := 0
		tm.Owner = ExpireFunc(func(int64) {
			if turns++; turns > 1_000_000 {
				t.Error("the loop sees only its timer")
				return
			}
			l.Arm(tm, 0)
		})
		l.Arm(tm, 0)
		l.Post(l.Stop)
	})
}

func TestTimerDisarmedByAnotherOfTheSameTurn(t *testing.T) {
	ran := 0
	run(t, func(l *Loop) {
		a, b := &Timer{}, &Timer{}
		a.Owner = ExpireFunc(func(int64) { ran++; l.Disarm(b) })
		b.Owner = ExpireFunc(func(int64) { ran++; l.Disarm(a) })
		l.Arm(a, 1)
		l.Arm(b, 1)
		end := &Timer{Owner: ExpireFunc(func(int64) { l.Stop() })}
		l.Arm(end, Now()+int64(time.Millisecond))
	})
	if ran != 1 {
		t.Errorf("%d timers ran out, want 1", ran)
	}
}

func TestArmingAllocatesNothing(t *testing.T) {
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Discard()
	timers := make([]Timer, 64)
	for i := range timers {
		l.Arm(&timers[i], int64(i))
	}
	if n := testing.AllocsPerRun(100, func() {
		for i := range timers {
			l.Disarm(&timers[i])
			l.Arm(&timers[i], int64(1000-i))
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestClockConversions(t *testing.T) {
	wall := time.Now().UnixNano()
	if got := ToWall(FromWall(wall)); got != wall {
		t.Errorf("round trip moved the time by %d ns", got-wall)
	}
	if d := FromWall(time.Now().UnixNano()) - Now(); d > int64(time.Second) || d < -int64(time.Second) {
		t.Errorf("the wall clock and the loop's differ by %d ns", d)
	}
}
