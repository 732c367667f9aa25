package tunnel

import (
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"time"

	"wsgauge/internal/evloop"
)

// What injecting may hold at most. Beyond it clients are not read, and TCP's own
// flow control reaches them.
const (
	laneLimit = 256 << 10 // bytes that one tunnel holds back
	heldLimit = 64 << 20  // … all together; a tunnel that holds nothing may still read once
	leakLimit = 4 << 30   // bytes leaked, so that a mistake does not take the machine
)

// earlyRelease is how long before a chunk is due the loop stops sleeping: a
// processor that sleeps takes tens of microseconds to wake.
const earlyRelease = 100_000 // ns

// releaseShare is the share of a CPU up to which a loop that holds chunks back goes before
// all ordinary threads: a delay of known size is a standard, and must not depend on what
// else runs.
const releaseShare = 0.6

// injector puts the faults of an [Injection] into the tunnels of one loop. A
// server without one pays a comparison with nil for a message.
type injector struct {
	server *Server
	plan   Injection
	random *rand.Rand
	lanes  map[*tunnel]*lane // those that hold something back
	spare  []*lane
	held   int // bytes
	stall  evloop.Timer
	ended  <-chan struct{} // the server is to end
	late   lateness

	fds    []int
	leaked [][]byte
	bytes  int64
}

// lane is what one tunnel holds back, the oldest first.
type lane struct {
	injector *injector
	tunnel   *tunnel
	timer    evloop.Timer
	queue    []chunk
	held     int  // bytes
	over     bool // the last of it is the client's FIN
}

// chunk is what one read brought; nil bytes are the end of them, FIN.
type chunk struct {
	bytes *buffer
	due   int64 // on the loop's clock
}

// inject prepares the faults that the options ask for.
func (s *Server) inject(plan Injection) {
	if plan == (Injection{Seed: plan.Seed}) {
		return
	}
	i := &injector{server: s, plan: plan, lanes: map[*tunnel]*lane{},
		random: rand.New(rand.NewPCG(plan.Seed, 0x1a7e))}
	s.injector = i
	if plan.Delay > 0 || plan.Jitter > 0 {
		s.loop.Punctual(earlyRelease, 0)
		s.loop.Foremost(1, releaseShare)
	}
	if plan.StallFor > 0 {
		i.stall.Owner = evloop.ExpireFunc(i.stand)
		s.loop.Arm(&i.stall, evloop.Now()+int64(plan.StallEvery))
	}
}

// concerns tells whether anything is injected into a tunnel for this request target.
func (i *injector) concerns(target []byte) bool {
	path, _, _ := strings.Cut(string(target), "?")
	return i.plan.Path == "" || path == i.plan.Path
}

// take is given what a read of t's client brought, nothing for FIN, and tells
// whether it sees to the rest.
func (i *injector) take(t *tunnel, p []byte) bool {
	if i.plan.CPU > 0 && len(p) > 0 {
		burn(i.plan.CPU)
	}
	if i.plan.Delay == 0 && i.plan.Jitter == 0 {
		return false
	}
	l := i.lane(t)
	if l.over {
		return true // FIN is held back, and the loop has told of it again
	}
	due := evloop.Now() + int64(i.plan.Delay)
	if i.plan.Jitter > 0 {
		due += i.random.Int64N(int64(i.plan.Jitter) + 1)
	}
	if n := len(l.queue); n > 0 {
		due = max(due, l.queue[n-1].due) // never before what came before it
	}
	l.queue = append(l.queue, chunk{i.server.pool.keep(nil, p), due})
	l.held += len(p)
	i.held += len(p)
	l.over = len(p) == 0
	if len(l.queue) == 1 {
		i.server.loop.Arm(&l.timer, due)
	}
	t.touch()
	if l.full() {
		t.client.paused = true
		t.settle()
	}
	return true
}

func (l *lane) full() bool {
	return l.over || l.held >= laneLimit || l.held > 0 && l.injector.held >= heldLimit
}

