package claim

import (
	"fmt"
	"math"
	"regexp"
	"strings"

	"wsgauge/report/aggregate"
	"wsgauge/report/formula"
	"wsgauge/report/quantity"
	"wsgauge/results"
)

// measured is a run, ready to be asked.
type measured struct {
	data    *results.RunData
	targets []aggregate.Target
	known   map[string]bool // names of targets, those that were skipped included
}

func measure(d *results.RunData) *measured {
	m := &measured{data: d, targets: aggregate.Targets(d), known: map[string]bool{}}
	for _, t := range m.targets {
		m.known[t.Name] = true
	}
	for _, s := range d.Run.Skipped {
		m.known[s.Name] = true
	}
	return m
}

// quantum is a measured value in a base unit. A lower bound may truly lie anywhere
// above.
type quantum struct {
	value float64
	unit  string
	bound bool
	// instead is what tables have in place of a value that is not known: "invalid".
	instead string
}

func (q quantum) high() float64 {
	if q.bound {
		return math.Inf(1)
	}
	return q.value
}

func (q quantum) String() string {
	if q.instead != "" {
		return q.instead
	}
	if q.bound {
		return quantity.AtLeast(q.value, q.unit)
	}
	return quantity.Format(q.value, q.unit)
}

// of measures an operand. unknown says why there is no value.
func (m *measured) of(o operand) (q quantum, unknown string) {
	for _, t := range m.targets {
		if t.Name == o.Target {
			if o.lines != nil {
				return m.count(t, o.lines)
			}
			return figure(t, o)
		}
	}
	for _, s := range m.data.Run.Skipped {
		if s.Name == o.Target {
			return q, fmt.Sprintf("%s was skipped: %s", s.Name, s.Reason)
		}
	}
	// A word before the figure that is no target reads as a step.
	return q, fmt.Sprintf("%s is of no target that ran", o.text)
}

func figure(t aggregate.Target, o operand) (q quantum, unknown string) {
	a, err := aggregate.Over(t.Trials, o.Step, o.Figure.Name)
	if err != nil {
		return q, err.Error()
	}
	if a.State != aggregate.Known {
		q.instead = a.String()
		return q, fmt.Sprintf("%s: %s", o.text, firstOf(a.Why))
	}
	unit, factor := base(a.Unit)
	return quantum{value: a.Value * factor, unit: unit, bound: a.Censored}, ""
}

// firstOf is the first of several reasons, which mostly say the same of each trial.
func firstOf(reasons string) string {
	first, _, more := strings.Cut(reasons, "; ")
	if more {
		first += ", and so in its other trials"
	}
	return first
}

// count counts the lines of a target's log that match, over the trials that ran to
// their end.
func (m *measured) count(t aggregate.Target, re *regexp.Regexp) (q quantum, unknown string) {
	valid := map[int]bool{}
	why := "there is no trial"
	for _, trial := range t.Trials {
		if reason, spoiled := trial.Spoiled("", "log"); spoiled {
			why = reason
			continue
		}
		valid[trial.Block] = true
	}
	if len(valid) == 0 {
		return q, fmt.Sprintf("the log of %s: %s", t.Name, why)
	}
	for i := range m.data.Events {
		e := &m.data.Events[i]
		if e.Kind == "log" && e.Target == t.Name && valid[e.Block] && !results.Uncounted(e) && re.MatchString(e.Text) {
			q.value++
		}
	}
	return q, ""
}

// judge evaluates an expression.
func (m *measured) judge(e expression) Term {
	if e.left.Target == "" && e.left.lines == nil {
		return m.judgeAll(e)
	}
	t := Term{Text: e.text, State: Unknown}
	left, unknown := m.of(e.left)
	if unknown != "" {
		t.Shown = unknown
		return t
	}
	right := quantum{value: e.value, unit: left.unit}
	shown := right.String()
	if e.right != nil {
		q, unknown := m.of(*e.right)
		if unknown != "" {
			t.Shown = unknown
			return t
		}
		right = quantum{value: e.factor*q.value + e.plus, unit: left.unit, bound: q.bound}
		shown = m.side(e, q)
	}
	t.State = decide(left, e.op, right)
	t.Shown = fmt.Sprintf("%s %s %s %s", e.left.text, left, sign(e.op), shown)
	if t.State == Unknown {
		t.Shown += ", of which a side is only a lower bound, since messages have no answer"
	}
	return t
}

// judgeAll evaluates an expression that names no target, for each that it concerns.
func (m *measured) judgeAll(e expression) Term {
	all := Term{Text: e.text, State: True}
	var shown []string
	for _, target := range m.targets {
		if !concerns(target, e.left.Figure.Name) {
			continue
		}
		one := e
		one.left.Target, one.left.text = target.Name, target.Name+"."+e.left.text
		t := m.judge(one)
		if t.State == all.State {
			shown = append(shown, t.Shown)
		} else if t.State == False || t.State == Unknown && all.State == True {
			all.State, shown = t.State, []string{t.Shown}
		}
	}
	if len(shown) == 0 {
		all.State, shown = Unknown, []string{e.text + ": no target ran that it could be judged by"}
	}
	all.Shown = strings.Join(shown, ", ")
	return all
}

// concerns tells whether a target has such a figure at all: a direct connection has no
// processes.
func concerns(t aggregate.Target, figure string) bool {
	return !strings.HasPrefix(figure, "resources.target.") || t.Info == nil || t.Info.Kind != "direct"
}

// side writes the right side: "1.5 × tunnel.load.response_time.p50 171 µs + 2 ms".
func (m *measured) side(e expression, q quantum) string {
	var b strings.Builder
	if e.factor != 1 {
		fmt.Fprintf(&b, "%s × ", quantity.Number(e.factor))
	}
	fmt.Fprintf(&b, "%s %s", e.right.text, q)
	switch {
	case e.plus > 0:
		b.WriteString(" + " + quantity.Format(e.plus, q.unit))
	case e.plus < 0:
		b.WriteString(" − " + quantity.Format(-e.plus, q.unit))
	}
	return b.String()
}

func sign(op string) string {
	switch op {
	case "<=":
		return "≤"
	case ">=":
		return "≥"
	case "==":
		return "="
	case "!=":
		return "≠"
	}
	return op
}

// decide compares what is at least a with what is at least b.
func decide(a quantum, op string, b quantum) State {
	if !a.bound && !b.bound {
		if formula.Compare(a.value, op, b.value) {
			return True
		}
		return False
	}
	switch op {
	case "<", "<=":
		return between(formula.Compare(a.high(), op, b.value), formula.Compare(a.value, op, b.high()))
	case ">", ">=":
		return between(formula.Compare(a.value, op, b.high()), formula.Compare(a.high(), op, b.value))
	}
	// Whether both may be the same: each reaches as far up as the other begins.
	if a.high() >= b.value && b.high() >= a.value {
		return Unknown
	}
	if op == "!=" {
		return True
	}
	return False
}

// between is what is known of a comparison that is surely true in one extreme, and
// possibly in the other.
func between(surely, possibly bool) State {
	switch {
	case surely:
		return True
	case possibly:
		return Unknown
	}
	return False
}
