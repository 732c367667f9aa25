package loadgen

import (
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"pgregory.net/rapid"

	"wsgauge/echo/order"
)

// The backend pushes what the schedule says, to everyone, and every time is known.
func TestPush(t *testing.T) {
	t.Parallel()
	addr := echoServer(t)
	for _, c := range []struct {
		name   string
		agents int
		change func(*SendPlan)
		want   int64 // scheduled; 0: by chance
	}{
		{"constant", 1, nil, 300},
		{"two agents", 2, nil, 300},
		{"poisson", 1, func(p *SendPlan) { p.Arrivals = "poisson" }, 0},
		{"every", 2, func(p *SendPlan) { p.Rate, p.Every, p.Phase = 0, 50*time.Millisecond, "random" }, 20 * 6},
		{"together", 1, func(p *SendPlan) { p.Rate, p.Every, p.Phase = 0, 50*time.Millisecond, "together" }, 20 * 6},
		{"text", 1, func(p *SendPlan) { p.Text, p.Size = true, Size{Min: 40, Max: 60} }, 300},
		{"tiny", 1, func(p *SendPlan) { p.Size = Size{Min: 16, Max: 30} }, 300},
		{"fragments", 1, func(p *SendPlan) { p.Fragments, p.Size = 5, Size{Min: 30, Max: 200 << 10} }, 300},
		{"large", 1, func(p *SendPlan) { p.Rate, p.Size = 50, Size{Bytes: []int{16, 5 << 20}, Weights: []float64{1, 1}} }, 15},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := startRig(t, c.agents, 1, addr)
			r.connect(20)
			got := r.send(20, func(p *SendPlan) {
				p.Pattern, p.Warmup = "push", 50*time.Millisecond
				if c.change != nil {
					c.change(p)
				}
			})
			n := got.Counts
			if n.Scheduled == 0 || c.want != 0 && n.Scheduled != c.want || n.Sent != n.Scheduled || n.Delivered != n.Sent || n.Received != n.Sent {
				t.Errorf("want %d: %+v", c.want, n)
			}
			if n.Answered != 0 || n.Unanswered != 0 || n.Corrupt != 0 || len(n.Failures) != 0 || len(n.NotSent) != 0 || n.BytesReceived < 16*n.Sent {
				t.Errorf("%+v", n)
			}
			if h := got.Histogram(ResponseTime); h == nil || h.TotalCount() != n.Sent || h.Min() <= 0 {
				t.Error("not every message has a response time")
			}
			if h := got.Histogram(SendLag); h == nil || c.change == nil && h.TotalCount() != n.Sent {
				t.Error("not every message tells the backend's lag")
			}
			if h := got.Histogram(Jitter); c.name != "large" && (h == nil || h.TotalCount() < n.Sent/2) {
				t.Error("no jitter")
			}
			if c.name != "constant" {
				return
			}
			// The connections echo again.
			if n := r.send(20, nil).Counts; n.Answered != 300 || len(n.Failures) != 0 {
				t.Errorf("echo after push: %+v", n)
			}
		})
	}
}

// Workers without a connection of their own end the step as the others do.
func TestFewerConnectionsThanWorkers(t *testing.T) {
	t.Parallel()
	addr := echoServer(t)
	for name, change := range map[string]func(*SendPlan){
		"rate":   nil,
		"every":  func(p *SendPlan) { p.Rate, p.Every = 0, 10*time.Millisecond },
		"closed": func(p *SendPlan) { p.Rate, p.Closed = 0, true },
		"push":   func(p *SendPlan) { p.Rate, p.Pattern = 100, "push" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startRig(t, 2, 2, addr)
			r.connect(1)
			if n := r.send(1, change).Counts; n.Sent < 20 || n.Answered+n.Delivered != n.Sent || len(n.Failures) != 0 {
				t.Errorf("%+v", n)
			}
		})
	}
}

// Agents get what one would have got.
func TestPushIsTheSameOverAgents(t *testing.T) {
	t.Parallel()
	addr := echoServer(t)
	bytes := func(agents int) int64 {
		r := startRig(t, agents, 1, addr)
		r.connect(9)
		return r.send(9, func(p *SendPlan) { p.Pattern, p.Arrivals, p.Size = "push", "poisson", Size{Min: 16, Max: 5000} }).Counts.BytesReceived
	}
	if one, three := bytes(1), bytes(3); one != three {
		t.Errorf("one agent got %d bytes, three got %d", one, three)
	}
}

