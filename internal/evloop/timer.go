package evloop

import "container/heap"

// Expirer is told that its timer has run out; now is the loop's clock then.
type Expirer interface{ Expire(now int64) }

// ExpireFunc makes an Expirer of a function.
type ExpireFunc func(now int64)

// Expire calls f.
func (f ExpireFunc) Expire(now int64) { f(now) }

// Timer is one alarm of a loop. It is meant to be embedded in what it wakes, so
// that arming allocates nothing. The zero Timer with an Owner is ready to use,
// and a Timer must not be copied while it is armed.
type Timer struct {
	Owner Expirer
	at    int64
	place int32 // index in the heap plus one; 0 when not armed
}

// Armed tells whether the timer is waiting.
func (t *Timer) Armed() bool { return t.place != 0 }

// At returns the time for which the timer is, or was last, armed.
func (t *Timer) At() int64 { return t.at }

// Arm sets t to run out at the given time on the clock of [Now]; a time that has
// passed runs out at the loop's next turn. An armed timer is moved. Timers run
// out in the order of their times; those of the same nanosecond in any order.
func (l *Loop) Arm(t *Timer, at int64) {
	t.at = at
	if t.place != 0 {
		heap.Fix(&l.timers, int(t.place-1))
		return
	}
	heap.Push(&l.timers, t)
}

// Disarm stops t; one that is not armed stays so.
func (l *Loop) Disarm(t *Timer) {
	if t.place != 0 {
		heap.Remove(&l.timers, int(t.place-1))
	}
}

// expire runs the timers that are due. It runs at most as many as were armed when
// it began, so that a timer that arms itself for a time already past cannot keep
// the loop from its sockets. It tells whether it ran any.
func (l *Loop) expire(now int64) (ran bool) {
	for left := len(l.timers); left > 0 && len(l.timers) > 0 && l.timers[0].at <= now && !l.stopped; left-- {
		t := l.timers[0]
		heap.Pop(&l.timers)
		t.Owner.Expire(now)
		ran = true
	}
	return ran
}

type timerHeap []*Timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = int32(i+1), int32(j+1)
}

func (h *timerHeap) Push(x any) {
	t := x.(*Timer)
	t.place = int32(len(*h) + 1)
	*h = append(*h, t)
}

func (h *timerHeap) Pop() any {
	last := len(*h) - 1
	t := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	t.place = 0
	return t
}
