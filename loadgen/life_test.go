package loadgen

import (
	"bufio"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"pgregory.net/rapid"
)

func newRandom(*testing.T) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{}) }

func TestReconnectDelay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := ReconnectPlan{After: time.Duration(rapid.Int64Range(1, 1e12).Draw(t, "after")), Factor: rapid.Float64Range(1, 100).Draw(t, "factor"),
			Jitter: rapid.Float64Range(0, 1).Draw(t, "jitter")}
		r.Max = r.After + time.Duration(rapid.Int64Range(0, 1e15).Draw(t, "more"))
		tries := rapid.IntRange(0, 5000).Draw(t, "tries")
		low, middle, high := r.delay(tries, 0), r.delay(tries, 0.5), r.delay(tries, 1)
		if low < 0 || low > middle || middle > high || middle > r.Max+1 || middle < r.After-1 {
			t.Fatalf("%v %v %v", low, middle, high)
		}
		if next := r.delay(tries+1, 0.5); next < middle {
			t.Fatalf("%v after %v", next, middle)
		}
		if slack := time.Duration(float64(middle)*r.Jitter) + 2; high-middle > slack || middle-low > slack {
			t.Fatalf("%v to %v around %v with jitter %v", low, high, middle, r.Jitter)
		}
	})
	r := ReconnectPlan{After: time.Second, Factor: 2, Max: 5 * time.Second}
	for tries, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second} {
		if got := r.delay(tries, 0.3); got != want {
			t.Errorf("after %d failures %v, want %v", tries, got, want)
		}
	}
}

// Connections with a lifetime close and open anew, and what is sent meanwhile is
// answered or counted as not sent.
func TestLifetime(t *testing.T) {
	t.Parallel()
	r := startRig(t, 2, 1, echoServer(t))
	got := r.do(StepPlan{ID: "connect", Group: "main", Connect: &ConnectPlan{Count: 10, Rate: 2000, Timeout: time.Second, Lifetime: 200 * time.Millisecond}}).Counts
	sent := r.send(10, func(p *SendPlan) { p.For, p.Rate = time.Second, 2000 }).Counts
	if sent.Closures["closed_by_us"] < 30 || sent.Closures["closed_by_us"] > 60 || sent.Attempted < 30 {
		t.Errorf("a lifetime of 200 ms on 10 connections for a second: %+v", sent)
	}
	if sent.Unanswered != 0 || len(sent.Failures) != 0 || sent.Answered != sent.Sent || sent.Sent+sent.NotSent["ended"] != sent.Scheduled {
		t.Errorf("%+v", sent)
	}
	closed := r.do(StepPlan{ID: "close", Close: &ClosePlan{How: "clean", Timeout: 2 * time.Second}}).Counts
	if total := got.Attempted + sent.Attempted + closed.Attempted; total != got.Opened+sent.Opened+closed.Opened {
		t.Errorf("%d attempts, and none failed: %+v", total, closed)
	}
	after := r.do(StepPlan{ID: "wait", Hold: &HoldPlan{For: 400 * time.Millisecond, Stay: true}}).Counts
	if after.Attempted != 0 || r.open["main"].Len() != 0 {
		t.Errorf("after the close step: %+v", after)
	}
	opened, ended := got.Opened+sent.Opened+closed.Opened, got.Closures["closed_by_us"]+sent.Closures["closed_by_us"]+closed.Closures["closed_by_us"]
	if opened != ended {
		t.Errorf("%d opened, %d closed", opened, ended)
	}
}

// A backend that goes and comes back has its clients again: each attempt is counted,
// those that fail too, and the delay grows.
func TestClientsComeBack(t *testing.T) {
	t.Parallel()
	const clients = 300
	var refuse atomic.Bool
	var conns atomic.Pointer[chan struct{}]
	first := make(chan struct{})
	conns.Store(&first)
	addr := server(t, func(c net.Conn) {
		if refuse.Load() {
			return
		}
		end := *conns.Load()
		if _, ok := upgrade(c); !ok {
			return
		}
		go func() { <-end; c.Close() }()
		io.Copy(io.Discard, c)
	})
	r := startRig(t, 2, 1, addr)
	plan := &ConnectPlan{Count: clients, Rate: 5000, Timeout: 2 * time.Second, Seed: 3,
		Reconnect: &ReconnectPlan{After: 100 * time.Millisecond, Factor: 2, Jitter: 0.5, Max: time.Second}}
	if n := r.do(StepPlan{ID: "connect", Group: "main", Connect: plan}).Counts; n.Opened != clients {
		t.Fatalf("%+v", n)
	}
	second := make(chan struct{})
	t.Cleanup(func() { close(second) })
	refuse.Store(true)
	conns.Store(&second)
	time.AfterFunc(50*time.Millisecond, func() { close(first) })
	time.AfterFunc(400*time.Millisecond, func() { refuse.Store(false) })
	n := r.do(StepPlan{ID: "hold", Group: "main", Hold: &HoldPlan{For: 2500 * time.Millisecond}}).Counts
	failed := n.Failures["upgrade_closed"] + n.Failures["dial_refused"]
	if n.Closures["closed_by_peer"]+n.Closures["closed_reset"] != clients || n.Opened != clients || failed < clients || n.Attempted != n.Opened+failed {
		t.Errorf("%+v", n)
	}
	if open := r.open["main"].Len(); open != clients {
		t.Errorf("%d of %d came back", open, clients)
	}
	closed := r.do(StepPlan{ID: "close", Close: &ClosePlan{How: "reset", Timeout: time.Second}}).Counts
	if closed.Closures["closed_by_us"] != clients || r.open["main"].Len() != 0 {
		t.Errorf("%+v", closed)
	}
}

