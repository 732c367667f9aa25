package echo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"wsgauge/internal/evloop"
)

func TestTwoThousandConnections(t *testing.T) {
	const n = 2000
	need(t, 2*n+200)
	s := serve(t, Options{Loops: 2})
	peers := make([]*peer, n)
	var wg sync.WaitGroup
	var failed atomic.Int64
	for part := range 20 {
		wg.Go(func() {
			for i := part; i < n; i += 20 {
				c, early, _, err := ws.Dial(context.Background(), "ws://"+s.Addr().String()+"/")
				if err != nil || early != nil {
					failed.Add(1)
					continue
				}
				c.SetDeadline(time.Now().Add(30 * time.Second))
				peers[i] = &peer{t, c, nil}
			}
		})
	}
	wg.Wait()
	if f := failed.Load(); f > 0 {
		t.Fatalf("%d of %d handshakes failed", f, n)
	}
	if got := s.Connections(); got != n {
		t.Errorf("%d connections, want %d", got, n)
	}
	for round := range 2 {
		for i, p := range peers { // all are out before the first answer is read
			if _, err := p.Conn.Write(text(fmt.Sprintf("%d from %d", round, i))); err != nil {
				t.Fatal(err)
			}
		}
		for i, p := range peers {
			f, err := ws.ReadFrame(p.Conn)
			if want := fmt.Sprintf("%d from %d", round, i); err != nil || string(f.Payload) != want {
				t.Fatalf("%q, %v; want %q", f.Payload, err, want)
			}
		}
	}
	for _, p := range peers {
		p.Close()
	}
	settle(t, "connections", 0, s.Connections)
}

// need skips a test that the descriptor limit makes impossible.
func need(t testing.TB, descriptors uint64) {
	t.Helper()
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	if l.Cur < descriptors {
		t.Skipf("needs %d descriptors, the limit is %d; raise it with ulimit -n", descriptors, l.Cur)
	}
}

// onLoop runs f on the loop's thread.
func onLoop(t testing.TB, w *worker, f func()) {
	t.Helper()
	done := make(chan struct{})
	if !w.loop.Post(func() { f(); close(done) }) {
		t.Fatal("the loop has ended")
	}
	<-done
}

// A client that sends and does not read is not read from any more; what is held
// for it stays within one buffer, the others are served meanwhile, and nothing of
// it is lost when it reads at last.
func TestSlowReaderIsHeldBack(t *testing.T) {
	s := serve(t, Options{})
	// The client's receive buffer stays as it is: one that is smaller than a segment
	// of loopback (64 KiB) makes the kernel send by its persist timer, five times a
	// second.
	slow := open(t, s)
	other := open(t, s)
	message := pattern(10_000)
	frame := binary(message)
	const count = 5000 // 50 MB, far over what the kernel holds
	var sent atomic.Int64
	wrote := make(chan error, 1)
	go func() {
		for range count {
			n, err := slow.Write(frame)
			sent.Add(int64(n))
			if err != nil {
				wrote <- err
				return
			}
		}
		wrote <- nil
	}()
	last := int64(-1)
	for stable := 0; stable < 5; { // until the server takes no more
		time.Sleep(20 * time.Millisecond)
		if now := sent.Load(); now == last {
			stable++
		} else {
			last, stable = now, 0
		}
	}
	if last >= count*int64(len(frame)) {
		t.Fatal("everything was taken from a client that reads nothing")
	}
	w := s.workers[0]
	onLoop(t, w, func() {
		// All that the loop has ever needed is what the pool got or will get back:
		// one large buffer for the answer, at most one small one for a cut frame.
		if len(w.pool.large) > 0 || len(w.pool.small) > 1 {
			t.Errorf("%d large and %d small buffers were made besides", len(w.pool.large), len(w.pool.small))
		}
		if n := cap(w.loop.Scratch()); n > 256<<10 {
			t.Errorf("scratch of %d bytes", n)
		}
	})
	other.send(text("served meanwhile"))
	other.expect(ws.OpText, true, []byte("served meanwhile"))
	for range count {
		slow.expect(ws.OpBinary, true, message)
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
	onLoop(t, w, func() {
		if len(w.pool.large) != 1 {
			t.Errorf("%d large buffers came back, want 1", len(w.pool.large))
		}
	})
}

// A client that is owed an answer when the rules are broken, and never reads, is
// let go after a while.
func TestPartingIsBounded(t *testing.T) {
	s := serve(t, Options{})
	p := open(t, s)
	p.Conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		p.Conn.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
		for frame := binary(pattern(60_000)); ; {
			if _, err := p.Write(frame); err != nil {
				return
			}
		}
	}()
	<-wrote
	// So is an answer that ends a connection and does not get out: nobody ever
	// accepts, or reads, what is dialled here.
	deaf, addr, err := evloop.Listen(loopback, 1, false)
	if err != nil {
		t.Fatal(err)
	}
	defer evloop.CloseSocket(deaf)
	w := s.workers[0]
	onLoop(t, w, func() {
		fd, err := evloop.Dial(addr, netip.AddrPort{})
		if err != nil {
			t.Error(err)
			return
		}
		c := &conn{worker: w, fd: fd}
		c.timer.Owner = c
		if err := w.loop.Add(fd, evloop.Readable, c); err != nil {
			t.Error(err)
		}
		s.open.Add(1)
		c.send(make([]byte, 64<<20), finish)
	})
	p2 := open(t, s) // this one reads its Close and never sends FIN
	p2.send([]byte{0x81, 0x00})
	p2.expectClose(1002)
	if n := s.Connections(); n != 3 {
		t.Errorf("%d connections, want 3: one that does not read, two that are parting", n)
	}
	began := time.Now()
	settle(t, "connections", 1, s.Connections)
	if d := time.Since(began); d > partingLimit+time.Second {
		t.Errorf("parting took %v", d)
	}
}

