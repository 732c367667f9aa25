package scenarios

import (
	"maps"
	"math"
	"slices"
)

// pool is what is known of a group of connections while the steps are walked.
type pool struct {
	open     int   // at most, since others may end connections too
	vague    bool  // a value it depends on is mistaken: nothing more is said of it
	attempts int64 // that were made under its name
	closed   mark  // the step that closed the last one
}

// course walks the steps as a trial would and finds those that have nothing to
// work on.
type course struct {
	*builder
	pools map[string]*pool
	told  map[mark]bool
}

func (b *builder) checkCourse(steps stepList) {
	c := &course{builder: b, pools: map[string]*pool{}, told: map[mark]bool{}}
	c.walk(steps, 1)
}

// mostNumbers bounds the connections that one group has in a trial: they are
// numbered with 32 bits.
const mostNumbers = 1 << 31

// walk goes over a list whose steps run times times in all.
func (c *course) walk(steps stepList, times int64) {
	for i := range steps {
		s := &steps[i]
		switch {
		case s.Connect.given():
			c.connect(&s.Connect, times)
		case s.Send.given():
			c.needs(s.Send.mark, s.Send.Group, "send")
			c.push(&s.Send)
		case s.Hold.given():
			c.needs(s.Hold.mark, s.Hold.Group, "hold")
		case s.Close.given():
			c.close(&s.Close)
		case s.Together.given():
			c.together(&s.Together, times)
		case s.Repeat.given():
			r := &s.Repeat
			passes := int64(1)
			if r.Times.known {
				passes = int64(r.Times.v)
			}
			total := saturating(times, passes)
			c.walk(r.Steps, total)
			if !r.Times.known || r.Times.v > 1 {
				// What the first pass closed is missing in the second. Attempts have
				// been counted.
				c.walk(r.Steps, 0)
			}
		}
	}
}

// together walks the branches one after the other: no two of them touch the same
// connections. What was cut short may have closed less.
func (c *course) together(t *rawTogether, times int64) {
	before := map[string]pool{}
	for name, p := range c.pools {
		before[name] = *p
	}
	for _, branch := range t.Branches {
		c.walk(branch.steps, times)
	}
	if t.Until.v != "first" {
		return
	}
	for name, p := range c.pools {
		if was := before[name]; p.open < was.open {
			p.open, p.closed = was.open, was.closed
		}
	}
}

func saturating(a, b int64) int64 {
	if a > 0 && b > math.MaxInt64/a {
		return math.MaxInt64
	}
	return a * b
}

func (c *course) pool(name string) *pool {
	p := c.pools[name]
	if p == nil {
		p = &pool{}
		c.pools[name] = p
	}
	return p
}

func (c *course) connect(s *rawConnect, times int64) {
	if !s.Group.known {
		for _, p := range c.pools {
			p.vague = true
		}
		return
	}
	p := c.pool(s.Group.v)
	if !s.Connections.known {
		p.vague = true
	}
	p.open = min(p.open+s.Connections.v, mostNumbers)
	more := saturating(times, int64(s.Connections.v))
	if p.attempts = p.attempts + min(more, mostNumbers+1); p.attempts > mostNumbers && !c.told[s.mark] {
		c.told[s.mark] = true
		p.attempts = 0
		c.add(s.mark, "", "group %s would have more than %d connections in one trial", s.Group.v, int64(mostNumbers))
	}
}

// needs reports a step that cannot find an open connection.
func (c *course) needs(at mark, group text, what string) {
	if group.given() && !group.known || c.told[at] || c.count(group) > 0 {
		return
	}
	c.told[at] = true
	hint := "put a connect before it"
	if what == "hold" {
		hint += ", or wait, which needs no connections"
	}
	if group.v == "" {
		if p, has := c.lastClosed(); has {
			c.add(at, hint, "no connection is open here: the step on line %d closed the last one", p.closed.line)
			return
		}
		c.add(at, hint, "nothing has connected before this step")
		return
	}
	p := c.pools[group.v]
	if p == nil {
		if best, ok := nearest(group.v, slices.Sorted(maps.Keys(c.pools))); ok && group.given() {
			hint = "did you mean " + best + "?"
		}
		place := at
		if group.given() {
			place = group.mark
		}
		c.add(place, hint, "nothing has connected into group %s before this step", group.v)
		return
	}
	c.add(at, hint, "no connection of group %s is open here: the step on line %d closed the last one", group.v, p.closed.line)
}

// push refuses a rate of pushed messages whose share for one connection the backend
// would not take: each connection is a stream of its own.
func (c *course) push(s *rawSend) {
	n := c.count(s.Group)
	if s.Pattern.v != "push" || !s.Rate.known || n == 0 || n == math.MaxInt || c.told[s.Rate.mark] {
		return
	}
	each := s.Rate.v / float64(n)
	switch {
	case each > fastestPush:
		c.add(s.Rate.mark, "lower the rate, or open more connections before it",
			"pattern push: the rate is %.0f/s for each connection, and the backend pushes %.0f/s to one at most", each, fastestPush)
	case s.Arrivals.v == "constant" && each*longestPushGap.Seconds() < 1:
		c.add(s.Rate.mark, "raise the rate, open fewer connections, or make arrivals poisson",
			"pattern push: each of %d connections would get a message less than once in %d days", n, int(longestPushGap.Hours()/24))
	default:
		return
	}
	c.told[s.Rate.mark] = true
}

func (c *course) lastClosed() (*pool, bool) {
	var last *pool
	for _, p := range c.pools {
		if p.closed.given() && (last == nil || p.closed.line > last.closed.line) {
			last = p
		}
	}
	return last, last != nil
}

// count is how many connections may be open in a group, or in all when none is
// named; more than any when it cannot be known.
func (c *course) count(group text) int {
	total := 0
	for name, p := range c.pools {
		if group.v != "" && group.v != name {
			continue
		}
		if p.vague {
			return math.MaxInt
		}
		total += p.open
	}
	return total
}

func (c *course) close(s *rawClose) {
	c.needs(s.mark, s.Group, "close")
	open := c.count(s.Group)
	if n := s.Connections; n.known && n.v > open && open > 0 && !c.told[n.mark] {
		c.told[n.mark] = true
		c.add(n.mark, "", "close: %d connections are more than the %d that can be open here", n.v, open)
	}
	all := !s.Connections.given() || s.Connections.known && s.Connections.v >= open
	var left []*pool
	for name, p := range c.pools {
		if (s.Group.v == "" || s.Group.v == name) && p.open > 0 {
			left = append(left, p)
		}
	}
	for _, p := range left {
		switch {
		case all:
			p.open, p.closed = 0, s.mark
		case len(left) == 1:
			p.open -= s.Connections.v
		} // else some of them, of which group is not known
	}
}