func (i *injector) lane(t *tunnel) *lane {
	if l := i.lanes[t]; l != nil {
		return l
	}
	var l *lane
	if last := len(i.spare) - 1; last >= 0 {
		l, i.spare = i.spare[last], i.spare[:last]
	} else {
		l = &lane{injector: i}
		l.timer.Owner = l
	}
	l.tunnel = t
	i.lanes[t] = l
	return l
}

// Expire lets go what is due.
func (l *lane) Expire(now int64) {
	i, t := l.injector, l.tunnel
	n, last := 0, false
	for ; n < len(l.queue) && l.queue[n].due <= now; n++ {
		c := l.queue[n]
		i.late.add(now - c.due)
		if c.bytes == nil {
			last = true
			continue
		}
		size := len(c.bytes.bytes)
		l.held -= size
		i.held -= size
		err := t.write(&t.backend, c.bytes.bytes)
		i.server.pool.put(c.bytes)
		l.queue[n].bytes = nil
		if err != nil {
			t.reset() // gives back this lane too
			return
		}
		now = evloop.Now()
	}
	l.queue = append(l.queue[:0], l.queue[n:]...)
	if len(l.queue) > 0 {
		i.server.loop.Arm(&l.timer, l.queue[0].due)
	}
	resumes := t.client.paused && !l.full()
	if last {
		t.client.readEnd = true
	}
	if len(l.queue) == 0 {
		i.drop(t)
	}
	if resumes || last {
		t.client.paused = false
	}
	if resumes || last || t.backend.out != nil {
		t.touch()
		t.settle()
	}
}

// keptLanes bounds how many of them wait for the next message.
const keptLanes = 1024

// drop gives back what t holds.
func (i *injector) drop(t *tunnel) {
	l := i.lanes[t]
	if l == nil {
		return
	}
	delete(i.lanes, t)
	i.server.loop.Disarm(&l.timer)
	i.held -= l.held
	for n, c := range l.queue {
		i.server.pool.put(c.bytes)
		l.queue[n].bytes = nil
	}
	l.queue, l.tunnel, l.held, l.over = l.queue[:0], nil, 0, false
	if len(i.spare) < keptLanes {
		i.spare = append(i.spare, l)
	}
}

// stand keeps the whole loop from everything for a while; what comes meanwhile
// waits in the kernel. Stalls begin at whole multiples of their period, however
// long they lasted.
func (i *injector) stand(now int64) {
	end := i.stall.At() + int64(i.plan.StallFor)
	// Go's own timers may be a millisecond late: the rest is polled for.
	if rough := time.Duration(end-evloop.Now()) - 2*time.Millisecond; rough > 0 {
		t := time.NewTimer(rough)
		select {
		case <-t.C:
		case <-i.ended:
			t.Stop()
			return
		}
	}
	for evloop.Now() < end {
	}
	next := i.stall.At() + int64(i.plan.StallEvery)
	for next <= end {
		next += int64(i.plan.StallEvery)
	}
	i.server.loop.Arm(&i.stall, next)
}

// burn takes so much of the thread's own processor time, whatever it has to wait
// for it.
func burn(d time.Duration) {
	for end := evloop.ThreadCPU() + int64(d); evloop.ThreadCPU() < end; {
	}
}

// opened leaks what is to be leaked for a tunnel that has just opened. What the
// process is not given cannot be leaked; that is no error.
func (i *injector) opened() {
	if n := int64(i.plan.LeakFDEvery); n > 0 && i.server.stats.total.Load()%n == 0 {
		if fd, err := syscall.Open(os.DevNull, syscall.O_RDONLY|syscall.O_CLOEXEC, 0); err == nil {
			i.fds = append(i.fds, fd)
		}
	}
	if n := i.plan.LeakBytes; n > 0 && i.bytes+int64(n) <= leakLimit {
		p := make([]byte, n)
		for at := range p {
			p[at] = 1 // a page that nobody has touched takes no memory
		}
		i.leaked = append(i.leaked, p)
		i.bytes += int64(n)
	}
}

// close gives back what a process that ends would give back by itself.
func (i *injector) close() {
	for _, fd := range i.fds {
		evloop.CloseSocket(fd)
	}
	i.fds, i.leaked = nil, nil
}
