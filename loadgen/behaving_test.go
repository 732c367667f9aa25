package loadgen

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

func connectAs(behave string, n int) StepPlan {
	return StepPlan{ID: "connect", Group: "bad", Connect: &ConnectPlan{Count: n, Rate: 1000, Timeout: 600 * time.Millisecond, Behave: behave}}
}

// What each offence looks like to the server, byte for byte where that matters.
func TestOffencesAsTheServerSeesThem(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 8)
	hear := func(behave string, serve func(net.Conn, *bufio.Reader)) *rig {
		r := startRig(t, 1, 1, server(t, func(c net.Conn) { serve(c, bufio.NewReader(c)) }))
		r.do(connectAs(behave, 1))
		return r
	}
	opened := func(f func(net.Conn, *bufio.Reader)) func(net.Conn, *bufio.Reader) {
		return func(c net.Conn, _ *bufio.Reader) {
			if r, ok := upgrade(c); ok {
				f(c, r)
			}
		}
	}
	hear(slowHead, func(c net.Conn, r *bufio.Reader) {
		begun, n := time.Now(), 0
		for {
			if _, err := r.ReadByte(); err != nil {
				break
			}
			if n++; n > 1 && time.Since(begun) < time.Duration(n-1)*95*time.Millisecond {
				t.Errorf("%d bytes after %v", n, time.Since(begun))
			}
		}
		if n < 4 || n > 7 {
			t.Errorf("%d bytes until the timeout", n)
		}
		seen <- slowHead
	})
	hear(garbage, opened(func(c net.Conn, r *bufio.Reader) {
		if h, err := ws.ReadHeader(r); err == nil && ws.CheckHeader(h, ws.StateServerSide) == nil {
			t.Errorf("garbage is a frame: %+v", h)
		}
		seen <- garbage
	}))
	hear(hugeClaim, opened(func(c net.Conn, r *bufio.Reader) {
		if h, err := ws.ReadHeader(r); err != nil || h.Length != 1<<62 || !h.Masked {
			t.Errorf("%+v, %v", h, err)
		}
		c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		if _, err := r.ReadByte(); err == nil {
			t.Errorf("something comes after it")
		}
		seen <- hugeClaim
	}))
	hear(earlyBytes, func(c net.Conn, r *bufio.Reader) {
		if _, err := http.ReadRequest(r); err != nil {
			t.Error(err)
		}
		c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		if h, err := ws.ReadHeader(r); err != nil || h.OpCode != ws.OpPing || !h.Masked {
			t.Errorf("%+v, %v", h, err)
		}
		seen <- earlyBytes
	})
	deaf := hear(neverRead, opened(func(c net.Conn, r *bufio.Reader) {
		c.SetWriteDeadline(time.Now().Add(2 * time.Second))
		block, total := frame(ws.OpBinary, make([]byte, 1<<16)), 0
		for {
			n, err := c.Write(block)
			if total += n; err != nil {
				break
			}
		}
		if total > 32<<20 {
			t.Errorf("the client has taken %d bytes", total)
		}
		seen <- neverRead
		io.Copy(io.Discard, r)
	}))
	for want := len(Behaviours()); want > 0; want-- {
		select {
		case <-seen:
		case <-time.After(5 * time.Second):
			t.Fatalf("%d offences were not seen", want)
		}
	}
	n := deaf.do(StepPlan{ID: "close", Group: "bad", Close: &ClosePlan{How: "reset", Timeout: time.Second}}).Counts
	if n.Closures["closed_by_us"] != 1 || len(n.Failures) != 0 {
		t.Errorf("%+v", n)
	}
}

// Offenders are counted by how they end, nothing of it is a corrupt message, and clients
// beside them have their answers.
func TestOffendersAtTheEcho(t *testing.T) {
	for behave, want := range map[string]struct {
		failures, closures string // the class of all; empty: none
		stay               bool
	}{
		slowHead:   {failures: "upgrade_stall"},
		garbage:    {closures: "closed_by_peer_1002"},
		neverRead:  {stay: true},
		hugeClaim:  {closures: "closed_by_peer_1009"},
		earlyBytes: {stay: true},
	} {
		t.Run(behave, func(t *testing.T) {
			t.Parallel()
			r := startRig(t, 1, 2, echoServer(t))
			r.do(connectOf("good", 4, 1000))
			sum := r.do(connectAs(behave, 6))
			bad := r.start(loadOf("bad", 6, 400*time.Millisecond))
			good := r.start(loadOf("good", 4, 400*time.Millisecond))
			all := r.await(bad, good)
			if n := all[good].Counts; n.Answered != 160 || len(n.Failures) != 0 {
				t.Errorf("bystanders: %+v", n)
			}
			sum.Merge(&all[bad].Recorder)
			n := sum.Counts
			if n.Corrupt != 0 || n.Failures["corrupt"]+n.Failures["protocol_error"] != 0 {
				t.Errorf("%+v", n)
			}
			if want.failures != "" && n.Failures[want.failures] != 6 || want.closures != "" && n.Closures[want.closures] != 6 {
				t.Errorf("failures %v, closures %v", n.Failures, n.Closures)
			}
			if open := all[bad].reports[0].Open["bad"].Len(); want.stay != (open == 6) {
				t.Errorf("%d stay; %+v", open, n)
			}
			if behave == neverRead && (n.Sent == 0 || n.Answered != 0 || n.Unanswered != n.Sent) {
				t.Errorf("%+v", n)
			}
			if !want.stay {
				return
			}
			c := r.do(StepPlan{ID: "close", Close: &ClosePlan{How: "clean", Timeout: time.Second}}).Counts
			if c.Closures["closed_by_us"] != 10 || len(c.Failures) != 0 {
				t.Errorf("%+v", c)
			}
		})
	}
}

func TestUnknownBehaviour(t *testing.T) {
	r := startRig(t, 1, 1, echoServer(t))
	r.start(connectAs("politely", 1))
	if m := <-r.inbox; m.Error == "" {
		t.Errorf("%+v", m)
	}
}
