package runner

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"wsgauge/internal/bus"
	"wsgauge/internal/proc"
	"wsgauge/loadgen"
)

// CommandSubject is where an agent of a trial takes its commands. The trial's name
// is random, so that two runs on one cluster cannot hear each other.
func CommandSubject(trial string, agent int) string {
	return "wsgauge." + trial + ".command." + strconv.Itoa(agent)
}

// ReportSubject is where the agents of a trial report.
func ReportSubject(trial string) string { return "wsgauge." + trial + ".report" }

// EnvNATS names the environment variable that hands an agent the bus's URL: a
// command line can be read by everyone on the machine, the URL has a credential.
const EnvNATS = "WSGAUGE_NATS"

// agents are the generator processes of a trial.
type agents struct {
	bus      *bus.Conn
	trial    string
	children []*proc.Child
	inbox    chan loadgen.Message
	deaths   chan error    // one for each agent that has ended
	done     chan struct{} // closed when nobody reads the inbox any more
	hub      *hub          // reads both once all are ready
	sorting  bool          // it does
	once     sync.Once
	silence  func() error // ends the subscription
}

// readyWithin bounds the start of the agents and of a backend.
const readyWithin = 15 * time.Second

// startAgents starts the processes and gives each its assignment.
func startAgents(ctx context.Context, r *run, trial string, spec proc.Spec, as loadgen.Assignment) (*agents, error) {
	a := &agents{bus: r.bus, trial: trial, inbox: make(chan loadgen.Message, 64),
		deaths: make(chan error, as.Agents), done: make(chan struct{}), hub: newHub()}
	take := func(m loadgen.Message) {
		select {
		case a.inbox <- m:
		case <-a.done:
		}
	}
	bad := func(err error) { take(loadgen.Message{Error: err.Error()}) }
	var err error
	if a.silence, err = bus.Receive(r.bus, ReportSubject(trial), take, bad); err != nil {
		return nil, err
	}
	for i := range as.Agents {
		s := spec
		s.Name = fmt.Sprintf("agent %d", i)
		s.Argv = []string{r.Executable, "agent", "--trial", trial, "--index", strconv.Itoa(i)}
		s.Env = append(s.Env, EnvNATS+"="+r.busURL)
		child, err := r.keeper.Start(s)
		if err != nil {
			a.stop(ctx)
			return nil, err
		}
		a.children = append(a.children, child)
		go func() { // ends with the child, for which stop waits
			<-child.Done()
			a.deaths <- child.Err()
		}()
	}
	if err := a.all(ctx, func(m loadgen.Message) bool { return m.Hello }); err != nil {
		a.stop(ctx)
		return nil, fmt.Errorf("agents: %w", err)
	}
	for i := range a.children {
		as.Agent = i
		if err := a.send(i, loadgen.Command{Assign: &as}); err != nil {
			a.stop(ctx)
			return nil, err
		}
	}
	if err := a.all(ctx, func(m loadgen.Message) bool { return m.Ready }); err != nil {
		a.stop(ctx)
		return nil, fmt.Errorf("agents: %w", err)
	}
	a.sorting = true
	go a.hub.run(a.inbox, a.deaths, a.done)
	return a, nil
}

// all waits until every agent has said what is asked for.
func (a *agents) all(ctx context.Context, said func(loadgen.Message) bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyWithin, fmt.Errorf("not ready within %v", readyWithin))
	defer cancel()
	for n := 0; n < len(a.children); {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-a.deaths:
			return err
		case m := <-a.inbox:
			if m.Error != "" {
				return fmt.Errorf("agent %d: %s", m.Agent, m.Error)
			}
			if said(m) {
				n++
			}
		}
	}
	return nil
}

func (a *agents) send(agent int, c loadgen.Command) error {
	return a.bus.Send(CommandSubject(a.trial, agent), c)
}

// sendAll gives every agent the same command.
func (a *agents) sendAll(c loadgen.Command) error {
	for i := range a.children {
		if err := a.send(i, c); err != nil {
			return err
		}
	}
	return nil
}

// stop lets the agents close what they still hold and end; one that does not is
// ended.
func (a *agents) stop(ctx context.Context) error {
	var failed error
	a.once.Do(func() {
		close(a.done)
		if a.sorting {
			<-a.hub.ended
		}
		failed = errors.Join(a.sendAll(loadgen.Command{Quit: true}), a.silence())
		limit := time.NewTimer(3 * time.Second)
		defer limit.Stop()
		for _, c := range a.children {
			select {
			case <-c.Done():
			case <-limit.C:
				limit.Reset(0)
			}
		}
		for _, c := range a.children {
			failed = errors.Join(failed, c.Stop(ctx, time.Second))
		}
	})
	return failed
}
