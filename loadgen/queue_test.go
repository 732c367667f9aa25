package loadgen

import (
	"net"
	"testing"
	"time"

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
