package loadgen

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// start hands the agents a step and does not wait for it.
func (r *rig) start(p StepPlan) (serial int) {
	r.serial++
	p.Serial, p.StartAt = r.serial, time.Now().Add(20*time.Millisecond).UnixNano()
	for _, c := range r.commands {
		c <- Command{Step: &p}
	}
	return p.Serial
}

func (r *rig) tell(c Command) {
	for _, to := range r.commands {
		to <- c
	}
}

// outcome is what the agents have reported of a step.
type outcome struct {
	Recorder
	reports []StepReport
	failed  int // agents that have told of a first failure
	ended   time.Time
}

// await waits until all agents have reported the ends of the steps.
func (r *rig) await(serials ...int) map[int]*outcome {
	r.t.Helper()
	all := map[int]*outcome{}
	of := func(serial int) *outcome {
		if all[serial] == nil {
			all[serial] = &outcome{}
		}
		return all[serial]
	}
	for left := len(serials) * len(r.commands); left > 0; {
		switch m := r.next(); {
		case m.Interval != nil:
			if err := of(m.Interval.Serial).Add(m.Interval); err != nil {
				r.t.Fatal(err)
			}
		case m.Failed != 0:
			of(m.Failed).failed++
		case m.Step != nil:
			o := of(m.Step.Serial)
			o.reports = append(o.reports, *m.Step)
			o.ended = time.Now()
			left--
		}
	}
	return all
}

// members are connections 0 … n-1.
func members(n int) Set { return Set{{0, uint32(n - 1)}} }

func loadOf(group string, n int, d time.Duration) StepPlan {
	return StepPlan{ID: "send " + group, Group: group, Send: &SendPlan{Seed: 11, Members: members(n), Rate: 400,
		Size: Size{Min: 128, Max: 128}, For: d, Drain: time.Second, Arrivals: "constant", Fragments: 1}}
}

func connectOf(group string, n int, rate float64) StepPlan {
	return StepPlan{ID: "connect " + group, Group: group, Connect: &ConnectPlan{Count: n, Rate: rate, Timeout: 2 * time.Second}}
}

// What happens to a group is booked to the step that has it, whatever runs besides, and
// each step ends by itself.
func TestTogether(t *testing.T) {
	t.Parallel()
	for _, agents := range []int{1, 2} {
		r := startRig(t, agents, 3-agents, echoServer(t))
		r.do(connectOf("a", 10, 2000))
		r.do(connectOf("b", 5, 2000))
		long, short := r.start(loadOf("a", 10, time.Second)), r.start(loadOf("b", 5, 400*time.Millisecond))
		third := r.start(connectOf("c", 20, 100))
		all := r.await(long, short, third)
		if n := all[long].Counts; n.Scheduled != 400 || n.Answered != 400 || n.Opened != 0 || len(n.Failures) != 0 {
			t.Errorf("%d agents: group a: %+v", agents, n)
		}
		if n := all[short].Counts; n.Scheduled != 160 || n.Answered != 160 || len(n.Failures) != 0 {
			t.Errorf("%d agents: group b: %+v", agents, n)
		}
		if n := all[third].Counts; n.Opened != 20 || n.Sent != 0 {
			t.Errorf("%d agents: group c: %+v", agents, n)
		}
		if !all[short].ended.Before(all[long].ended.Add(-300 * time.Millisecond)) {
			t.Errorf("%d agents: the short step was reported when the long one was", agents)
		}
		peak := 0
		for _, report := range all[long].reports {
			peak += report.Peak
		}
		if peak != 35 {
			t.Errorf("%d agents: peak %d, want all 35 connections", agents, peak)
		}
	}
}

// Ends of connections go to the step of their group; those of a group that no step has
// wait for the next one that does.
func TestTogetherEndsAreBooked(t *testing.T) {
	t.Parallel()
	addr := server(t, func(c net.Conn) {
		if _, ok := upgrade(c); ok {
			time.Sleep(250 * time.Millisecond)
		}
	})
	r := startRig(t, 1, 2, addr)
	for _, group := range []string{"a", "b", "c"} {
		r.do(connectOf(group, 4, 2000))
	}
	hold := func(group string) StepPlan {
		return StepPlan{ID: "hold " + group, Group: group, Hold: &HoldPlan{For: 600 * time.Millisecond, Stay: true}}
	}
	a, b := r.start(hold("a")), r.start(hold("b"))
	all := r.await(a, b)
	late := r.do(hold("c"))
	for name, rec := range map[string]*Recorder{"a": &all[a].Recorder, "b": &all[b].Recorder, "c": late} {
		if n := rec.Counts.Closures; n["closed_by_peer"] != 4 || len(n) != 1 {
			t.Errorf("group %s: %v", name, n)
		}
	}
}

