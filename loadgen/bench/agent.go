package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"wsgauge/internal/bus"
	"wsgauge/internal/proc"
	"wsgauge/internal/runner"
	"wsgauge/loadgen"
)

// agent is a `wsgauge agent` process, told what to do as a run would tell it.
type agent struct {
	*proc.Child
	rig     *rig
	trial   string
	inbox   chan loadgen.Message
	ended   chan struct{} // closed when nobody reads the inbox any more
	silence func() error
	serial  int
}

// group is the one to which all connections of a benchmark belong.
const group = "main"

// agent starts one whose single worker will dial addr.
func (r *rig) agent(ctx context.Context, cpus string, addr netip.AddrPort) (*agent, error) {
	return r.trustingAgent(ctx, cpus, addr, nil)
}

// trustingAgent starts one that speaks TLS when there is somebody to trust.
func (r *rig) trustingAgent(ctx context.Context, cpus string, addr netip.AddrPort, trust *loadgen.Trust) (*agent, error) {
	a := &agent{rig: r, trial: randomName(), inbox: make(chan loadgen.Message, 64), ended: make(chan struct{})}
	take := func(m loadgen.Message) {
		select {
		case a.inbox <- m:
		case <-a.ended:
		}
	}
	var err error
	a.silence, err = bus.Receive(r.conn, runner.ReportSubject(a.trial), take,
		func(err error) { take(loadgen.Message{Error: err.Error()}) })
	if err != nil {
		return nil, err
	}
	a.Child, err = r.start("agent", cpus, []string{runner.EnvNATS + "=" + r.server.URL()},
		r.executable, "agent", "--trial", a.trial, "--index", "0")
	if err != nil {
		return nil, err
	}
	if err := a.ready(ctx, addr, trust); err != nil {
		return nil, errors.Join(err, a.stop())
	}
	return a, nil
}

func (a *agent) ready(ctx context.Context, addr netip.AddrPort, trust *loadgen.Trust) error {
	for m := (loadgen.Message{}); !m.Hello; {
		var err error
		if m, err = a.next(ctx, 10*time.Second); err != nil {
			return err
		}
	}
	// Some source addresses: one has no more than 28,000 ports, those in TIME_WAIT
	// among them.
	var sources []netip.Addr
	for i := range 8 {
		sources = append(sources, netip.AddrFrom4([4]byte{127, 2, byte(a.rig.serial), byte(i + 1)}))
	}
	err := a.send(loadgen.Command{Assign: &loadgen.Assignment{Agents: 1, Workers: 1, Seed: 1,
		Addrs: []netip.AddrPort{addr}, Sources: sources, Host: addr.String(), Path: "/", TLS: trust}})
	for m := (loadgen.Message{}); err == nil && !m.Ready; {
		m, err = a.next(ctx, 10*time.Second)
	}
	return err
}

func (a *agent) send(c loadgen.Command) error {
	return a.rig.conn.Send(runner.CommandSubject(a.trial, 0), c)
}

func (a *agent) next(ctx context.Context, within time.Duration) (loadgen.Message, error) {
	limit := time.NewTimer(within)
	defer limit.Stop()
	select {
	case m := <-a.inbox:
		if m.Error != "" {
			return m, fmt.Errorf("agent: %s", m.Error)
		}
		return m, nil
	case <-a.Done():
		return loadgen.Message{}, a.Err()
	case <-ctx.Done():
		return loadgen.Message{}, context.Cause(ctx)
	case <-limit.C:
		return loadgen.Message{}, fmt.Errorf("agent: silent for %v", within)
	}
}

// step has the agent execute a step and returns what happened in it, and how long it
// took. A failure of any class is an error: what it left out was not measured.
func (a *agent) step(ctx context.Context, p loadgen.StepPlan) (*loadgen.Recorder, time.Duration, error) {
	a.serial++
	p.Serial, p.Group, p.StartAt = a.serial, group, time.Now().Add(100*time.Millisecond).UnixNano()
	if err := a.send(loadgen.Command{Step: &p}); err != nil {
		return nil, 0, err
	}
	sum := &loadgen.Recorder{}
	for {
		m, err := a.next(ctx, 30*time.Second)
		if err != nil {
			return nil, 0, fmt.Errorf("step %s: %w", p.ID, err)
		}
		if m.Interval != nil {
			if err := sum.Add(m.Interval); err != nil {
				return nil, 0, err
			}
		}
		if m.Step == nil {
			continue
		}
		for class, n := range sum.Counts.Failures {
			return nil, 0, fmt.Errorf("step %s: %d × %s; a benchmark with failures measures nothing", p.ID, n, class)
		}
		return sum, time.Duration(m.Step.EndedAt - m.Step.StartedAt), nil
	}
}

// connect opens connections first … first+n-1, all of them or it fails.
func (a *agent) connect(ctx context.Context, first, n int, rate float64) (*loadgen.Recorder, time.Duration, error) {
	sum, took, err := a.step(ctx, loadgen.StepPlan{ID: "connect", Connect: &loadgen.ConnectPlan{
		First: uint32(first), Count: n, Rate: rate, Timeout: 10 * time.Second}})
	if err == nil && sum.Counts.Opened != int64(n) {
		err = fmt.Errorf("%d of %d connections opened", sum.Counts.Opened, n)
	}
	return sum, took, err
}

// closeAll closes every connection by the closing handshake.
func (a *agent) closeAll(ctx context.Context) error {
	_, _, err := a.step(ctx, loadgen.StepPlan{ID: "close", Close: &loadgen.ClosePlan{How: "clean", Timeout: 5 * time.Second}})
	return err
}

// stop ends the process.
func (a *agent) stop() error {
	err := errors.Join(a.send(loadgen.Command{Quit: true}), a.silence())
	close(a.ended)
	return errors.Join(err, stop(a.Child))
}