// Without a descriptor left the server neither spins nor forgets: those that are
// open are served, those that wait are taken when there is room again.
func TestNoDescriptorLeft(t *testing.T) {
	var refused atomic.Int64
	s := serve(t, Options{Refused: func(error) { refused.Add(1) }})
	old := open(t, s)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	// The dial takes the lowest free number, and no number below that is left.
	next, err := syscall.Dup(0)
	if err != nil {
		t.Fatal(err)
	}
	syscall.Close(next)
	low := syscall.Rlimit{Cur: uint64(next) + 1, Max: limit.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	c, dialErr := net.Dial("tcp", s.Addr().String())
	began, cpu := time.Now(), cpuTime(t)
	for i := range 10 {
		old.send(text(fmt.Sprint("still here ", i)))
		old.expect(ws.OpText, true, fmt.Append(nil, "still here ", i))
		time.Sleep(20 * time.Millisecond)
	}
	spent, took := cpuTime(t)-cpu, time.Since(began)
	told := refused.Load()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if dialErr != nil {
		t.Fatal(dialErr)
	}
	defer c.Close()
	if told == 0 || told > int64(took/acceptPause)+2 {
		t.Errorf("accepting failed %d times in %v", told, took)
	}
	if spent > took/2 {
		t.Errorf("%v of CPU in %v: it spins", spent, took)
	}
	c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Write([]byte(handshake)); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 12)
	if _, err := io.ReadFull(c, head); err != nil || string(head) != "HTTP/1.1 101" {
		t.Errorf("the one that waited got %q, %v", head, err)
	}
}

func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestMessagesAllocateNothing(t *testing.T) {
	var k codec
	k.init(DefaultMaxMessage)
	s := session{upgraded: true}
	frames := join(text("a small text"), binary(pattern(300)), masked(ws.OpPing, true, []byte("p")),
		masked(ws.OpBinary, false, pattern(70_000))[:5000], // begun
	)
	more := pattern(65_000)
	buf := make([]byte, 0, 128<<10)
	if n := testing.AllocsPerRun(200, func() {
		s = session{upgraded: true}
		out, rest, after := k.consume(&s, append(buf, frames...))
		if len(out) == 0 || len(rest) != 0 || after != goOn {
			t.Fatalf("%d bytes, %d left, %d", len(out), len(rest), after)
		}
		k.consume(&s, append(buf, more...))
	}); n != 0 {
		t.Errorf("%v allocations a run", n)
	}
}

// The same over sockets: what the loop does around the codec.
func TestServingAllocatesNothing(t *testing.T) {
	s := serve(t, Options{})
	p := open(t, s)
	frame, answer := binary(pattern(100)), make([]byte, 102)
	round := func(n int) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range n {
			if _, err := p.Conn.Write(frame); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(p.Conn, answer); err != nil {
				t.Fatal(err)
			}
		}
		runtime.ReadMemStats(&after)
		return after.Mallocs - before.Mallocs
	}
	round(100)
	if n := round(2000); n > 200 {
		t.Errorf("%d allocations in 2000 messages", n)
	}
	if !bytes.Equal(answer[2:], pattern(100)) {
		t.Error("wrong echo")
	}
}
