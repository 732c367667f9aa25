package loadgen

import (
	"bufio"
	"encoding/binary"
	"net"
	"os"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"wsgauge/internal/evloop"
	"wsgauge/loadgen/wire"
)

// bareWorker is a worker whose loop does not run: the test is its thread.
func bareWorker(t *testing.T, a Assignment) *worker {
	t.Helper()
	w, err := newWorker(a, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.loop.Discard)
	return w
}

// alone is a step that has the groups, for a test that sees to it itself.
func (w *worker) alone(groups ...*group) *running {
	r := &running{worker: w, plan: &StepPlan{}, tell: deaf{}}
	w.steps = append(w.steps, r)
	for _, g := range groups {
		r.take(g)
	}
	return r
}

type deaf struct{}

func (deaf) done()   {}
func (deaf) failed() {}

// A peer that resets before our FIN ends its connection, and nothing else.
func TestResetBeforeOurFIN(t *testing.T) {
	addr := server(t, func(c net.Conn) { c.(*net.TCPConn).SetLinger(0) })
	w := bareWorker(t, Assignment{Agents: 1, Workers: 1})
	fd, err := evloop.Dial(addr, w.local(0))
	if err != nil {
		t.Fatal(err)
	}
	c := &conn{worker: w, group: w.group("main"), fd: int32(fd), state: closingFIN, queue: &queue{}}
	c.timer.Owner = c
	if err := w.loop.Add(fd, evloop.Readable, c); err != nil {
		t.Fatal(err)
	}
	var p [1]byte
	for until := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := evloop.Read(fd, p[:]); err != nil && err != evloop.ErrAgain {
			break // the reset is here
		}
		if time.Now().After(until) {
			t.Fatal("no reset")
		}
	}
	if c.flush() {
		t.Error("the connection goes on")
	}
	if c.state != ended || w.err != nil {
		t.Errorf("state %d, and the worker has failed: %v", c.state, w.err)
	}
}

// Who pings much and reads little gets the answer to the latest ping all the same, and
// none out of turn. The two share a pair of Unix sockets: over TCP the kernel may come to
// a standstill for minutes when neither side of a connection reads small segments.
func TestTheLatestPingIsAnswered(t *testing.T) {
	t.Parallel()
	const pings = 100_000 // 13 MB of pongs, which no pair of sockets holds
	w := bareWorker(t, Assignment{Agents: 1, Workers: 1})
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	peer := os.NewFile(uintptr(pair[1]), "peer")
	defer peer.Close()
	c := &conn{worker: w, group: w.group("main"), fd: int32(pair[0]), state: open}
	c.timer.Owner = c
	if err := w.loop.Add(pair[0], evloop.Readable, c); err != nil {
		t.Fatal(err)
	}
	payload := make([]byte, 125)
	most := 0
	for i := range uint64(pings) {
		binary.LittleEndian.PutUint64(payload, i+1)
		if !c.Control(wire.Ping, payload) {
			t.Fatal("the connection has ended")
		}
		if c.queue != nil {
			most = max(most, c.queue.pending())
		}
	}
	if most > 1<<10 {
		t.Errorf("%d bytes were queued", most)
	}
	last, pongs := uint64(0), 0
	for r := bufio.NewReader(peer); last < pings; {
		peer.SetReadDeadline(time.Now().Add(10 * time.Second))
		f, err := ws.ReadFrame(r)
		if err != nil {
			t.Fatalf("after %d of %d: %v", last, pings, err)
		}
		f = ws.UnmaskFrameInPlace(f)
		n := binary.LittleEndian.Uint64(f.Payload)
		if f.Header.OpCode != ws.OpPong || len(f.Payload) != 125 || n <= last {
			t.Fatalf("%v %d after %d", f.Header.OpCode, n, last)
		}
		last = n
		pongs++
		c.flush() // there is room again
	}
	if pongs == pings || c.queue != nil {
		t.Errorf("%d pongs to %d pings; queue %+v", pongs, pings, c.queue)
	}
}
