package evloop

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Events is a set of readiness conditions.
type Events uint32

// The conditions that a handler can want, and those it is told without asking.
const (
	Readable  Events = unix.EPOLLIN
	Writable  Events = unix.EPOLLOUT
	PeerEnded Events = unix.EPOLLRDHUP // the peer sent FIN; wanted explicitly
	Broken    Events = unix.EPOLLERR   // always told
	HungUp    Events = unix.EPOLLHUP   // always told: both directions are down
)

// Has tells whether any condition of want is in e.
func (e Events) Has(want Events) bool { return e&want != 0 }

// Handler is told, on the loop's thread, what its descriptor is ready for. It
// may close any descriptor of the loop, its own included.
type Handler interface{ Ready(ready Events) }

const (
	batch      = 64         // events taken from the kernel at once
	scratchLen = 256 << 10  // the shared read buffer
	briefly    = 20_000_000 // ns that a loop waits before it gives its processor back; see poll
	many       = 4          // events at once that make more of them likely
)

// slot is what the loop knows of a descriptor. The generation tells an event
// that was already in the batch from one for a descriptor opened since.
type slot struct {
	handler Handler
	want    Events
	gen     uint32
}

// page is the slots of 256 neighbouring descriptors, made when one of them is first
// watched: a table that had to grow as a whole would leave its smaller copies behind.
type page [1 << pageBits]slot

const pageBits = 8

// Loop is one epoll instance and its timers.
type Loop struct {
	epoll   int
	wake    int
	pages   []*page
	clock   int64 // the last reading of Now, 0: none since the event before
	open    int
	timers  timerHeap
	rank    rank
	many    bool // the last wait brought many events
	coarse  bool // the kernel waits in milliseconds only
	limit   unix.Timespec
	scratch []byte
	events  [batch]unix.EpollEvent
	stopped bool

	mu     sync.Mutex
	posted []func()
	closed bool // no further Post is accepted
}

// New makes a loop. It holds two descriptors until [Loop.Run] returns or
// [Loop.Discard] is called.
func New() (*Loop, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		unix.Close(ep)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	l := &Loop{epoll: ep, wake: wake, scratch: make([]byte, scratchLen)}
	if err := l.Add(wake, Readable, wakeHandler{l}); err != nil {
		l.Discard()
		return nil, err
	}
	l.open = 0 // the loop's own does not count
	return l, nil
}

// Scratch returns the loop's shared buffer (256 KiB), for the duration of one
// call of a handler. No one may keep a part of it.
func (l *Loop) Scratch() []byte { return l.scratch }

// Now reads the clock as [Now] does, for a handler. The loop looks at its timers after
// every event and takes the handler's last reading for it, if there was one; a handler
// that has gone on for long since should read again.
func (l *Loop) Now() int64 {
	l.clock = Now()
	return l.clock
}

// Open returns the number of descriptors that the loop watches.
func (l *Loop) Open() int { return l.open }

// Add begins to watch fd, which must be non-blocking. Want may be 0: errors and
// hang-ups are told all the same.
func (l *Loop) Add(fd int, want Events, h Handler) error {
	if fd < 0 || h == nil {
		return fmt.Errorf("evloop: cannot watch descriptor %d with handler %v", fd, h)
	}
	s := l.newSlot(fd)
	if s.handler != nil {
		return fmt.Errorf("evloop: descriptor %d is watched already", fd)
	}
	s.gen++
	ev := unix.EpollEvent{Events: uint32(want), Fd: int32(fd), Pad: int32(s.gen)}
	if errno := epollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &ev); errno != 0 {
		return fmt.Errorf("epoll_ctl add: %w", errno)
	}
	s.handler, s.want = h, want
	l.open++
	return nil
}

// Want changes what fd is watched for; no system call when nothing changes.
func (l *Loop) Want(fd int, want Events) error {
	s := l.watched(fd)
	if s == nil {
		return fmt.Errorf("evloop: descriptor %d is not watched", fd)
	}
	if s.want == want {
		return nil
	}
	ev := unix.EpollEvent{Events: uint32(want), Fd: int32(fd), Pad: int32(s.gen)}
	if errno := epollCtl(l.epoll, unix.EPOLL_CTL_MOD, fd, &ev); errno != 0 {
		return fmt.Errorf("epoll_ctl mod: %w", errno)
	}
	s.want = want
	return nil
}

