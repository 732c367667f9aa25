package loadgen

import (
	"encoding/binary"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// A closed loop is as fast as its answers, has one message on each connection, and
// knows no send lag.
func TestClosedLoop(t *testing.T) {
	t.Parallel()
	const answer = 20 * time.Millisecond
	addr := frames(t, func(h ws.Header, p []byte) ([]byte, bool) {
		if h.OpCode == ws.OpClose {
			return nil, false
		}
		time.Sleep(answer)
		return frame(h.OpCode, p), true
	})
	for _, agents := range []int{1, 2} {
		r := startRig(t, agents, 1, addr)
		r.connect(8)
		got := r.send(8, func(p *SendPlan) {
			p.Rate, p.Closed, p.For, p.Warmup, p.Size = 0, true, 400*time.Millisecond, 100*time.Millisecond, Size{Min: 20, Max: 3000}
		})
		n := got.Counts
		if n.Sent < 8*10 || n.Sent > 8*21 {
			t.Errorf("%d agents: 8 connections with answers after %v sent %d messages in 400 ms", agents, answer, n.Sent)
		}
		if n.Scheduled != n.Sent || n.Answered != n.Sent || n.OnTime != n.Sent || n.Unanswered != 0 || len(n.Failures) != 0 {
			t.Errorf("%+v", n)
		}
		if got.Histogram(SendLag) != nil {
			t.Error("a closed loop has a send lag")
		}
		response, service := got.Histogram(ResponseTime), got.Histogram(ServiceTime)
		if response.TotalCount() != n.Sent || response.Max() != service.Max() || response.Min() < int64(answer) {
			t.Errorf("response %v to %v, service at most %v", response.Min(), response.Max(), service.Max())
		}
		for _, s := range r.seconds {
			if s.Outstanding > 8 {
				t.Errorf("%d messages outstanding on 8 connections", s.Outstanding)
			}
		}
	}
}

// Sizes are drawn by connection and turn, so that agents share the load as one
// would have made it.
func TestClosedLoopSizes(t *testing.T) {
	t.Parallel()
	load := func(agents int) map[string]bool {
		sizes := make(chan string, 1000)
		addr := frames(t, func(h ws.Header, p []byte) ([]byte, bool) {
			if h.OpCode != ws.OpBinary {
				return nil, false
			}
			sizes <- fmt.Sprint(binary.LittleEndian.Uint32(p[4:]), " ", len(p))
			return nil, true // so that each connection sends one
		})
		r := startRig(t, agents, 1, addr)
		r.connect(12)
		r.send(12, func(p *SendPlan) {
			p.Rate, p.Closed, p.For, p.Drain, p.Size = 0, true, 100*time.Millisecond, 50*time.Millisecond, Size{Min: 20, Max: 10000}
		})
		got := map[string]bool{}
		for len(sizes) > 0 {
			got[<-sizes] = true
		}
		return got
	}
	one, three := load(1), load(3)
	if len(one) != 12 || !maps.Equal(one, three) {
		t.Errorf("one agent sends %v, three send %v", one, three)
	}
}
