package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"wsgauge/loadgen"
	"wsgauge/results"
)

// gathering is what the agents report while a step runs.
type gathering struct {
	trial   *trial
	tally   *tally
	seconds map[int64]*second
	open    map[string]loadgen.Set
	agents  []agentNow
	done    int
	stopped int64 // when the last agent gave the step up, wall clock; 0: none did
}

// second is one interval, until every agent has reported it.
type second struct {
	rec      loadgen.Recorder
	length   float64
	reported int
}

// agentNow is what an agent said last.
type agentNow struct{ open, outstanding int }

func (g *gathering) gather(ctx context.Context) error {
	a := g.trial.agents
	g.agents = make([]agentNow, len(a.children))
	limit := time.NewTimer(time.Until(time.Unix(0, g.tally.start)) + longest(g.tally.plan) + reportWithin)
	defer limit.Stop()
	defer g.flush()
	for g.done < len(a.children) {
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), g.leave())
		case <-limit.C:
			return fmt.Errorf("step %s: %d of %d agents did not end it in time", g.tally.plan.ID, len(a.children)-g.done, len(a.children))
		case err := <-a.deaths:
			return err
		case m := <-a.inbox:
			if err := g.take(m); err != nil {
				return err
			}
		}
	}
	return nil
}

// leave has the agents give the step up, and takes what they still report of it: the
// time since the last whole second, and the ends of their connections.
func (g *gathering) leave() error {
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
		case m := <-a.inbox:
			if err := g.take(m); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *gathering) take(m loadgen.Message) error {
	switch {
	case m.Error != "":
		return fmt.Errorf("agent %d: %s", m.Agent, m.Error)
	case m.Interval != nil && m.Interval.Serial == g.tally.plan.Serial:
		return g.interval(m.Interval)
	case m.Step != nil && m.Step.Serial == g.tally.plan.Serial:
		g.done++
		g.stopped = max(g.stopped, m.Step.StoppedAt)
		g.tally.peak += m.Step.Peak
		for name, set := range m.Step.Open {
			g.open[name] = loadgen.Union(g.open[name], set)
		}
	}
	return nil
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
	}
	return p.Close.Timeout
}
