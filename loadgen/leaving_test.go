package loadgen

import (
	"io"
	"net"
	"testing"
	"time"
)

// quitDuring starts a step, tells the agents to quit in the middle of it, and
// returns what they reported.
func (r *rig) quitDuring(p StepPlan, after time.Duration) *Recorder {
	r.t.Helper()
	r.serial++
	p.Serial, p.StartAt = r.serial, time.Now().Add(20*time.Millisecond).UnixNano() // else a short step may be over before
	for _, c := range r.commands {
		c <- Command{Step: &p}
	}
	time.Sleep(after)
	told := time.Now()
	for _, c := range r.commands {
		c <- Command{Quit: true}
	}
	sum := &Recorder{}
	for done := 0; done < len(r.commands); {
		m := r.next()
		switch {
		case m.Interval != nil:
			if err := sum.Add(m.Interval); err != nil {
				r.t.Fatal(err)
			}
		case m.Step != nil:
			done++
			if at := time.Unix(0, m.Step.StoppedAt); at.Before(told) || time.Since(at) > 2*time.Second {
				r.t.Errorf("stopped at %v, told at %v", at, told)
			}
			for name, set := range m.Step.Open {
				if set.Len() > 0 {
					r.t.Errorf("%d connections of %s are open", set.Len(), name)
				}
			}
		}
	}
	if took := time.Since(told); took > 2*time.Second {
		r.t.Errorf("the agents needed %v to end", took)
	}
	return sum
}

// allClosed wants every connection that was opened before to be closed by us.
func allClosed(t *testing.T, c *Counts, opened int64) {
	t.Helper()
	if c.Closures["closed_by_us"] != opened || len(c.Closures) != 1 {
		t.Errorf("closures %v, want %d by us", c.Closures, opened)
	}
}

func sendFor(n int, d time.Duration) StepPlan {
	p := &SendPlan{Seed: 11, Rate: 1000, Size: Size{Min: 128, Max: 128}, For: d, Drain: 5 * time.Second, Arrivals: "constant", Fragments: 1}
	for i := range n {
		p.Members.Add(uint32(i))
	}
	return StepPlan{ID: "send", Group: "main", Send: p}
}

// A step that is given up is reported as far as it went, and its sums are sums.
func TestQuitDuringSend(t *testing.T) {
	for _, agents := range []int{1, 2} {
		r := startRig(t, agents, 3-agents, echoServer(t))
		r.connect(40)
		c := r.quitDuring(sendFor(40, time.Minute), 400*time.Millisecond).Counts
		if c.Sent < 200 || c.Sent > 600 || c.Answered != c.Sent || c.Unanswered != 0 || c.Scheduled != c.Sent || len(c.Failures) != 0 {
			t.Errorf("%d agents: %+v", agents, c)
		}
		allClosed(t, &c, 40)
	}
}

// Nobody answers: what was sent is unanswered, and the end is not waited for.
func TestQuitWithoutAnswers(t *testing.T) {
	r := startRig(t, 1, 1, server(t, func(c net.Conn) {
		if read, ok := upgrade(c); ok {
			io.Copy(io.Discard, read)
		}
	}))
	r.connect(10)
	c := r.quitDuring(sendFor(10, time.Minute), 300*time.Millisecond).Counts
	if c.Sent == 0 || c.Unanswered != c.Sent || c.Answered != 0 {
		t.Errorf("%+v", c)
	}
	allClosed(t, &c, 10)
}

func TestQuitDuringOtherSteps(t *testing.T) {
	addr := echoServer(t)
	for name, p := range map[string]StepPlan{
		"hold":  {ID: "hold", Hold: &HoldPlan{For: time.Minute, PingEvery: 100 * time.Millisecond}},
		"wait":  {ID: "wait", Hold: &HoldPlan{For: time.Minute, Stay: true}},
		"close": {ID: "close", Close: &ClosePlan{How: "clean", Timeout: 5 * time.Second, Which: map[string]Set{}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := startRig(t, 1, 2, addr)
			r.connect(20)
			c := r.quitDuring(p, 0).Counts
			allClosed(t, &c, 20)
		})
	}
	t.Run("connect", func(t *testing.T) {
		r := startRig(t, 1, 2, addr)
		p := StepPlan{ID: "connect", Group: "main", Connect: &ConnectPlan{Count: 100_000, Rate: 200, Timeout: 10 * time.Second}}
		c := r.quitDuring(p, 300*time.Millisecond).Counts
		if c.Opened == 0 || c.Opened != c.Attempted || c.Opened > 200 {
			t.Errorf("%+v", c)
		}
		allClosed(t, &c, c.Opened)
	})
	t.Run("connect to nobody", func(t *testing.T) {
		silent := server(t, func(c net.Conn) { io.Copy(io.Discard, c) })
		r := startRig(t, 1, 1, silent)
		p := StepPlan{ID: "connect", Group: "main", Connect: &ConnectPlan{Count: 100_000, Rate: 200, Timeout: 10 * time.Second}}
		c := r.quitDuring(p, 300*time.Millisecond).Counts
		if c.Attempted == 0 || c.Opened != 0 || len(c.Failures) != 0 || len(c.Closures) != 0 {
			t.Errorf("%+v", c)
		}
	})
}

// Loads without a schedule of their own end as well.
func TestQuitDuringOtherLoads(t *testing.T) {
	for name, change := range map[string]func(*SendPlan){
		"closed loop": func(p *SendPlan) { p.Closed, p.Rate = true, 0 },
		"push":        func(p *SendPlan) { p.Pattern = "push" },
	} {
		t.Run(name, func(t *testing.T) {
			r := startRig(t, 1, 2, echoServer(t))
			r.connect(20)
			p := sendFor(20, time.Minute)
			change(p.Send)
			c := r.quitDuring(p, 400*time.Millisecond).Counts
			got := c.Answered
			if name == "push" {
				got = c.Delivered
				if c.Sent > 900 { // of 1000 a second, for 0.4 s
					t.Errorf("%d are said to be sent", c.Sent)
				}
			}
			if got == 0 || c.Sent != got+c.Unanswered || c.Unanswered > c.Sent/4 {
				t.Errorf("%+v", c)
			}
			allClosed(t, &c, 20)
		})
	}
}