// Steps that would share a connection are refused.
func TestTogetherNeedsDisjointGroups(t *testing.T) {
	for _, second := range []string{"a", ""} {
		r := startRig(t, 1, 1, echoServer(t))
		r.start(StepPlan{ID: "first", Group: "a", Hold: &HoldPlan{For: time.Minute, Stay: true}})
		r.start(StepPlan{ID: "second", Group: second, Hold: &HoldPlan{For: time.Minute, Stay: true}})
		m := <-r.inbox
		if !strings.Contains(m.Error, "step second") || !strings.Contains(m.Error, "step first runs") {
			t.Errorf("%q: %+v", second, m)
		}
	}
}

// A quit ends all steps, and closes all connections, also those that no step has.
func TestTogetherQuit(t *testing.T) {
	for name, other := range map[string]StepPlan{
		"two loads": loadOf("b", 5, time.Minute),
		"requests":  {ID: "http", HTTP: &HTTPPlan{Rate: 100, For: time.Minute, Drain: time.Second, Connections: 2, Timeout: time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			r := startRig(t, 1, 2, echoServer(t))
			for _, group := range []string{"a", "b", "c"} {
				r.do(connectOf(group, 5, 2000))
			}
			first, second := r.start(other), r.start(loadOf("a", 5, time.Minute))
			time.Sleep(400 * time.Millisecond)
			told := time.Now()
			r.tell(Command{Quit: true})
			all := r.await(first, second)
			if took := time.Since(told); took > 2*time.Second {
				t.Errorf("took %v", took)
			}
			closed := all[first].Counts.Closures["closed_by_us"] + all[second].Counts.Closures["closed_by_us"]
			if closed != 15 || all[second].Counts.Closures["closed_by_us"] != 5 {
				t.Errorf("%d connections closed: %v, %v", closed, all[first].Counts.Closures, all[second].Counts.Closures)
			}
			if n := all[second].Counts; n.Sent == 0 || n.Answered != n.Sent {
				t.Errorf("%+v", n)
			}
			for _, o := range all {
				for _, report := range o.reports {
					if report.StoppedAt < told.UnixNano() {
						t.Errorf("stopped at %d", report.StoppedAt)
					}
				}
			}
		})
	}
}

// A canceled step ends early with all that was in it; what runs besides goes on.
func TestTogetherCancel(t *testing.T) {
	r := startRig(t, 2, 1, echoServer(t))
	r.do(connectOf("a", 6, 2000))
	r.do(connectOf("b", 6, 2000))
	goes := r.start(loadOf("b", 6, 1200*time.Millisecond))
	plans := []StepPlan{
		loadOf("a", 6, time.Minute),
		{ID: "hold", Group: "a", Hold: &HoldPlan{For: time.Minute, PingEvery: 50 * time.Millisecond}},
		{ID: "connect", Group: "c", Connect: &ConnectPlan{Count: 10_000, Rate: 100, Timeout: 10 * time.Second}},
	}
	for _, p := range plans {
		serial := r.start(p)
		time.Sleep(200 * time.Millisecond)
		told := time.Now()
		r.tell(Command{Cancel: serial})
		r.tell(Command{Cancel: 99}) // one that is over, or was never begun
		var o *outcome
		if p.ID == "connect" { // the last; await the other one as well
			all := r.await(serial, goes)
			o = all[serial]
			if n := all[goes].Counts; n.Answered == 0 {
				t.Errorf("%+v", n)
			}
		} else {
			o = r.awaitOne(serial)
		}
		if took := o.ended.Sub(told); took > 900*time.Millisecond {
			t.Errorf("%s: it took %v", p.ID, took)
		}
		for _, report := range o.reports {
			if report.StoppedAt < told.UnixNano() || len(o.reports) != 2 {
				t.Errorf("%s: %+v", p.ID, report)
			}
		}
		n := o.Counts
		if p.Send != nil && (n.Sent == 0 || n.Answered != n.Sent || n.Scheduled != n.Sent) ||
			p.Connect != nil && (n.Opened == 0 || n.Opened != n.Attempted || n.Opened > 60) || len(n.Failures)+len(n.Closures) != 0 {
			t.Errorf("%s: %+v", p.ID, n)
		}
		if h := o.Histogram(Ping); p.Hold != nil && (h == nil || h.TotalCount() < 12) {
			t.Errorf("the pings are gone")
		}
	}
}

