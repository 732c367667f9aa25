package loadgen

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Command is what the controller sends an agent: exactly one of its fields.
type Command struct {
	Assign *Assignment `json:"assign,omitempty"`
	// Step may come while others run, when the groups that they touch are disjoint. A
	// step with an empty group touches all of them, an http step none.
	Step *StepPlan `json:"step,omitempty"`
	// Halt is the serial of a connect step that is to begin no more attempts; those in
	// flight are decided. That of a step which is over already is passed over.
	Halt int `json:"halt,omitempty"`
	// Cancel is the serial of a step that is to end early, with its report; what is
	// under way has a moment to arrive. That of a step which is over is passed over.
	Cancel int  `json:"cancel,omitempty"`
	Quit   bool `json:"quit,omitempty"`
}

// Message is what an agent sends the controller.
type Message struct {
	Agent    int             `json:"agent"`
	Hello    bool            `json:"hello,omitempty"` // it listens for commands
	Ready    bool            `json:"ready,omitempty"` // the assignment was taken
	Interval *IntervalReport `json:"interval,omitempty"`
	Step     *StepReport     `json:"step,omitempty"`
	// Failed is the serial of a step with [ConnectPlan].UntilFailure of which the first
	// failure has just been counted here. It is said once a step.
	Failed int    `json:"failed,omitempty"`
	Error  string `json:"error,omitempty"` // the agent cannot go on
}

// intervalLength is how often an agent reports while a step runs.
const intervalLength = time.Second

// stepsAtOnce bounds the steps that run at the same time, and with them what their
// parts may tell the agent before it listens.
const stepsAtOnce = 64

// Agent is the body of an agent process: it takes commands and answers through Send.
type Agent struct {
	Send func(Message) error

	assignment Assignment
	workers    []*worker
	ended      sync.WaitGroup
	errs       chan error
	spares     []*Recorder // one for each worker, empty
	steps      []*execution
	told       chan note
	leaving    bool // told to quit
	closing    bool // … and the connections are being closed
}

// Run serves commands until Quit, the end of ctx or of the channel, and closes
// every connection before it returns. A Quit in the middle of steps ends them early:
// what happened in them is reported, with the closing of the connections, within two
// seconds.
func (a *Agent) Run(ctx context.Context, commands <-chan Command) error {
	defer a.stop()
	err := a.serve(ctx, commands)
	if err == nil || ctx.Err() != nil && len(a.steps) == 0 {
		return err
	}
	return errors.Join(err, a.Send(Message{Agent: a.assignment.Agent, Error: err.Error()}))
}

func (a *Agent) serve(ctx context.Context, commands <-chan Command) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for !a.leaving || len(a.steps) > 0 {
		timer.Reset(a.untilDue())
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err = <-a.errs:
			err = a.naming(err)
		case c, more := <-commands:
			if !more || c.Quit {
				commands = nil // none comes after it
				err = a.quit()
			} else {
				err = a.do(c)
			}
		case n := <-a.told:
			err = a.take(n)
		case <-timer.C:
			err = a.due(time.Now())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// naming says which steps an error has come into.
func (a *Agent) naming(err error) error {
	for _, e := range a.steps {
		err = fmt.Errorf("step %s: %w", e.plan.ID, err)
	}
	return err
}

func (a *Agent) do(c Command) error {
	switch {
	case c.Assign != nil:
		if err := a.assign(*c.Assign); err != nil {
			return err
		}
		return a.Send(Message{Agent: a.assignment.Agent, Ready: true})
	case c.Step != nil:
		return a.begin(c.Step)
	case c.Halt != 0:
		return a.halt(c.Halt)
	case c.Cancel != 0:
		return a.cancel(c.Cancel)
	}
	return errors.New("agent: an empty command")
}

func (a *Agent) assign(as Assignment) error {
	if len(a.workers) > 0 {
		return errors.New("agent: assigned already")
	}
	if as.Agents < 1 || as.Agent < 0 || as.Agent >= as.Agents || as.Workers < 1 || len(as.Addrs) == 0 {
		return fmt.Errorf("agent: impossible assignment %+v", as)
	}
	a.assignment = as
	a.errs = make(chan error, as.Workers)
	a.told = make(chan note, stepsAtOnce*notesAPart*as.Workers)
	for i := range as.Workers {
		w, err := newWorker(as, i)
		if err != nil {
			return err
		}
		a.workers = append(a.workers, w)
		a.spares = append(a.spares, &Recorder{})
		a.ended.Add(1)
		go func() {
			defer a.ended.Done()
			if err := w.loop.Run(); err != nil {
				a.errs <- fmt.Errorf("worker %d: %w", i, err)
			}
		}()
	}
	return nil
}

func (a *Agent) stop() {
	for _, w := range a.workers {
		w.loop.Post(func() {
			if w.tls != nil {
				w.tls.Close() // on its thread: handshakes end where they began
			}
		})
		w.loop.Stop()
	}
	a.ended.Wait()
	for _, w := range a.workers {
		w.release()
	}
}

// on runs f on a worker's thread and waits for it.
func (a *Agent) on(w *worker, f func()) error {
	done := make(chan struct{})
	if !w.loop.Post(func() { f(); close(done) }) {
		return fmt.Errorf("worker %d has ended", w.index)
	}
	select {
	case <-done:
		return nil
	case err := <-a.errs: // the loop ended before it came to f
		return err
	}
}

// onEach runs f on every worker's thread, one after another.
func (a *Agent) onEach(f func(*worker)) error {
	for _, w := range a.workers {
		if err := a.on(w, func() { f(w) }); err != nil {
			return err
		}
	}
	return nil
}

// Union returns the numbers that are in any of the sets.
func Union(sets ...Set) Set {
	var all []uint32
	for _, s := range sets {
		all = append(all, s.List()...)
	}
	slices.Sort(all)
	var out Set
	for _, n := range slices.Compact(all) {
		out.Add(n)
	}
	return out
}