// Remove stops watching fd and leaves it open.
func (l *Loop) Remove(fd int) {
	if l.forget(fd) {
		var ev unix.EpollEvent
		epollCtl(l.epoll, unix.EPOLL_CTL_DEL, fd, &ev)
	}
}

// Close stops watching fd and closes it.
func (l *Loop) Close(fd int) {
	l.forget(fd)
	CloseSocket(fd) // closing the last descriptor of a socket removes it from epoll
}

func (l *Loop) forget(fd int) bool {
	s := l.watched(fd)
	if s == nil {
		return false
	}
	s.handler = nil
	s.gen++
	l.open--
	return true
}

// watched returns the slot of a descriptor that the loop watches, nil for another.
func (l *Loop) watched(fd int) *slot {
	if i := fd >> pageBits; fd >= 0 && i < len(l.pages) && l.pages[i] != nil {
		if s := &l.pages[i][fd&(1<<pageBits-1)]; s.handler != nil {
			return s
		}
	}
	return nil
}

// newSlot returns the slot of any descriptor.
func (l *Loop) newSlot(fd int) *slot {
	i := fd >> pageBits
	for i >= len(l.pages) {
		l.pages = append(l.pages, nil)
	}
	if l.pages[i] == nil {
		l.pages[i] = new(page)
	}
	return &l.pages[i][fd&(1<<pageBits-1)]
}

// Post runs f on the loop's thread at its next turn. It may be called from any
// goroutine, and reports false when the loop has ended: f will not run then. True
// is a promise that f runs, at the latest when the loop ends, so that what f
// carries (a descriptor handed over) always finds an owner.
func (l *Loop) Post(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.posted = append(l.posted, f)
	if len(l.posted) == 1 {
		one := [8]byte{1}
		unix.Write(l.wake, one[:]) // fails only when it is already signalled
	}
	return true
}

// Stop makes [Loop.Run] return at its next turn. Any goroutine may call it, any
// number of times.
func (l *Loop) Stop() { l.Post(func() { l.stopped = true }) }

// Run serves the loop on a thread of its own until [Loop.Stop], then closes every
// descriptor that it still watches. It returns an error only when the kernel
// refuses to poll.
func (l *Loop) Run() error {
	l.mu.Lock()
	ended := l.closed
	l.mu.Unlock()
	if ended {
		return errors.New("evloop: a loop runs only once")
	}
	count(1)
	defer count(-1)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer l.Discard()
	// Without this the kernel may round a wait up by 50 µs to group wake-ups.
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("prctl PR_SET_TIMERSLACK: %w", err)
	}
	// The thread goes back to Go's scheduler with the slack it came with. A zero
	// means the default and cannot fail after the call above has not.
	defer unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0)
	l.rank.take()
	defer l.rank.giveBack()
	for !l.stopped {
		l.rank.review(l.Now())
		if l.expire(l.clock) {
			l.Now() // they have taken their time
		}
		n, errno := l.poll()
		if errno != 0 && errno != unix.EINTR {
			return fmt.Errorf("epoll_wait: %w", errno)
		}
		for i := 0; i < n && !l.stopped; i++ {
			l.clock = 0
			l.dispatch(&l.events[i])
			// A batch of slow handlers must not make the timers late.
			if len(l.timers) == 0 {
				continue
			}
			if l.clock == 0 {
				l.Now()
			}
			if l.timers[0].at <= l.clock {
				l.expire(l.clock)
			}
		}
	}
	return nil
}

// running is how many loops run in this process.
var running struct {
	sync.Mutex
	loops int
}

// count counts a loop in or out, and sees to it that the rest of the program has one
// of Go's processors however busy the loops are, since each holds one: a process that
// is confined to a single CPU has a single one by itself.
func count(loops int) {
	running.Lock()
	defer running.Unlock()
	running.loops += loops
	if need := running.loops + 1; runtime.GOMAXPROCS(0) < need {
		runtime.GOMAXPROCS(need)
	}
}

func (l *Loop) dispatch(ev *unix.EpollEvent) {
	s := &l.pages[ev.Fd>>pageBits][ev.Fd&(1<<pageBits-1)] // there: it was added
	if s.handler == nil || s.gen != uint32(ev.Pad) {
		return // closed, and perhaps opened anew, by a handler of this batch
	}
	// A handler of this batch may also have changed what is wanted here.
	if ready := Events(ev.Events) & (s.want | Broken | HungUp); ready != 0 {
		s.handler.Ready(ready)
	}
}