// awaitOne waits for one step's end, and drops what others report meanwhile.
func (r *rig) awaitOne(serial int) *outcome {
	r.t.Helper()
	o := &outcome{}
	for len(o.reports) < len(r.commands) {
		switch m := r.next(); {
		case m.Interval != nil && m.Interval.Serial == serial:
			if err := o.Add(m.Interval); err != nil {
				r.t.Fatal(err)
			}
		case m.Step != nil && m.Step.Serial == serial:
			o.reports = append(o.reports, *m.Step)
			o.ended = time.Now()
		}
	}
	return o
}

// limited is a server that upgrades n connections and leaves all others without an
// answer, or refuses them.
func limited(t *testing.T, n int, refuse bool) *rig {
	taken := make(chan struct{}, n)
	return startRig(t, 2, 1, server(t, func(c net.Conn) {
		select {
		case taken <- struct{}{}:
		default:
			if refuse {
				io.WriteString(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
				return
			}
			io.Copy(io.Discard, c)
			return
		}
		if read, ok := upgrade(c); ok {
			io.Copy(io.Discard, read)
		}
	}))
}

// A client that connects until the first failure says so at once, and then, told by the
// controller, nobody begins anything more; what is in flight is decided.
func TestUntilFailure(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]bool{"refused": true, "stalled": false} {
		t.Run(name, func(t *testing.T) {
			r := limited(t, 25, refuse)
			serial := r.start(StepPlan{ID: "until", Group: "main", Connect: &ConnectPlan{Count: 100_000, Rate: 100,
				Timeout: 300 * time.Millisecond, UntilFailure: true}})
			told := 0
			sum := &Recorder{}
			for done := 0; done < 2; {
				switch m := r.next(); {
				case m.Failed != 0:
					if told++; m.Failed != serial {
						t.Errorf("step %d has failed", m.Failed)
					}
					r.tell(Command{Halt: serial})
				case m.Interval != nil:
					if err := sum.Add(m.Interval); err != nil {
						t.Fatal(err)
					}
				case m.Step != nil:
					done++
				}
			}
			n := sum.Counts
			class, most := "upgrade_status_503", int64(10)
			if !refuse {
				class, most = "upgrade_stall", 60 // those of the timeout's length are in flight
			}
			if n.Opened != 25 || n.Attempted != n.Opened+n.Failures[class] || len(n.Failures) != 1 || n.Failures[class] > most {
				t.Errorf("%+v", n)
			}
			if told < 1 || told > 2 {
				t.Errorf("%d agents told of a failure", told)
			}
		})
	}
}

// Without a word of the controller a worker's own failure ends its own attempts alone.
func TestUntilFailureOfOneWorker(t *testing.T) {
	t.Parallel()
	r := limited(t, 10, true)
	o := r.await(r.start(StepPlan{ID: "until", Group: "main", Connect: &ConnectPlan{Count: 1000, Rate: 200,
		Timeout: time.Second, UntilFailure: true}}))[1]
	if n := o.Counts; o.failed != 2 || n.Opened != 10 || n.Failures["upgrade_status_503"] < 2 || n.Attempted > 30 {
		t.Errorf("%d told; %+v", o.failed, n)
	}
	// An attempt that fails before it is out ends the step as well.
	r = startRig(t, 1, 1, server(t, func(net.Conn) {}))
	if o := r.await(r.start(connectUntil())); o[1].failed != 1 || o[1].Counts.Attempted > 50 {
		t.Errorf("%+v", o[1].Counts)
	}
}

func connectUntil() StepPlan {
	return StepPlan{ID: "until", Group: "main", Connect: &ConnectPlan{Count: 1000, Rate: 200, Timeout: time.Second, UntilFailure: true}}
}
