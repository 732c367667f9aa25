package evloop

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// start runs a new loop and returns it with a function that stops it and waits.
func start(t testing.TB) (*Loop, func()) {
	t.Helper()
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- l.Run() }()
	var once sync.Once
	stop := func() {
		once.Do(func() {
			l.Stop()
			select {
			case err := <-done:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(10 * time.Second):
				t.Error("the loop did not stop")
			}
		})
	}
	t.Cleanup(stop)
	return l, stop
}

// on runs f on the loop's thread and waits for it.
func on(t testing.TB, l *Loop, f func()) {
	t.Helper()
	done := make(chan struct{})
	if !l.Post(func() { f(); close(done) }) {
		t.Fatal("the loop has ended")
	}
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("the loop did not run what was posted")
	}
}

func descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// pair returns the two ends of a non-blocking stream.
func pair(t testing.TB) (a, b int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fds[0], fds[1]
}

type readyFunc func(Events)

func (f readyFunc) Ready(e Events) { f(e) }

func TestPostFromManyGoroutines(t *testing.T) {
	l, stop := start(t)
	const posters, each = 16, 500
	ran := 0 // only the loop's thread touches it
	last := make([]int, posters)
	disorder := 0
	var wg sync.WaitGroup
	for p := range posters {
		wg.Go(func() {
			for i := 1; i <= each; i++ {
				if !l.Post(func() {
					ran++
					if last[p] != i-1 {
						disorder++
					}
					last[p] = i
				}) {
					t.Error("refused while the loop ran")
				}
			}
		})
	}
	wg.Wait()
	stop()
	if ran != posters*each || disorder != 0 {
		t.Errorf("%d of %d functions ran, %d out of their poster's order", ran, posters*each, disorder)
	}
	if l.Post(func() {}) {
		t.Error("a loop that has ended accepts a function")
	}
}

// What Post has accepted runs, also when the loop ends in the same turn: it may
// carry a descriptor.
func TestAcceptedPostsRunWhenTheLoopEnds(t *testing.T) {
	for range 50 {
		l, stop := start(t)
		var accepted, ran atomic.Int64
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for l.Post(func() { ran.Add(1) }) {
					accepted.Add(1)
					runtime.Gosched()
				}
			})
		}
		l.Stop()
		wg.Wait()
		stop()
		if accepted.Load() != ran.Load() {
			t.Fatalf("%d accepted, %d ran", accepted.Load(), ran.Load())
		}
	}
}

func TestStopLeavesNoDescriptor(t *testing.T) {
	before := descriptors(t)
	l, stop := start(t)
	for range 20 {
		a, b := pair(t)
		on(t, l, func() {
			for _, fd := range []int{a, b} {
				if err := l.Add(fd, Readable, readyFunc(func(Events) {})); err != nil {
					t.Error(err)
				}
			}
		})
	}
	on(t, l, func() {
		if l.Open() != 40 {
			t.Errorf("Open() = %d, want 40", l.Open())
		}
	})
	stop()
	l.Stop() // harmless
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors after, %d before", after, before)
	}
	if err := l.Run(); err == nil {
		t.Error("a loop ran a second time")
	}
}

func TestDiscardLeavesNoDescriptor(t *testing.T) {
	before := descriptors(t)
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	a, b := pair(t)
	if err := l.Add(a, 0, readyFunc(func(Events) {})); err != nil {
		t.Fatal(err)
	}
	l.Post(func() {
		if err := l.Add(b, 0, readyFunc(func(Events) {})); err != nil {
			t.Error(err)
		}
	})
	l.Discard()
	l.Discard()
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors after, %d before", after, before)
	}
}

func TestAddAndWantErrors(t *testing.T) {
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Discard()
	a, b := pair(t)
	defer CloseSocket(b)
	h := readyFunc(func(Events) {})
	if err := l.Add(-1, Readable, h); err == nil {
		t.Error("Add(-1) succeeded")
	}
	if err := l.Want(a, Readable); err == nil {
		t.Error("Want of an unwatched descriptor succeeded")
	}
	if err := l.Add(a, Readable, h); err != nil {
		t.Error(err)
	}
	if err := l.Add(a, Readable, h); err == nil {
		t.Error("a descriptor was added twice")
	}
	l.Remove(a)
	if err := l.Add(a, Readable, h); err != nil {
		t.Errorf("Add after Remove: %v", err)
	}
}

