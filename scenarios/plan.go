package scenarios

import (
	"maps"
	"math"
	"slices"
	"time"
)

// Duration estimates how long the steps of one trial take, without starting and
// stopping processes: what the steps ask for, and nothing for answers that are
// late. It is 0 or more, and the largest duration when it would not fit.
func (s *Scenario) Duration() time.Duration { return lengthOf(s.Steps) }

// closing is about how long a closing handshake with everyone takes on one machine.
const closing = 100 * time.Millisecond

func lengthOf(steps []Step) time.Duration {
	total := 0.0
	for i := range steps {
		total += float64(steps[i].length())
	}
	return duration64(total)
}

// duration64 makes a duration of nanoseconds, the longest there is at most.
func duration64(ns float64) time.Duration {
	if !(ns < math.MaxInt64) {
		return math.MaxInt64
	}
	return max(0, time.Duration(ns))
}

func (s *Step) length() time.Duration {
	switch {
	case s.Connect != nil && s.Connect.Rate > 0:
		return duration64(float64(s.Connect.Connections) / s.Connect.Rate * 1e9)
	case s.Send != nil:
		return s.Send.Warmup + s.Send.For
	case s.Hold != nil:
		return s.Hold.For
	case s.Close != nil:
		return closing
	case s.Wait != nil:
		return s.Wait.For // until drained: a moment, as a rule
	case s.HTTP != nil:
		return s.HTTP.Warmup + s.HTTP.For
	case s.Together != nil:
		return s.Together.length()
	case s.Repeat != nil:
		pass := lengthOf(s.Repeat.Steps)
		passes := float64(s.Repeat.Times)
		if passes == 0 {
			if pass <= 0 {
				return s.Repeat.For
			}
			passes = math.Ceil(float64(s.Repeat.For) / float64(pass))
		}
		return duration64(passes * float64(pass))
	}
	return 0
}

// length is that of the longest branch, or of the shortest when the first ends all.
func (t *Together) length() time.Duration {
	var lengths []time.Duration
	for _, branch := range t.Branches {
		lengths = append(lengths, lengthOf(branch))
	}
	switch {
	case len(lengths) == 0:
		return 0
	case t.Until == "first":
		return slices.Min(lengths)
	}
	return slices.Max(lengths)
}

// Walk calls visit for every step, those inside others included, in the order of the
// file.
func Walk(steps []Step, visit func(*Step)) {
	for i := range steps {
		visit(&steps[i])
		if r := steps[i].Repeat; r != nil {
			Walk(r.Steps, visit)
		}
		if t := steps[i].Together; t != nil {
			for _, branch := range t.Branches {
				Walk(branch, visit)
			}
		}
	}
}

// MaxOpen returns the most connections that are open at once when every attempt
// succeeds and nobody but the scenario closes one. Those that vanish count on: their
// sockets stay, and those of http steps while they run. A repeat that ends by time is taken to make as many passes as its
// steps' estimated length allows.
func (s *Scenario) MaxOpen() int {
	t := &tide{open: map[string]float64{}, budget: 100_000}
	t.run(s.Steps)
	return int(min(t.peak, math.MaxInt32))
}

// tide follows the number of open connections, by group.
type tide struct {
	open   map[string]float64
	peak   float64
	budget int // steps that are still followed one by one
}

func (t *tide) run(steps []Step) {
	for i := range steps {
		t.budget--
		switch s := &steps[i]; {
		case s.Connect != nil:
			t.open[s.Connect.Group] += float64(s.Connect.Connections)
			t.peak = max(t.peak, t.total())
		case s.Close != nil && s.Close.How != "vanish": // the sockets of those stay
			t.close(s.Close)
		case s.HTTP != nil:
			t.peak = max(t.peak, t.total()+float64(s.HTTP.Connections))
		case s.Together != nil:
			t.together(s.Together)
		case s.Repeat != nil:
			t.repeat(s.Repeat)
		}
	}
}

// together adds up what each branch opens by itself, since their peaks may coincide.
// A branch that was cut short may have closed less.
func (t *tide) together(g *Together) {
	base, most := t.total(), 0.0
	after := maps.Clone(t.open)
	for _, branch := range g.Branches {
		one := &tide{open: maps.Clone(t.open), peak: base, budget: t.budget}
		one.run(branch)
		t.budget = one.budget
		most += one.peak - base
		for name, n := range one.open {
			if change := n - t.open[name]; change > 0 || g.Until != "first" {
				after[name] += change
			}
		}
	}
	t.open, t.peak = after, max(t.peak, base+most)
}

func (t *tide) total() float64 {
	sum := 0.0
	for _, n := range t.open {
		sum += n
	}
	return sum
}

// close takes from the groups in the order of their names when none is named: only
// the sum is wanted, unless a later step names one.
func (t *tide) close(c *Close) {
	left := math.Inf(1)
	if c.Connections > 0 {
		left = float64(c.Connections)
	}
	for _, name := range slices.Sorted(maps.Keys(t.open)) {
		if c.Group == "" || c.Group == name {
			closed := min(t.open[name], left)
			t.open[name] -= closed
			left -= closed
		}
	}
}

// repeat follows the passes until they change nothing any more, or until the
// budget is spent; then whatever the last pass added is added by the others too.
func (t *tide) repeat(r *Repeat) {
	passes := r.Times
	if passes == 0 {
		if pass := lengthOf(r.Steps); pass > 0 {
			passes = int(min(math.Ceil(float64(r.For)/float64(pass)), math.MaxInt32))
		} else {
			passes = 1
		}
	}
	for pass := range passes {
		before, peak := maps.Clone(t.open), t.peak
		t.run(r.Steps)
		if maps.Equal(before, t.open) && t.peak == peak {
			return
		}
		if t.budget <= 0 {
			left := float64(passes - pass - 1)
			for name, n := range t.open {
				grown := max(0, n-before[name]) * left
				t.open[name] += grown
				t.peak += grown
			}
			return
		}
	}
}
