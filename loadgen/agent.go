package loadgen

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
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
	Error    string          `json:"error,omitempty"` // the agent cannot go on
}

// intervalLength is how often an agent reports while a step runs.
const intervalLength = time.Second

// Agent is the body of an agent process: it takes commands one after another and
// answers through Send.
type Agent struct {
	Send func(Message) error

	assignment Assignment
	workers    []*worker
	ended      sync.WaitGroup
	errs       chan error
	spares     []*Recorder // one for each worker, empty
}

// errQuit says that an agent was told to quit while a step ran.
var errQuit = errors.New("told to quit")

// Run serves commands until Quit, the end of ctx or of the channel, and closes
// every connection before it returns. A Quit in the middle of a step ends it early:
// what happened in it is reported, with the closing of its connections, within two
// seconds.
func (a *Agent) Run(ctx context.Context, commands <-chan Command) error {
	defer a.stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case c, more := <-commands:
			if !more || c.Quit {
				return nil
			}
			err := a.do(ctx, c, commands)
			if errors.Is(err, errQuit) {
				return nil
			}
			if err != nil {
				return errors.Join(err, a.Send(Message{Agent: a.assignment.Agent, Error: err.Error()}))
			}
		}
	}
}

func (a *Agent) do(ctx context.Context, c Command, commands <-chan Command) error {
	switch {
	case c.Assign != nil:
		if err := a.assign(*c.Assign); err != nil {
			return err
		}
		return a.Send(Message{Agent: a.assignment.Agent, Ready: true})
	case c.Step != nil:
		if len(a.workers) == 0 {
			return errors.New("agent: a step came before the assignment")
		}
		return a.step(ctx, c.Step, commands)
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

// execution is a step that runs.
type execution struct {
	agent     *Agent
	plan      *StepPlan
	report    *StepReport
	finished  chan struct{} // a worker's part is over
	left      int           // workers whose part is not
	from      int64         // start of the interval that is not reported yet
	departure *departure    // nil: it is to run to its end
}

func (e *execution) done() { e.finished <- struct{}{} }

// step runs one step on all workers and reports once an interval and at the end.
func (a *Agent) step(ctx context.Context, p *StepPlan, commands <-chan Command) error {
	e := &execution{agent: a, plan: p, from: p.StartAt, left: len(a.workers), finished: make(chan struct{}, len(a.workers)),
		report: &StepReport{Agent: a.assignment.Agent, Serial: p.Serial, StartedAt: p.StartAt, Open: map[string]Set{}}}
	failed := make(chan error, len(a.workers))
	err := e.eachWorker(func(w *worker) {
		if err := w.begin(p, e.done); err != nil {
			failed <- err
		}
	})
	if err != nil {
		return err
	}
	if err := e.run(ctx, commands, failed); err != nil {
		return err
	}
	e.report.EndedAt = max(time.Now().UnixNano(), p.StartAt)
	if err := a.interval(p, e.from, max(e.report.EndedAt, e.from+1)); err != nil {
		return err
	}
	if p.Connect != nil {
		// What opening took is not needed any more. Collected now, it is neither in
		// the way of what is measured next nor counted as memory of idle connections.
		debug.FreeOSMemory()
	}
	if err := a.report(e.report); err != nil {
		return err
	}
	if e.departure != nil {
		return errQuit
	}
	return nil
}

// run waits for the end of a step that has begun.
func (e *execution) run(ctx context.Context, commands <-chan Command, failed <-chan error) error {
	a, p := e.agent, e.plan
	tick := time.NewTimer(a.untilNext(e.from))
	defer tick.Stop()
	var limit <-chan time.Time
	for {
		if e.left == 0 {
			if e.departure == nil || e.departure.closing {
				return nil
			}
			if err := e.closeAll(); err != nil {
				return err
			}
		}
		if e.departure != nil {
			limit = e.departure.limit
		}
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-failed:
			return fmt.Errorf("step %s: %w", p.ID, err)
		case err := <-a.errs:
			return fmt.Errorf("step %s: %w", p.ID, err)
		case c, more := <-commands:
			if more && !c.Quit {
				return fmt.Errorf("step %s: a command came before its end", p.ID)
			}
			commands = nil // none comes after it
			err = e.abandon()
		case <-limit:
			err = e.cutOff()
		case <-e.finished:
			e.left--
		case <-tick.C:
			to := e.from + int64(intervalLength)
			err = a.interval(p, e.from, to)
			e.from = to
			tick.Reset(a.untilNext(e.from))
		}
		if err != nil {
			return err
		}
	}
}

func (a *Agent) untilNext(from int64) time.Duration {
	return time.Until(time.Unix(0, from).Add(intervalLength))
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

// interval takes what the workers have recorded and reports it. A worker goes on
// with an empty recorder at once.
func (a *Agent) interval(p *StepPlan, from, to int64) error {
	report := &IntervalReport{Agent: a.assignment.Agent, Serial: p.Serial, At: from, Seconds: float64(to-from) / 1e9}
	for i, w := range a.workers {
		var broken error
		if err := a.on(w, func() {
			a.spares[i], w.rec = w.rec, a.spares[i]
			report.Open += w.opened
			report.Outstanding += w.outstanding
			broken = w.err
		}); err != nil {
			return err
		}
		if broken != nil {
			return fmt.Errorf("worker %d: %w", w.index, broken)
		}
	}
	sum := a.spares[0]
	for _, taken := range a.spares[1:] {
		sum.Merge(taken)
	}
	report.Hist, report.Counts = sum.encode(), sum.Counts
	report.Clamped, report.Censored = byMetric(sum.clamped), byMetric(sum.censored)
	err := a.Send(Message{Agent: a.assignment.Agent, Interval: report})
	for _, taken := range a.spares {
		taken.Reset()
	}
	return err
}

func (a *Agent) report(r *StepReport) error {
	for _, w := range a.workers {
		if err := a.on(w, func() {
			for name, g := range w.groups {
				r.Open[name] = Union(r.Open[name], g.open())
			}
			r.Peak += w.peak
		}); err != nil {
			return err
		}
	}
	return a.Send(Message{Agent: r.Agent, Step: r})
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