// The first handler of a batch closes the second's descriptor and opens another
// that gets the same number: the event that waits in the batch is not for it.
func TestReusedNumberGetsNoOldEvent(t *testing.T) {
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	a, aPeer := pair(t)
	b, bPeer := pair(t)
	for _, fd := range []int{aPeer, bPeer} {
		if _, err := unix.Write(fd, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	var fresh, freshPeer int
	told := 0
	reopen := func(other int) {
		told++
		if told > 1 {
			t.Error("the closed descriptor's handler was called")
			return
		}
		l.Close(other)
		fresh, freshPeer = pair(t)
		if fresh != other {
			t.Fatalf("descriptor %d was not reused, got %d", other, fresh)
		}
		if err := l.Add(fresh, Readable, readyFunc(func(e Events) {
			t.Errorf("the new descriptor was told %#x, and nothing has come for it", e)
		})); err != nil {
			t.Error(err)
		}
	}
	if err := l.Add(a, Readable, readyFunc(func(Events) { reopen(b); l.Remove(a) })); err != nil {
		t.Fatal(err)
	}
	if err := l.Add(b, Readable, readyFunc(func(Events) { reopen(a); l.Remove(b) })); err != nil {
		t.Fatal(err)
	}
	tm := Timer{Owner: ExpireFunc(func(int64) { l.Stop() })}
	l.Arm(&tm, Now()+int64(20*time.Millisecond))
	if err := l.Run(); err != nil {
		t.Fatal(err)
	}
	if told != 1 {
		t.Errorf("%d handlers called, want 1", told)
	}
	for _, fd := range []int{a, b, aPeer, bPeer, freshPeer} {
		if fd != fresh { // the loop has closed that one
			CloseSocket(fd)
		}
	}
}

// What a handler no longer wants is not told, even from the same batch.
func TestWantHoldsWithinABatch(t *testing.T) {
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	var fds [2]int
	for i := range fds {
		a, b := pair(t)
		defer CloseSocket(b)
		if _, err := unix.Write(b, []byte("x")); err != nil {
			t.Fatal(err)
		}
		fds[i] = a
		other := 1 - i
		if err := l.Add(a, Readable, readyFunc(func(Events) {
			calls++
			if err := l.Want(fds[other], 0); err != nil {
				t.Error(err)
			}
			if err := l.Want(a, 0); err != nil {
				t.Error(err)
			}
		})); err != nil {
			t.Fatal(err)
		}
	}
	tm := Timer{Owner: ExpireFunc(func(int64) { l.Stop() })}
	l.Arm(&tm, Now()+int64(20*time.Millisecond))
	if err := l.Run(); err != nil {
		t.Fatal(err)
	}
	if calls != 1 {
		t.Errorf("%d calls, want 1", calls)
	}
}

func TestPunctualThread(t *testing.T) {
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	l.Punctual(100e3, 5) // to go behind others needs no right
	thread := make(chan int, 1)
	late := make(chan int64, 1)
	l.Post(func() {
		thread <- unix.Gettid()
		due := Now() + 20e6
		l.Arm(&Timer{Owner: ExpireFunc(func(int64) { late <- Now() - due; l.Stop() })}, due)
	})
	end := make(chan int, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := l.Run(); err != nil {
			t.Error(err)
		}
		raw, _ := unix.Getpriority(unix.PRIO_PROCESS, 0)
		end <- 20 - raw
	}()
	if raw, err := unix.Getpriority(unix.PRIO_PROCESS, <-thread); err != nil || 20-raw != 5 {
		t.Errorf("the loop's thread has nice %d (%v), want 5", 20-raw, err)
	}
	if late := <-late; late < 0 {
		t.Errorf("a timer went off %d ns before its time", -late)
	}
	// Only root can go back from nice 5; the point is that nothing stays raised.
	if nice := <-end; os.Geteuid() == 0 && nice != 0 {
		t.Errorf("after the loop its thread has nice %d, want 0", nice)
	}
}

func TestLoopsLeaveAProcessor(t *testing.T) {
	was := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(was)
	var loops []*Loop
	for range 3 {
		l, _ := start(t)
		loops = append(loops, l)
	}
	for _, l := range loops {
		on(t, l, func() {})
	}
	if n := runtime.GOMAXPROCS(0); n < 4 {
		t.Errorf("3 loops and the rest share %d of Go's processors, want 4", n)
	}
}
