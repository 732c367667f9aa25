package loadgen

import (
	"net/http"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// What a generator sends that is late by more than the drain is answered all the same:
// that it comes late is no failure of the target.
func TestDrainOfLateMessages(t *testing.T) {
	t.Parallel()
	addr := frames(t, func(h ws.Header, p []byte) ([]byte, bool) {
		time.Sleep(5 * time.Millisecond)
		return frame(h.OpCode, p), true
	})
	r := startRig(t, 1, 1, addr)
	r.connect(5)
	p := &SendPlan{Seed: 11, Members: Set{{0, 4}}, Rate: 100, Size: Size{Min: 128, Max: 128}, For: 300 * time.Millisecond,
		Drain: 400 * time.Millisecond, Arrivals: "constant", Fragments: 1}
	n := r.doAt(StepPlan{ID: "send", Group: "main", Send: p}, -time.Second).Counts
	if n.Sent != 30 || n.Answered != 30 || len(n.Failures) != 0 {
		t.Errorf("%+v", n)
	}
}

// A drain goes on no longer than it has to: it is not longer for who was in time.
func TestDrainEnds(t *testing.T) {
	t.Parallel()
	r := startRig(t, 1, 1, frames(t, func(ws.Header, []byte) ([]byte, bool) { return nil, true }))
	r.connect(1)
	begun := time.Now()
	n := r.send(1, func(p *SendPlan) { p.Rate, p.For, p.Drain = 100, 100*time.Millisecond, 200*time.Millisecond }).Counts
	if n.Unanswered != 10 {
		t.Errorf("%+v", n)
	}
	if took := time.Since(begun); took < 300*time.Millisecond || took > 900*time.Millisecond {
		t.Errorf("a window of 100 ms and a drain of 200 ms took %v", took)
	}
}

func TestDrainOfLateRequests(t *testing.T) {
	t.Parallel()
	addr, _ := web(t, func(w http.ResponseWriter, _ *http.Request) { time.Sleep(5 * time.Millisecond) }, nil)
	r := startRig(t, 1, 1, addr)
	n := r.doAt(httpStep(func(p *HTTPPlan) {
		p.Rate, p.Warmup, p.For, p.Drain = 100, 0, 300*time.Millisecond, 400*time.Millisecond
	}), -time.Second).Counts
	if n.HTTPSent != 30 || n.HTTPAnswered != 30 || len(n.Failures) != 0 {
		t.Errorf("%+v", n)
	}
}
