package runner

import (
	"context"
	"crypto/rand"
	"time"

	"wsgauge/loadgen"
	"wsgauge/scenarios"
)

// lead is how far ahead of its start a step is handed out, so that every agent
// has its part before the first message is due.
const lead = 30 * time.Millisecond

// closeTimeout bounds the wait for the peer's half of a close.
const closeTimeout = 5 * time.Second

// course walks the steps of a scenario over one target. It knows which
// connection numbers each group has had, and which of them we closed.
type course struct {
	trial  *trial
	groups map[string]*members
	times  map[string]int // executions, by step id
	serial int
}

// members are the connections of a group, by number from 0.
type members struct {
	total  uint32
	open   loadgen.Set
	closed map[uint32]bool // by us, so they no longer count among those asked for
}

func newCourse(t *trial) *course {
	return &course{trial: t, groups: map[string]*members{}, times: map[string]int{}}
}

// steps runs a list of steps.
func (c *course) steps(ctx context.Context, list []scenarios.Step) error {
	for _, s := range list {
		if err := c.step(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (c *course) step(ctx context.Context, s scenarios.Step) error {
	if r := s.Repeat; r != nil {
		begun := time.Now()
		for pass := 1; ; pass++ {
			if err := c.steps(ctx, r.Steps); err != nil {
				return err
			}
			if r.Times > 0 && pass >= r.Times || r.Times == 0 && time.Since(begun) >= r.For {
				return nil
			}
		}
	}
	c.times[s.ID]++
	if s.Send != nil && s.Send.Pattern == "broadcast" {
		join := &loadgen.StepPlan{ID: s.ID, Iteration: c.times[s.ID], Group: s.Send.Group, Join: &loadgen.JoinPlan{Room: rand.Text()}}
		if err := c.run(ctx, "", join, ""); err != nil {
			return err
		}
	}
	plan, note := c.plan(s)
	plan.ID, plan.Iteration = s.ID, c.times[s.ID]
	return c.run(ctx, s.Kind(), plan, note)
}

// finish closes whatever is open, so that no target is stopped with live tunnels.
func (c *course) finish(ctx context.Context) error {
	plan := &loadgen.StepPlan{ID: "", Iteration: 1, Close: &loadgen.ClosePlan{How: "clean", Timeout: closeTimeout, Final: true}}
	return c.run(ctx, "", plan, "")
}

// run hands the plan to the agents and waits until all have done their part.
func (c *course) run(ctx context.Context, kind string, plan *loadgen.StepPlan, note string) error {
	c.serial++
	plan.Serial = c.serial
	open, err := c.trial.execute(ctx, kind, plan, note)
	for name, g := range c.groups {
		if set, there := open[name]; there {
			g.open = set
		}
	}
	return err
}

func (c *course) group(name string) *members {
	g := c.groups[name]
	if g == nil {
		g = &members{closed: map[uint32]bool{}}
		c.groups[name] = g
	}
	return g
}
