package evloop

import "golang.org/x/sys/unix"

const (
	// shortSlice is that of a punctual loop. Linux grants half of it to whom such a
	// loop shall not keep waiting.
	shortSlice = 200_000 // ns

	// reviewEvery is how often a loop with real-time priority looks what it uses.
	reviewEvery = 20_000_000 // ns
)

// rank is what a loop's thread asks of the kernel's scheduler. What is not permitted is
// left out.
type rank struct {
	nice     int
	urgent   bool
	realtime uint32  // priority; 0: none
	share    float64 // of a processor, up to which it has that

	early    int64          // ns before a timer is due that the loop wakes
	ordinary unix.SchedAttr // what it is without
	foremost bool           // it has it now
	awake    int64          // ns before a timer is due that it first wakes at present: early or spin
	at, cpu  int64          // of the last review
}

// Punctual makes the loop keep its timers' times as well as the machine can, at the
// cost of processor time; to be called before [Loop.Run]. The loop wakes early
// nanoseconds before a timer is due and polls for the rest, because a processor that
// sleeps takes tens of microseconds to wake. And its thread asks the kernel to go
// before others: by nice (-20 to 19), which takes CAP_SYS_NICE below 0, and by a
// short slice, which lets it interrupt a thread with a longer one as soon as it wakes
// (Linux 6.12 and later; sched_setattr(2)). What is not permitted is left out.
func (l *Loop) Punctual(early int64, nice int) {
	l.rank.early, l.rank.nice, l.rank.urgent = max(early, 0), nice, true
}

// Foremost gives the loop's thread a real-time priority (1 to 99, SCHED_FIFO), so that
// ordinary threads never keep it waiting, as long as it uses no more than that share of
// a processor: one that takes all there is would keep the kernel's own threads from
// delivering what it waits for. To be called before [Loop.Run]; it takes CAP_SYS_NICE
// or RLIMIT_RTPRIO. A punctual loop that comes near that share polls less: a processor
// that is busy does not sleep, and wakes in time. However low its nice value, an ordinary thread that has had more
// than its fair share waits for one that has not, for several milliseconds.
func (l *Loop) Foremost(priority int, share float64) {
	l.rank.realtime, l.rank.share = uint32(priority), share
}

// take does what was promised of the calling thread. Nice and slice are asked for by
// themselves, so that one that is refused does not cost the other.
func (r *rank) take() {
	r.awake = r.early
	if r.urgent {
		if unix.Setpriority(unix.PRIO_PROCESS, 0, r.nice) != nil {
			r.nice = 0
		}
		attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Nice: int32(r.nice), Runtime: shortSlice}
		_ = unix.SchedSetAttr(0, &attr, 0) // a kernel before 6.12 accepts and ignores it
	}
	if r.realtime == 0 {
		return
	}
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		r.realtime = 0
		return
	}
	r.ordinary, r.at, r.cpu = *attr, Now(), ThreadCPU()
}

// review gives or takes the real-time priority by what the thread has used since the
// last time. The bounds are apart, so that it does not flutter.
func (r *rank) review(now int64) {
	if r.realtime == 0 || now-r.at < reviewEvery {
		return
	}
	cpu := ThreadCPU()
	used := float64(cpu-r.cpu) / float64(now-r.at)
	r.at, r.cpu = now, cpu
	switch {
	case used > 0.8*r.share:
		r.awake = r.spin()
	case used < 0.5*r.share:
		r.awake = r.early
	}
	switch {
	case !r.foremost && used < 0.9*r.share:
		attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: r.realtime}
		if unix.SchedSetAttr(0, &attr, 0) != nil {
			r.realtime = 0 // not permitted
			return
		}
		r.foremost = true
	case r.foremost && used > r.share:
		r.foremost = unix.SchedSetAttr(0, &r.ordinary, 0) != nil
	}
}

// sleep is how long the thread may sleep when its next timer is due in left nanoseconds:
// until early before it; from there, with the processor awake, until shortly before it.
func (r *rank) sleep(left int64) int64 {
	switch spin := r.spin(); {
	case left > r.awake:
		return left - r.awake
	case left > spin+spin/4:
		return left - spin
	}
	return 0
}

// spin is how long before a timer is due it stays awake, in nanoseconds.
func (r *rank) spin() int64 { return r.early * 2 / 5 }

// giveBack returns the thread to Go's scheduler as an ordinary one; that needs no right.
func (r *rank) giveBack() {
	if r.urgent || r.foremost {
		_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL}, 0)
	}
}
