package runner

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"wsgauge/loadgen"
)

// Of spans that overlap no moment counts twice, in whatever order they come.
func TestCovered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spans := rapid.SliceOf(rapid.Custom(func(t *rapid.T) span {
			from := rapid.Int64Range(0, 90).Draw(t, "from")
			return span{from, from + rapid.Int64Range(0, 10).Draw(t, "length")}
		})).Draw(t, "spans")
		want := 0
		for moment := range int64(100) {
			if slices.ContainsFunc(spans, func(s span) bool { return s.from <= moment && moment < s.to }) {
				want++
			}
		}
		if got := covered(spans); got != time.Duration(want) {
			t.Fatalf("%v cover %d, want %d", spans, got, want)
		}
	})
}

// What the agents say comes to the step that it is about; one that nobody gathers any
// more keeps nobody waiting.
func TestHub(t *testing.T) {
	h, inbox, deaths, done := newHub(), make(chan loadgen.Message), make(chan error, 4), make(chan struct{})
	go h.run(inbox, deaths, done)
	one, two := h.listen(1), h.listen(2)
	inbox <- loadgen.Message{Agent: 0, Step: &loadgen.StepReport{Serial: 2}}
	inbox <- loadgen.Message{Agent: 1, Interval: &loadgen.IntervalReport{Serial: 1}}
	inbox <- loadgen.Message{Agent: 2, Failed: 2}
	inbox <- loadgen.Message{Agent: 3, Failed: 9}
	if m := <-one.messages; m.Agent != 1 {
		t.Errorf("step 1 got %+v", m)
	}
	if m := <-two.messages; m.Agent != 0 {
		t.Errorf("step 2 got %+v", m)
	}
	if m := <-two.messages; m.Agent != 2 {
		t.Errorf("step 2 got %+v", m)
	}
	go func() { // more than a step's part holds
		for range 200 {
			inbox <- loadgen.Message{Failed: 1}
		}
		inbox <- loadgen.Message{Agent: 7, Failed: 2}
	}()
	time.Sleep(10 * time.Millisecond)
	h.leave(1)
	if m := <-two.messages; m.Agent != 7 {
		t.Errorf("step 2 got %+v", m)
	}
	deaths <- nil // one that we ended
	deaths <- errors.New("it crashed")
	<-h.failed
	inbox <- loadgen.Message{Agent: 1, Error: "which follows from that"}
	if err := h.why(); err == nil || err.Error() != "it crashed" {
		t.Errorf("why: %v", err)
	}
	close(done)
	<-h.ended
	if len(two.messages) > 0 {
		t.Errorf("step 2 has more: %+v", <-two.messages)
	}
}

// The controller goes behind everybody while latency is measured, unless a step that
// runs at the same time would leave it nothing.
func TestStances(t *testing.T) {
	of := func(p loadgen.StepPlan) running { return running{stance: stanceIn(&job{plan: &p})} }
	open, closed := of(loadgen.StepPlan{Send: &loadgen.SendPlan{}}), of(loadgen.StepPlan{Send: &loadgen.SendPlan{Closed: true}})
	connect, http := of(loadgen.StepPlan{Connect: &loadgen.ConnectPlan{}}), of(loadgen.StepPlan{HTTP: &loadgen.HTTPPlan{}})
	hold := of(loadgen.StepPlan{Hold: &loadgen.HoldPlan{}})
	own := running{stance: stanceIn(&job{plan: &loadgen.StepPlan{Hold: &loadgen.HoldPlan{}}, act: func(context.Context, *deed) error { return nil }})}
	for _, c := range []struct {
		running []running
		want    stance
	}{
		{nil, anywhere}, {[]running{open}, behind}, {[]running{http}, behind}, {[]running{hold}, behind},
		{[]running{closed}, inTime}, {[]running{connect}, inTime}, {[]running{own}, anywhere},
		{[]running{open, own}, behind}, {[]running{open, http, hold}, behind}, {[]running{open, connect}, inTime},
		{[]running{closed, http}, inTime},
	} {
		if got := together(c.running); got != c.want {
			t.Errorf("%v: %v, want %v", c.running, got, c.want)
		}
	}
}

// After a connect until failure only what is open counts as asked for, and what came
// before it is as it was.
func TestUntilFailureAsks(t *testing.T) {
	set := func(numbers ...uint32) (s loadgen.Set) {
		for _, n := range numbers {
			s.Add(n)
		}
		return s
	}
	c := newCourse(&trial{})
	g := c.group("main")
	g.total, g.closed[1] = 10, true
	plan := &loadgen.StepPlan{Group: "main", Connect: &loadgen.ConnectPlan{First: 4, Count: 6, UntilFailure: true}}
	c.settle(branch{}, plan, map[string]loadgen.Set{"main": set(0, 4, 6)})
	for n, want := range []bool{false, true, false, false, false, true, false, true, true, true} {
		if g.closed[uint32(n)] != want {
			t.Errorf("connection %d: left out %v, want %v", n, g.closed[uint32(n)], want)
		}
	}
	// Beside other steps a report about their groups may be older than their own.
	other := c.group("other")
	other.open = set(1, 2)
	c.settle(branch{beside: true}, plan, map[string]loadgen.Set{"main": set(0), "other": set(1)})
	if other.open.Len() != 2 || g.open.Len() != 1 {
		t.Errorf("open: %d of main, %d of other", g.open.Len(), other.open.Len())
	}
}
