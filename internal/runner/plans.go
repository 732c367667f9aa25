package runner

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"wsgauge/loadgen"
	"wsgauge/loadgen/schedule"
	"wsgauge/scenarios"
)

// job turns a step into what is to be done, and says what a reader of the record
// should know about it.
func (c *course) job(b branch, s scenarios.Step) *job {
	c.mu.Lock()
	defer c.mu.Unlock()
	j := &job{kind: s.Kind()}
	switch {
	case s.Connect != nil:
		j.plan = c.connect(s)
	case s.Send != nil:
		j.plan, j.note = c.send(s)
	case s.Hold != nil:
		j.plan = &loadgen.StepPlan{Group: s.Hold.Group, Hold: &loadgen.HoldPlan{For: s.Hold.For, PingEvery: s.Hold.PingEvery, PingFrom: s.Hold.PingFrom}}
	case s.Close != nil:
		j.plan = c.close(s)
	case s.HTTP != nil:
		j.plan = c.http(s)
	default:
		c.trial.own(j, b, s)
		j.plan = c.idle(b, j.most)
	}
	return j
}

// idle is what the agents do in a step that is the controller's: they tell how and when
// connections end. Beside other branches these have the groups, or will.
func (c *course) idle(b branch, most time.Duration) *loadgen.StepPlan {
	if b.beside {
		return &loadgen.StepPlan{}
	}
	return &loadgen.StepPlan{Hold: &loadgen.HoldPlan{For: most, Stay: true}}
}

func (c *course) http(step scenarios.Step) *loadgen.StepPlan {
	s := step.HTTP
	return &loadgen.StepPlan{HTTP: &loadgen.HTTPPlan{Seed: c.seed(step.ID), Rate: s.Rate, Arrivals: s.Arrivals, Warmup: s.Warmup,
		For: s.For, Drain: s.Drain, Path: s.Path, Headers: s.Headers, Connections: s.Connections, Timeout: s.Timeout, NewEach: s.NewEach}}
}

func (c *course) connect(step scenarios.Step) *loadgen.StepPlan {
	s := step.Connect
	g := c.group(s.Group)
	p := &loadgen.ConnectPlan{First: g.total, Count: s.Connections, Rate: s.Rate, Timeout: s.Timeout,
		OnTimeout: s.OnTimeout, Path: s.Path, Headers: s.Headers, Subprotocol: s.Subprotocol, TLS: loadgen.TLSOptions{Min: s.TLS.Min, Max: s.TLS.Max, Resumption: s.TLS.Resumption},
		Seed: c.seed(step.ID), Behave: s.Behave, Lifetime: s.Lifetime, UntilFailure: s.Until == "failure"}
	if r := s.Reconnect; r != nil {
		p.Reconnect = &loadgen.ReconnectPlan{After: r.After, Factor: r.Factor, Jitter: r.Jitter, Max: r.Max}
	}
	g.total += uint32(s.Connections)
	return &loadgen.StepPlan{Group: s.Group, Connect: p}
}

// send draws from every connection that was asked for and that we did not close
// ourselves; what is drawn for one that is not open is not scheduled. So the rate
// shrinks in proportion, and the others get what they would have got anyway.
func (c *course) send(s scenarios.Step) (*loadgen.StepPlan, string) {
	g := c.group(s.Send.Group)
	var asked loadgen.Set
	for n := range g.total {
		if !g.closed[n] {
			asked.Add(n)
		}
	}
	p := &loadgen.SendPlan{Seed: c.seed(s.ID), Members: asked, Rate: s.Send.Rate, Every: s.Send.Every,
		Phase: s.Send.Phase, Size: size(s.Send.Size), Warmup: s.Send.Warmup, For: s.Send.For,
		Drain: s.Send.Drain, Arrivals: s.Send.Arrivals, Text: s.Send.Text, Fragments: s.Send.Fragments,
		Closed: s.Send.Loop == "closed", Pattern: s.Send.Pattern}
	if p.Pattern == "broadcast" {
		p.Open = g.open
	}
	note := ""
	if open := g.open.Len(); open < asked.Len() {
		note = fmt.Sprintf("%d of %d connections are open: the rate is %.3g of what was asked",
			open, asked.Len(), float64(open)/float64(asked.Len()))
		if p.Closed {
			note = fmt.Sprintf("%d of %d connections are open", open, asked.Len())
		}
	}
	return &loadgen.StepPlan{Group: s.Send.Group, Send: p}, note
}

// seed differs by block, step and pass, and is the same for every target of a
// block: they get the same messages at the same times.
func (c *course) seed(id string) uint64 {
	h := c.trial.run.scenario.Seed
	for _, part := range []string{strconv.Itoa(c.trial.record.Block), id, strconv.Itoa(c.times[id])} {
		for _, b := range []byte(part) {
			h = schedule.Uint64(h, uint64(b))
		}
		h = schedule.Uint64(h, math.MaxUint64)
	}
	return h
}

func size(s scenarios.Size) loadgen.Size {
	switch {
	case s.Uniform != nil:
		return loadgen.Size{Min: s.Uniform[0], Max: s.Uniform[1]}
	case s.Choose != nil:
		var out loadgen.Size
		for _, w := range s.Choose {
			out.Bytes, out.Weights = append(out.Bytes, w.Bytes), append(out.Weights, w.Weight)
		}
		return out
	}
	return loadgen.Size{Min: s.Fixed, Max: s.Fixed}
}

// close chooses which connections end: all, or a number of them at random (by
// seed), the oldest or the newest.
func (c *course) close(step scenarios.Step) *loadgen.StepPlan {
	s := step.Close
	p := &loadgen.ClosePlan{How: s.How, Timeout: closeTimeout}
	type one struct {
		group string
		n     uint32
	}
	var all []one
	for name, g := range c.groups {
		if s.Group == "" || s.Group == name {
			for _, n := range g.open.List() {
				all = append(all, one{name, n})
			}
		}
	}
	slices.SortFunc(all, func(a, b one) int { return cmp.Or(cmp.Compare(a.n, b.n), cmp.Compare(a.group, b.group)) })
	if s.Connections > 0 {
		switch s.Pick {
		case "newest":
			slices.Reverse(all)
		case "random":
			seed := c.seed(step.ID)
			for i := len(all) - 1; i > 0; i-- {
				j := schedule.Pick(seed, uint64(i), i+1)
				all[i], all[j] = all[j], all[i]
			}
		}
		all = all[:min(s.Connections, len(all))]
		slices.SortFunc(all, func(a, b one) int { return cmp.Compare(a.n, b.n) })
		p.Which = map[string]loadgen.Set{}
		for _, o := range all {
			set := p.Which[o.group]
			set.Add(o.n)
			p.Which[o.group] = set
		}
	}
	for _, o := range all {
		c.groups[o.group].closed[o.n] = true
	}
	return &loadgen.StepPlan{Group: s.Group, Close: p}
}
