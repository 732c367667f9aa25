package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"wsgauge/loadgen"
	"wsgauge/results"
)

// gathering is what the agents report while a step runs.
type gathering struct {
	trial   *trial
	tally   *tally
	ear     *ear
	seconds map[int64]*second
	open    map[string]loadgen.Set
	agents  []agentNow
	done    int
	stopped int64 // when the last agent gave the step up, wall clock; 0: none did

	cancelled int64 // when it was told to end early, wall clock; 0: it was not
	halted    bool  // a connect until failure has been told that it came
}

// newGathering begins to listen; the caller has to leave.
func newGathering(t *trial, y *tally) *gathering {
	return &gathering{trial: t, tally: y, ear: t.agents.hub.listen(y.plan.Serial), seconds: map[int64]*second{},
		open: map[string]loadgen.Set{}, agents: make([]agentNow, len(t.agents.children))}
}

func (g *gathering) leave() { g.trial.agents.hub.leave(g.tally.plan.Serial) }

// both does the controller's part and waits for the agents'. What does not come to its
// end because the steps of the branch are no longer wanted is no error.
func (g *gathering) both(ctx context.Context, b branch, j *job) error {
	if j.act == nil {
		return g.gather(ctx, b.wanted.Done(), nil)
	}
	wanted, cancel := context.WithCancel(b.wanted)
	defer cancel()
	acted := make(chan struct{})
	var d deed
	var failed error
	go func() {
		defer close(acted)
		if sleepUntil(wanted, time.Unix(0, g.tally.start)) {
			failed = j.act(wanted, &d)
		}
	}()
	var err error
	if j.agents() {
		err = g.gather(ctx, nil, acted)
		cancel() // the agents may have failed before it came to its end
	}
	<-acted
	g.tally.did = d
	for _, text := range d.notes {
		g.tally.addNote(text)
	}
	if cause := context.Cause(ctx); cause != nil {
		return cmp.Or(err, cause)
	}
	if err == nil && failed != nil && !b.over() {
		err = fmt.Errorf("step %s: %w", g.tally.plan.ID, failed)
	}
	if b.over() && g.cancelled == 0 {
		g.cancelled = time.Now().UnixNano()
	}
	return err
}

// second is one interval, until every agent has reported it.
type second struct {
	rec      loadgen.Recorder
	length   float64
	reported int
}

// agentNow is what an agent said last.
type agentNow struct{ open, outstanding int }

// gather waits until every agent has reported. enough ends the step early; so does
// over, which is how it is meant to end.
func (g *gathering) gather(ctx context.Context, enough, over <-chan struct{}) error {
	a := g.trial.agents
	serial := g.tally.plan.Serial
	limit := time.NewTimer(time.Until(time.Unix(0, g.tally.start)) + longest(g.tally.plan) + reportWithin)
	defer limit.Stop()
	defer g.flush()
	for g.done < len(a.children) {
		var err error
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), g.giveUp())
		case <-enough:
			if ctx.Err() != nil {
				continue // it is not the branch that has ended, but the trial
			}
			enough, g.cancelled = nil, time.Now().UnixNano()
			limit.Reset(reportWithin)
			err = a.sendAll(loadgen.Command{Cancel: serial})
		case <-over:
			over = nil
			limit.Reset(reportWithin)
			err = a.sendAll(loadgen.Command{Cancel: serial})
		case <-limit.C:
			err = fmt.Errorf("step %s: %d of %d agents did not end it in time", g.tally.plan.ID, len(a.children)-g.done, len(a.children))
		case <-a.hub.failed:
			err = a.hub.why()
		case m := <-g.ear.messages:
			err = g.take(m)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// giveUp has the agents give the step up, and takes what they still report of it: the
// time since the last whole second, and the ends of their connections.
func (g *gathering) giveUp() error {
	a := g.trial.agents
	if err := a.sendAll(loadgen.Command{Quit: true}); err != nil {
		return err
	}
	limit := time.NewTimer(lastReports)
	defer limit.Stop()
	for g.done < len(a.children) {
		select {
		case <-limit.C:
			g.trial.event(results.Event{Kind: "note", Step: g.tally.plan.ID,
				Text: fmt.Sprintf("%d of %d agents did not report how the step ended", len(a.children)-g.done, len(a.children))})
			return nil
		case m := <-g.ear.messages:
			if err := g.take(m); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *gathering) take(m loadgen.Message) error {
	switch {
	case m.Interval != nil:
		return g.interval(m.Interval)
	case m.Step != nil:
		g.done++
		g.stopped = max(g.stopped, m.Step.StoppedAt)
		g.tally.peak += m.Step.Peak
		for name, set := range m.Step.Open {
			g.open[name] = loadgen.Union(g.open[name], set)
		}
	case m.Failed != 0 && !g.halted:
		// Those that have seen no failure yet must not go on either.
		g.halted = true
		return g.trial.agents.sendAll(loadgen.Command{Halt: m.Failed})
	}
	return nil
}

// untilFailure says how a connect step ended that was to go on until a failure.
func (g *gathering) untilFailure() {
	y := g.tally
	if y.plan.Connect == nil || !y.plan.Connect.UntilFailure {
		return
	}
	text := fmt.Sprintf("%d connections were open at most, and none had failed when all had been opened", y.peak)
	if classes := slices.Sorted(maps.Keys(y.sum.Counts.Failures)); len(classes) > 0 {
		text = fmt.Sprintf("%d connections were open at most when one failed (%s)", y.peak, strings.Join(classes, ", "))
	}
	y.addNote(text)
	g.trial.run.note(fmt.Sprintf("%s, step %s: %s", g.trial.target.Name, y.plan.ID, text))
}

func (g *gathering) interval(i *loadgen.IntervalReport) error {
	if err := g.tally.sum.Add(i); err != nil {
		return err
	}
	k := (i.At - g.tally.start) / int64(time.Second)
	s := g.seconds[k]
	if s == nil {
		s = &second{}
		g.seconds[k] = s
	}
	s.reported++
	s.length = max(s.length, i.Seconds)
	if err := s.rec.Add(i); err != nil {
		return err
	}
	if i.Agent < len(g.agents) {
		g.agents[i.Agent] = agentNow{i.Open, i.Outstanding}
	}
	if s.reported < len(g.agents) {
		return nil
	}
	delete(g.seconds, k)
	return g.trial.second(g, k, s)
}

// flush writes the intervals that not every agent reported, since one had
// finished or has gone.
func (g *gathering) flush() {
	for k, s := range g.seconds {
		if err := g.trial.second(g, k, s); err != nil {
			g.trial.event(results.Event{Kind: "note", Text: err.Error()})
		}
	}
	g.seconds = nil
}

// longest is how long a step is planned to take at most.
func longest(p *loadgen.StepPlan) time.Duration {
	switch {
	case p.Connect != nil:
		return time.Duration(float64(p.Connect.Count)/p.Connect.Rate*float64(time.Second)) + p.Connect.Timeout
	case p.Send != nil:
		return p.Send.Warmup + p.Send.For + p.Send.Drain
	case p.Join != nil:
		return 10 * time.Second
	case p.Hold != nil:
		return p.Hold.For
	case p.HTTP != nil:
		return p.HTTP.Warmup + p.HTTP.For + p.HTTP.Drain
	}
	return p.Close.Timeout
}
