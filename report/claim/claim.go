// Package claim decides what guides claim by the figures of a run. The claim and its
// rules stand in run.json as they stood in the scenario; docs/scenarios.md has their
// grammar.
//
// A rule is a list of expressions, each of which holds, does not, or is unknown: its
// figure is valid in no trial, was not measured, or is only a lower bound. Rules are
// tried in order. One in which an expression is false is passed over; the first of
// which everything holds gives the verdict; the first that might hold, if more were
// known, leaves the claim inconclusive, since a later rule may rest on it.
package claim

import (
	"fmt"
	"slices"
	"strings"

	"wsgauge/report/verdict"
	"wsgauge/results"
)

// The verdicts.
const (
	Holds        = "holds"
	InPart       = "in_part" // under a condition, which Why names
	DoesNotHold  = "does_not_hold"
	Inconclusive = "inconclusive"
)

// Say writes a verdict as people read it: "holds in part".
func Say(verdict string) string {
	return results.Verdict{Claim: verdict}.Word()
}

// say is the verdict as a clause has it after "it".
func say(verdict string) string {
	if verdict == Inconclusive {
		return "is inconclusive"
	}
	return Say(verdict)
}

// Finding is what a run came to.
type Finding struct {
	Verdict string
	Rule    int    // from 1, the one that gave it; 0: none did
	Why     string // the rule's text, or the claim's otherwise, with figures put in
	Terms   []Term // the expressions of the rule that decided, or of the one that might hold
}

// Term is an expression as it was measured.
type Term struct {
	Text  string // as the rule has it
	Shown string // with figures: "event.load.response_time.p50 248 µs ≤ 1.5 × 171 µs"
	State State
}

// State says what an expression came to.
type State int

// The states.
const (
	False State = iota
	True
	Unknown
)

// Evaluate decides a claim by a run. The error is for a rule that cannot be read.
func Evaluate(c *results.Claim, d *results.RunData) (Finding, error) {
	m := measure(d)
	for i, rule := range c.Rules {
		terms, state, err := m.rule(rule)
		if err != nil {
			return Finding{}, fmt.Errorf("claim %s, rule %d: %w", c.ID, i+1, err)
		}
		switch state {
		case True:
			why, err := m.fill(rule.Because)
			if err != nil {
				return Finding{}, fmt.Errorf("claim %s, rule %d: %w", c.ID, i+1, err)
			}
			return Finding{Verdict: rule.Verdict, Rule: i + 1, Why: why, Terms: terms}, nil
		case Unknown:
			return Finding{Verdict: Inconclusive, Terms: terms, Why: fmt.Sprintf("It might be that it %s, but that cannot be told: %s.", Say(rule.Verdict), unknowns(terms))}, nil
		}
	}
	why, err := m.fill(c.Otherwise)
	if err != nil {
		return Finding{}, fmt.Errorf("claim %s, otherwise: %w", c.ID, err)
	}
	return Finding{Verdict: Inconclusive, Why: why}, nil
}

// unknowns joins what is unknown, each once.
func unknowns(terms []Term) string {
	var all []string
	for _, t := range terms {
		if t.State == Unknown && !slices.Contains(all, t.Shown) {
			all = append(all, t.Shown)
		}
	}
	return strings.Join(all, "; ")
}

// rule evaluates all expressions of a rule. One that is false outweighs what is
// unknown.
func (m *measured) rule(r results.ClaimRule) (terms []Term, state State, err error) {
	state = True
	for _, text := range r.When {
		e, err := m.parse(text)
		if err != nil {
			return nil, Unknown, err
		}
		t := m.judge(e)
		terms = append(terms, t)
		switch {
		case t.State == False:
			state = False
		case t.State == Unknown && state == True:
			state = Unknown
		}
	}
	return terms, state, nil
}

// Record is the finding as run.json holds it.
func (f Finding) Record(id string) results.Verdict {
	v := results.Verdict{Kind: "claim", Name: id, Claim: f.Verdict, Why: f.Why, Verdict: verdict.Inconclusive}
	switch f.Verdict {
	case Holds, InPart:
		v.Verdict = verdict.Pass
	case DoesNotHold:
		v.Verdict = verdict.Fail
	}
	return v
}

// Verdicts judges the claim of a run as its records have it: one verdict, or none when
// the run has no claim. A claim that cannot be read is invalid, and Why says so.
func Verdicts(d *results.RunData) []results.Verdict {
	c := d.Run.Claim
	if c == nil {
		return nil
	}
	f, err := Evaluate(c, d)
	if err != nil {
		return []results.Verdict{{Kind: "claim", Name: c.ID, Verdict: verdict.Invalid, Claim: Inconclusive, Why: err.Error()}}
	}
	return []results.Verdict{f.Record(c.ID)}
}

// Part is one of several runs that a claim takes.
type Part struct {
	Name string // what it differs by: "backend node"
	Finding
}

// Combine makes one finding of the runs of a claim: their verdict when they agree,
// inconclusive when one of them is, and else in part.
func Combine(parts []Part) Finding {
	if len(parts) == 0 {
		return Finding{Verdict: Inconclusive, Why: "It was not measured."}
	}
	if len(parts) == 1 && parts[0].Name == "" {
		return parts[0].Finding
	}
	f := Finding{Verdict: parts[0].Verdict}
	var why []string
	for _, p := range parts {
		switch {
		case p.Verdict == f.Verdict || f.Verdict == Inconclusive:
		case p.Verdict == Inconclusive:
			f.Verdict = Inconclusive
		default:
			f.Verdict = InPart
		}
		for _, t := range p.Terms {
			t.Shown = p.Name + ": " + t.Shown
			f.Terms = append(f.Terms, t)
		}
		why = append(why, fmt.Sprintf("With %s it %s: %s", p.Name, say(p.Verdict), p.Why))
	}
	f.Why = strings.Join(why, " ")
	return f
}