// poll takes what is ready, after a short wait if need be, and only when nothing came
// of that after one that gives the processor back to Go's scheduler. Go's monitor takes
// the processor of every thread that is in a system call it was told of, and as long as
// it finds one it looks ten thousand times a second, on the CPU that the loop needs; a
// busy loop therefore tells it nothing.
//
// The short wait is longer than the kernel's tick (10 ms at most), because an earlier
// end would have the processor's timer set twice for every sleep, which on a virtual
// machine took some 10 µs. It keeps nobody: to stop the world Go sends the thread a signal,
// and that ends the wait.
func (l *Loop) poll() (int, unix.Errno) {
	left := int64(-1)
	if len(l.timers) > 0 {
		left = l.rank.sleep(l.timers[0].at - l.clock)
	}
	// The kernel takes a fifth of a microsecond to prepare for a wait, also when there
	// is something ready. After many events there mostly is.
	if l.many || left == 0 {
		if n, errno := l.wait(0, true); n > 0 || errno != 0 || left == 0 {
			return n, errno
		}
	}
	if 0 < left && left <= briefly {
		return l.wait(left, true)
	}
	if n, errno := l.wait(briefly, true); n > 0 || errno != 0 {
		return n, errno
	}
	if left > 0 {
		left -= briefly
	}
	return l.wait(left, false)
}

// wait is epoll_wait for at most so many nanoseconds; negative: without end. raw
// keeps Go's scheduler out of it.
func (l *Loop) wait(ns int64, raw bool) (int, unix.Errno) {
	call, limit := uintptr(unix.SYS_EPOLL_PWAIT2), uintptr(0)
	if l.coarse || ns == 0 {
		call, limit = unix.SYS_EPOLL_PWAIT, uintptr(milliseconds(ns))
	} else if ns > 0 {
		l.limit = unix.NsecToTimespec(ns) // a field, since it must not move before the call
		limit = uintptr(unsafe.Pointer(&l.limit))
	}
	var n uintptr
	var errno unix.Errno
	if raw {
		n, _, errno = unix.RawSyscall6(call, uintptr(l.epoll), uintptr(unsafe.Pointer(&l.events[0])), batch, limit, 0, 0)
	} else {
		n, _, errno = unix.Syscall6(call, uintptr(l.epoll), uintptr(unsafe.Pointer(&l.events[0])), batch, limit, 0, 0)
	}
	if errno == unix.ENOSYS && !l.coarse { // Linux before 5.11 waits in milliseconds
		l.coarse = true
		return l.wait(ns, raw)
	}
	if errno != 0 {
		return 0, errno
	}
	l.many = int(n) >= many
	return int(n), 0
}

// milliseconds rounds up, so that a wait never ends before its time.
func milliseconds(ns int64) int {
	if ns < 0 {
		return -1
	}
	return int((ns + 999_999) / 1_000_000)
}

// Discard runs what is still posted, then closes every descriptor that the loop
// watches and its own; for a loop that was made and never run. Calling it again
// does nothing.
func (l *Loop) Discard() {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	l.closed = true
	todo := l.posted
	l.posted = nil
	l.mu.Unlock()
	for _, f := range todo {
		f()
	}
	for i, p := range l.pages {
		for j := 0; p != nil && j < len(p); j++ {
			if fd := i<<pageBits + j; p[j].handler != nil && fd != l.wake {
				l.Close(fd)
			}
		}
	}
	unix.Close(l.wake)
	unix.Close(l.epoll)
}

type wakeHandler struct{ loop *Loop }

// Ready runs what was posted.
func (w wakeHandler) Ready(Events) {
	l := w.loop
	var count [8]byte
	if _, err := unix.Read(l.wake, count[:]); err != nil && !errors.Is(err, unix.EAGAIN) {
		return
	}
	l.mu.Lock()
	todo := l.posted
	l.posted = nil
	l.mu.Unlock()
	for _, f := range todo {
		f()
	}
}

func epollCtl(ep, op, fd int, ev *unix.EpollEvent) unix.Errno {
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(ep), uintptr(op), uintptr(fd),
		uintptr(unsafe.Pointer(ev)), 0, 0)
	return errno
}
