package runner

import (
	"context"
	"crypto/rand"
	"sync"
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
	trial *trial

	mu     sync.Mutex // branches of a together step run at the same time
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

// steps runs a list of steps, one after another, for as long as they are wanted.
func (c *course) steps(ctx context.Context, b branch, list []scenarios.Step) error {
	for _, s := range list {
		if err := c.step(ctx, b, s); err != nil {
			return err
		}
		if b.over() {
			break
		}
	}
	return context.Cause(ctx)
}

func (c *course) step(ctx context.Context, b branch, s scenarios.Step) error {
	switch {
	case s.Repeat != nil:
		return c.repeat(ctx, b, s.Repeat)
	case s.Together != nil:
		return c.together(ctx, b, s.Together)
	}
	c.count(s.ID)
	if s.Send != nil && s.Send.Pattern == "broadcast" {
		join := &job{plan: &loadgen.StepPlan{Group: s.Send.Group, Join: &loadgen.JoinPlan{Room: rand.Text()}}}
		if err := c.run(ctx, b, s.ID, join); err != nil {
			return err
		}
	}
	return c.run(ctx, b, s.ID, c.job(b, s))
}

func (c *course) repeat(ctx context.Context, b branch, r *scenarios.Repeat) error {
	begun := time.Now()
	for pass := 1; ; pass++ {
		if err := c.steps(ctx, b, r.Steps); err != nil {
			return err
		}
		if b.over() || r.Times > 0 && pass >= r.Times || r.Times == 0 && time.Since(begun) >= r.For {
			return nil
		}
	}
}

// count counts the executions of a step.
func (c *course) count(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times[id]++
}

// finish closes whatever is open, so that no target is stopped with live tunnels.
func (c *course) finish(ctx context.Context) error {
	j := &job{plan: &loadgen.StepPlan{Iteration: 1, Close: &loadgen.ClosePlan{How: "clean", Timeout: closeTimeout, Final: true}}}
	return c.run(ctx, branch{wanted: ctx}, "", j)
}

// run does the job and waits until all have done their part.
func (c *course) run(ctx context.Context, b branch, id string, j *job) error {
	c.mu.Lock()
	c.serial++
	j.plan.ID, j.plan.Serial, j.plan.Iteration = id, c.serial, max(c.times[id], 1)
	c.mu.Unlock()
	open, err := c.trial.execute(ctx, b, j)
	c.settle(b, j.plan, open)
	return err
}

// settle notes what is open after a step. Beside other steps only the step's own group
// stands still.
func (c *course) settle(b branch, plan *loadgen.StepPlan, open map[string]loadgen.Set) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, g := range c.groups {
		if set, there := open[name]; there && (!b.beside || plan.Group == name) {
			g.open = set
		}
	}
	p := plan.Connect
	if g := c.groups[plan.Group]; p != nil && p.UntilFailure && g != nil {
		// Those that were not begun any more are not missing among those asked for.
		open := map[uint32]bool{}
		for _, n := range g.open.List() {
			open[n] = true
		}
		for n := p.First; n < g.total; n++ {
			if !open[n] {
				g.closed[n] = true
			}
		}
	}
}

func (c *course) group(name string) *members {
	g := c.groups[name]
	if g == nil {
		g = &members{closed: map[uint32]bool{}}
		c.groups[name] = g
	}
	return g
}
