package loadgen

import (
	"testing"
	"time"

	"wsgauge/internal/evloop"
)

// A generator that stood still sends its heartbeats late, and says how late: the round
// trips, which begin when they were due, would be the target's otherwise.
func TestLateHeartbeatsHaveLag(t *testing.T) {
	t.Parallel()
	r := startRig(t, 1, 1, echoServer(t))
	r.connect(10)
	const late = 250 * time.Millisecond
	got := r.doAt(StepPlan{ID: "hold", Group: "main", Hold: &HoldPlan{For: 300 * time.Millisecond, PingEvery: 100 * time.Millisecond}}, -late)
	n := got.Counts
	if n.PingsDue != 30 || n.PingsSent != 30 || n.PingsAnswered != 30 || len(n.PingsNotSent) != 0 {
		t.Errorf("pings: due %d, sent %d, answered %d, not sent %v; want 30 of each", n.PingsDue, n.PingsSent, n.PingsAnswered, n.PingsNotSent)
	}
	lag, round := got.Histogram(PingLag), got.Histogram(Ping)
	if lag == nil || round == nil || lag.TotalCount() != 30 {
		t.Fatalf("lag %v, round trips %v", lag, round)
	}
	// The first was due 10 ms after the start.
	if lag.Max() < int64(late-50*time.Millisecond) || lag.Max() > round.Max() {
		t.Errorf("lag %v at most, round trip %v; the step began %v late", time.Duration(lag.Max()), time.Duration(round.Max()), late)
	}
	if got.Histogram(SendLag) != nil {
		t.Error("heartbeats are in the send lag, which is of messages")
	}
}

// What was due and never came to its turn is counted: every ping of the step's time is
// sent or not sent, however late its worker is.
func TestHeartbeatsWithoutTurn(t *testing.T) {
	for name, c := range map[string]struct{ sent, ended int64 }{
		"none sent": {0, 0}, "some": {37, 0}, "all": {100, 0}, "one connection has ended": {37, 1},
	} {
		w := bareWorker(t, Assignment{Agents: 1, Workers: 1})
		g := w.fake("main", 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
		r := w.alone(g)
		start := evloop.Now() - int64(time.Hour)
		r.startHold(&HoldPlan{For: time.Second, PingEvery: 100 * time.Millisecond}, "main", start)
		h := r.holding
		had := int64(0) // of the connection that ends
		for range c.sent {
			if h.beat%10 == 4 {
				had++
			}
			h.beat++
		}
		want := 100 - c.sent
		if c.ended > 0 {
			g.conns[4].state = ended
			want -= 10 - had
		}
		h.over = true
		r.check()
		if n := r.rec.Counts; n.PingsNotSent["no_turn"] != want || n.PingsDue != want {
			t.Errorf("%s: due %d, not sent %v; want %d", name, n.PingsDue, n.PingsNotSent, want)
		}
	}
	// Here the worker is a real one, which begins after the time is over and even its grace.
	t.Run("too late", func(t *testing.T) {
		r := startRig(t, 1, 1, echoServer(t))
		r.connect(10)
		n := r.doAt(StepPlan{ID: "hold", Hold: &HoldPlan{For: 100 * time.Millisecond, PingEvery: 2 * time.Millisecond}}, -2*time.Second).Counts
		if n.PingsDue != 500 || n.PingsNotSent["no_turn"] == 0 || n.PingsSent+n.PingsNotSent["no_turn"] != n.PingsDue {
			t.Errorf("due %d, sent %d, not sent %v; want 500 due, and some without a turn", n.PingsDue, n.PingsSent, n.PingsNotSent)
		}
	})
}