// Without reconnect what the other side has ended stays ended, also in a churn.
func TestStaysAway(t *testing.T) {
	t.Parallel()
	addr := server(t, func(c net.Conn) { upgrade(c) })
	r := startRig(t, 1, 1, addr)
	r.do(StepPlan{ID: "connect", Group: "main", Connect: &ConnectPlan{Count: 3, Rate: 1000, Timeout: time.Second, Lifetime: time.Second}})
	n := r.do(StepPlan{ID: "wait", Hold: &HoldPlan{For: 300 * time.Millisecond, Stay: true}}).Counts
	if n.Attempted != 0 || r.open["main"].Len() != 0 {
		t.Errorf("%+v", n)
	}
}

// unacked is how many bytes the socket has sent that were not acknowledged (SIOCOUTQ).
func unacked(t *testing.T, c net.Conn) int {
	t.Helper()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	n := int32(0)
	if err := raw.Control(func(fd uintptr) {
		syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCOUTQ, uintptr(unsafe.Pointer(&n)))
	}); err != nil {
		t.Fatal(err)
	}
	return int(n)
}

// The peer of a connection that vanished gets nothing: no FIN, no answer, not even
// an acknowledgement; at the end the socket is aborted.
func TestVanish(t *testing.T) {
	t.Parallel()
	type peer struct {
		c    net.Conn
		done chan error
	}
	peers := make(chan peer, 4)
	addr := server(t, func(c net.Conn) {
		if _, ok := upgrade(c); !ok {
			return
		}
		p := peer{c, make(chan error, 1)}
		peers <- p
		_, err := io.Copy(io.Discard, c)
		p.done <- err
	})
	r := startRig(t, 1, 1, addr)
	r.connect(2)
	a, b := <-peers, <-peers
	got := r.do(StepPlan{ID: "close", Group: "main", Close: &ClosePlan{How: "vanish", Timeout: time.Second}}).Counts
	if got.Closures["closed_by_us"] != 2 || r.open["main"].Len() != 0 {
		t.Errorf("%+v", got)
	}
	for _, p := range []peer{a, b} {
		if _, err := p.c.Write(frame(9, []byte("anyone there?"))); err != nil {
			t.Error(err)
		}
		select {
		case err := <-p.done:
			t.Errorf("the peer heard something: %v", err)
		case <-time.After(150 * time.Millisecond):
		}
		if n := unacked(t, p.c); n == 0 {
			t.Error("what the peer sent was acknowledged")
		}
	}
	r.do(StepPlan{ID: "", Close: &ClosePlan{How: "clean", Timeout: time.Second, Final: true}})
	for _, p := range []peer{a, b} {
		select {
		case err := <-p.done:
			if err == nil {
				t.Error("the peer saw FIN, not RST")
			}
		case <-time.After(2 * time.Second):
			t.Error("the socket is still there after the end")
		}
	}
}

// A client whose attempt fails, and that will try again, is no reason to end a hold
// that has no other.
func TestHoldAwaitsTheLastClient(t *testing.T) {
	t.Parallel()
	var turn atomic.Int32
	addr := server(t, func(c net.Conn) {
		switch turn.Add(1) {
		case 1:
			upgrade(c)
			time.Sleep(100 * time.Millisecond) // and ends it, within the hold
		case 2, 3: // ends it in place of the answer
			http.ReadRequest(bufio.NewReader(c))
		default:
			if _, ok := upgrade(c); ok {
				io.Copy(io.Discard, c)
			}
		}
	})
	r := startRig(t, 1, 1, addr)
	r.do(StepPlan{ID: "connect", Group: "main", Connect: &ConnectPlan{Count: 1, Rate: 1000, Timeout: time.Second,
		Reconnect: &ReconnectPlan{After: 50 * time.Millisecond, Factor: 1, Max: time.Second}}})
	n := r.do(StepPlan{ID: "hold", Group: "main", Hold: &HoldPlan{For: 600 * time.Millisecond}}).Counts
	if n.Attempted != 3 || n.Opened != 1 || n.Failures["upgrade_closed"] != 2 || r.open["main"].Len() != 1 {
		t.Errorf("%+v", n)
	}
}
