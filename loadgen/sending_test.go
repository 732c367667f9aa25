package loadgen

import (
	"testing"
	"time"
)

// fake gives a bare worker these connections, as if they were open.
func (w *worker) fake(name string, numbers ...uint32) *group {
	g := w.group(name)
	for _, n := range numbers {
		g.put(w, n, &conn{worker: w, group: g, number: n, fd: -1, state: open})
	}
	return g
}

// hourly is an hour of 10,000 messages a second over 1,000 connections: to walk through
// it takes seconds.
func hourly() *SendPlan {
	return &SendPlan{Members: Set{{0, 999}}, Open: Set{{0, 999}}, Rate: 10_000, For: time.Hour, Size: Size{Min: 20, Max: 20}}
}

// A worker without an open connection does not walk through a schedule that cannot
// concern it.
func TestNothingOpenNothingWalked(t *testing.T) {
	for _, pattern := range []string{"echo", "broadcast"} {
		w := bareWorker(t, Assignment{Agents: 1, Workers: 1})
		g := w.fake("main", 5)
		g.conns[5].state = ended
		p := hourly()
		p.Pattern = pattern
		if err := w.alone(g).startSend(p, g, 0); err != nil {
			t.Fatal(err)
		}
		s := g.step.sending
		if n := s.source.(*draws).n; n != 0 || s.more || !s.sentAll || s.timer.At() < s.finish {
			t.Errorf("%s: %d messages walked; more: %v; ends at %d, not %d", pattern, n, s.more, s.timer.At(), s.finish)
		}
	}
}

// Who has few of many connections finds its messages in time, all of them, and never
// walks far at once. A worker that only receives broadcasts counts them in the same way.
func TestFewOfMany(t *testing.T) {
	w := bareWorker(t, Assignment{Agents: 1, Workers: 1})
	g := w.fake("main", 777)
	p := hourly()
	p.Members, p.For = Set{{0, 9_999}}, 20*time.Second
	if err := w.alone(g).startSend(p, g, 0); err != nil {
		t.Fatal(err)
	}
	var want []due
	for d, at := newDraws(p, p.Members.List()), int64(0); at < int64(p.For); {
		var n uint64
		var number uint32
		if n, at, number = d.next(); number == 777 && at < int64(p.For) {
			want = append(want, due{n, at, number})
		}
	}
	if len(want) < 5 {
		t.Fatalf("a schedule of %d messages shows nothing", len(want))
	}
	s := g.step.sending
	var got []due
	for before := uint64(0); s.more; s.advance() {
		n := s.source.(*draws).n
		if n-before > 2_000 {
			t.Fatalf("%d messages at once", n-before)
		}
		before = n
		if !s.seeks {
			got = append(got, s.next)
		} else if s.turn() > s.next.at-int64(100*time.Millisecond) {
			t.Fatalf("looks on at %d for what is due from %d", s.turn(), s.next.at)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d messages, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("message %d is %+v, want %+v", i, got[i], want[i])
		}
	}
	receiver := bareWorker(t, Assignment{Agents: 1, Workers: 1})
	g = receiver.fake("main", 20_000)
	g.conns[20_000].ask = &asked{acked: true}
	p.Pattern, p.For = "broadcast", time.Second
	if err := receiver.alone(g).startSend(p, g, 0); err != nil {
		t.Fatal(err)
	}
	for s = g.step.sending; s.more; s.advance() {
	}
	if s.expected < 900 || s.expected > 1_100 { // a tenth of the members are open
		t.Errorf("%d broadcasts expected, want about 1,000", s.expected)
	}
}

// The same over real connections: one of 5,000 is open, and gets what is drawn for it.
func TestOneOfManyIsServed(t *testing.T) {
	t.Parallel()
	r := startRig(t, 2, 1, echoServer(t))
	r.do(StepPlan{ID: "connect", Group: "main", Connect: &ConnectPlan{First: 3333, Count: 1, Rate: 1000, Timeout: time.Second}})
	plan := &SendPlan{Seed: 5, Rate: 200_000, Members: Set{{0, 4_999}}, Size: Size{Min: 64, Max: 64}, For: 500 * time.Millisecond,
		Drain: time.Second, Arrivals: "constant"}
	want := int64(0)
	for d, at := newDraws(plan, plan.Members.List()), int64(0); ; {
		var number uint32
		if _, at, number = d.next(); at >= int64(plan.For) {
			break
		}
		if number == 3333 {
			want++
		}
	}
	n := r.do(StepPlan{ID: "send", Group: "main", Send: plan}).Counts
	if want < 5 || n.Scheduled != want || n.Answered != want {
		t.Errorf("want %d: %+v", want, n)
	}
}