// The streams of all members are as many messages as the plan asks for.
func TestStreamsTogetherAreThePlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.IntRange(1, 40).Draw(t, "members")
		p := &SendPlan{Seed: rapid.Uint64().Draw(t, "seed"), For: time.Duration(rapid.Int64Range(1e6, 1e9).Draw(t, "for")),
			Warmup: time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "warmup")), Size: Size{Min: 16, Max: 100}}
		even := rapid.Bool().Draw(t, "every")
		if even {
			p.Every, p.Phase = time.Duration(rapid.Int64Range(1e6, 1e9).Draw(t, "period")), "spread"
		} else {
			p.Rate = rapid.Float64Range(1, 2000).Draw(t, "rate")
		}
		s := &sending{plan: p, worker: &worker{}}
		total := 0
		for i := range m {
			o := s.push(uint32(i), i, m)
			if err := (&order.Order{Push: o}).Check(); err != nil {
				t.Fatal(err)
			}
			stream, err := o.Stream()
			if err != nil {
				t.Fatal(err)
			}
			// In the first period the members follow each other evenly.
			period := float64(p.Every)
			if !even {
				period = float64(m) * 1e9 / p.Rate
			}
			if want := period * float64(i) / float64(m); float64(o.Offset) > want+1 || float64(o.Offset) < want-2 {
				t.Fatalf("member %d of %d begins at %d, want %v", i, m, o.Offset, want)
			}
			last := int64(-1)
			for d, more := stream.Next(); more; d, more = stream.Next() {
				if d.At < last || d.At >= int64(p.Warmup+p.For) || d.Counts != (d.At >= int64(p.Warmup)) {
					t.Fatalf("%+v after %d", d, last)
				}
				last = d.At
				total++
			}
		}
		// One stream of all would have had as many, up to one more or less at the ends of each.
		length := float64(p.Warmup + p.For)
		want := p.Rate * length / 1e9
		if even {
			want = float64(m) * length / float64(p.Every)
		}
		if diff := float64(total) - want; diff > float64(m)+1 || diff < -float64(m)-1 {
			t.Fatalf("%d messages, want about %v", total, want)
		}
	})
}

// Streams end with their connections: what was due later was not sent.
func TestPushToThoseWhoLeave(t *testing.T) {
	t.Parallel()
	addr := echoServer(t)
	r := startRig(t, 1, 1, addr)
	r.do(StepPlan{ID: "connect", Group: "main", Connect: &ConnectPlan{Count: 4, Rate: 2000, Timeout: time.Second, Lifetime: 300 * time.Millisecond}})
	n := r.send(4, func(p *SendPlan) { p.Pattern, p.For, p.Drain = "push", 600*time.Millisecond, 200*time.Millisecond }).Counts
	if n.Scheduled != 600 || n.Sent+n.NotSent["ended"] != 600 || n.NotSent["ended"] < 200 || n.Delivered < 100 || n.Unanswered > 8 {
		t.Errorf("%+v", n)
	}
}

func TestBroadcast(t *testing.T) {
	t.Parallel()
	addr := echoServer(t)
	for _, c := range []struct {
		name   string
		agents int
		change func(*SendPlan)
	}{
		{"one agent", 1, nil},
		{"three agents", 3, nil},
		{"two agents of two", 2, func(p *SendPlan) { p.Arrivals = "poisson" }},
		{"text in fragments", 1, func(p *SendPlan) { p.Text, p.Fragments, p.Size = true, 3, Size{Min: 40, Max: 9000} }},
		{"tiny", 2, func(p *SendPlan) { p.Size = Size{Min: 16, Max: 24} }},
		{"large", 1, func(p *SendPlan) { p.Rate, p.Size, p.Fragments = 20, Size{Min: 100 << 10, Max: 1 << 20}, 2 }},
		{"every", 2, func(p *SendPlan) { p.Rate, p.Every, p.Phase = 0, 100*time.Millisecond, "spread" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			workers := 1
			if strings.HasSuffix(c.name, "of two") {
				workers = 2
			}
			r := startRig(t, c.agents, workers, addr)
			const members = 15
			r.connect(members)
			r.do(StepPlan{ID: "join", Group: "main", Join: &JoinPlan{Room: t.Name()}})
			got := r.send(members, func(p *SendPlan) {
				p.Pattern, p.Rate, p.Warmup, p.Open = "broadcast", 200, 50*time.Millisecond, r.open["main"]
				if c.change != nil {
					c.change(p)
				}
			})
			n := got.Counts
			if n.Sent == 0 || n.Sent != n.Scheduled || n.Delivered != n.Sent*members || n.Received != n.Delivered {
				t.Errorf("%+v", n)
			}
			if n.Receivers != members || n.ToReceivers != n.Delivered || n.Missing() != 0 || n.Answered != 0 || n.Unanswered != 0 || n.Corrupt != 0 || len(n.Failures) != 0 {
				t.Errorf("%+v", n)
			}
			if h := got.Histogram(ResponseTime); h == nil || h.TotalCount() != n.Delivered {
				t.Error("not every delivery has a response time")
			}
			if h := got.Histogram(SendLag); h == nil || h.TotalCount() != n.Sent {
				t.Error("not every message has a send lag")
			}
			for _, s := range r.seconds {
				if s.Seconds > 3 {
					t.Error("the drain went on though everything had come")
				}
			}
			if c.name != "three agents" {
				return
			}
			if n := r.send(members, nil).Counts; n.Answered != 300 || len(n.Failures) != 0 {
				t.Errorf("echo after broadcast: %+v", n)
			}
		})
	}
}

