package loadgen

import (
	"encoding/binary"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"wsgauge/internal/evloop"
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
// none out of turn.
func TestTheLatestPingIsAnswered(t *testing.T) {
	t.Parallel()
	const pings = 100_000 // 13 MB of pongs, which no pair of sockets holds
	type outcome struct {
		pongs int
		last  uint64
		err   error
	}
	result := make(chan outcome, 1)
	addr := server(t, func(c net.Conn) {
		var o outcome
		defer func() { result <- o }()
		c.(*net.TCPConn).SetReadBuffer(64 << 10)
		r, ok := upgrade(c)
		if !ok {
			return
		}
		payload := make([]byte, 125)
		for i := range uint64(pings) {
			binary.LittleEndian.PutUint64(payload, i+1)
			if _, o.err = c.Write(frame(ws.OpPing, payload)); o.err != nil {
				return
			}
		}
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		for o.last < pings {
			var f ws.Frame
			if f, o.err = ws.ReadFrame(r); o.err != nil {
				return
			}
			f = ws.UnmaskFrameInPlace(f)
			n := binary.LittleEndian.Uint64(f.Payload)
			if f.Header.OpCode != ws.OpPong || len(f.Payload) != 125 || n <= o.last {
				o.err = fmt.Errorf("%v %d after %d", f.Header.OpCode, n, o.last)
				return
			}
			o.last = n
			o.pongs++
		}
	})
	r := startRig(t, 1, 1, addr)
	r.connect(1)
	r.do(StepPlan{ID: "hold", Group: "main", Hold: &HoldPlan{For: 5 * time.Second}})
	o := <-result
	if o.err != nil || o.last != pings || o.pongs == pings {
		t.Errorf("%+v of %d pings", o, pings)
	}
}