// A backend that knows no orders is found out by its first answer.
func TestBackendWithoutOrders(t *testing.T) {
	t.Parallel()
	addr := frames(t, func(h ws.Header, p []byte) ([]byte, bool) { return frame(h.OpCode, p), h.OpCode != ws.OpClose })
	r := startRig(t, 1, 1, addr)
	r.connect(1)
	r.commands[0] <- Command{Step: &StepPlan{ID: "send", Group: "main", Serial: 99, StartAt: time.Now().UnixNano(),
		Send: &SendPlan{Members: Set{{0, 0}}, Rate: 10, Size: Size{Min: 20, Max: 20}, For: 100 * time.Millisecond, Drain: time.Second, Pattern: "push"}}}
	for {
		select {
		case m := <-r.inbox:
			if m.Error == "" {
				continue
			}
			if !strings.Contains(m.Error, "need wsgauge's own") {
				t.Error(m.Error)
			}
			return
		case <-time.After(5 * time.Second):
			t.Fatal("no error")
		}
	}
}

func TestPingsOfTheBackend(t *testing.T) {
	t.Parallel()
	r := startRig(t, 2, 1, echoServer(t))
	r.connect(10)
	got := r.do(StepPlan{ID: "hold", Group: "main", Hold: &HoldPlan{For: 350 * time.Millisecond, PingEvery: 100 * time.Millisecond, PingFrom: "backend"}})
	// The first comes within the first period, the others one period apart.
	if h := got.Histogram(Ping); h == nil || h.TotalCount() < 28 || h.TotalCount() > 40 || h.Max() > 1e9 {
		t.Errorf("a ping every 100 ms for 350 ms on 10 connections: %v round trips", h)
	}
	if n := r.send(10, nil).Counts; n.Answered != 300 || len(n.Failures) != 0 || r.open["main"].Len() != 10 {
		t.Errorf("echo after pings: %+v", n)
	}
	if got := r.do(StepPlan{ID: "hold", Group: "main", Hold: &HoldPlan{For: 200 * time.Millisecond}}); got.Histogram(Ping) != nil {
		t.Error("the pings went on")
	}
}

// Connections that come back in a hold get their pings again, those too that were away
// when it began, and the pings end with it.
func TestPingsOfTheBackendAfterComingBack(t *testing.T) {
	t.Parallel()
	r := startRig(t, 1, 1, echoServer(t))
	r.do(StepPlan{ID: "connect", Group: "main", Connect: &ConnectPlan{Count: 10, Rate: 2000, Timeout: time.Second, Lifetime: 300 * time.Millisecond}})
	got := r.do(StepPlan{ID: "hold", Group: "main", Hold: &HoldPlan{For: 1500 * time.Millisecond, PingEvery: 50 * time.Millisecond, PingFrom: "backend"}})
	// Of each connection's first life some five pings come, and as many of each other.
	if h := got.Histogram(Ping); h == nil || h.TotalCount() < 100 || got.Counts.Attempted < 20 {
		t.Errorf("%d round trips, %+v", h.TotalCount(), got.Counts)
	}
	if len(got.Counts.Failures) != 0 || got.Counts.Corrupt != 0 {
		t.Errorf("%+v", got.Counts)
	}
	if got := r.do(StepPlan{ID: "hold", Group: "main", Hold: &HoldPlan{For: 200 * time.Millisecond}}); got.Histogram(Ping) != nil {
		t.Error("the pings went on")
	}
}
