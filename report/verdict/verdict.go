package verdict

import (
	"fmt"
	"strings"

	"wsgauge/report/aggregate"
	"wsgauge/report/formula"
	"wsgauge/report/quantity"
	"wsgauge/results"
)

// The verdicts.
const (
	Pass         = "pass"
	Fail         = "fail"
	Inconclusive = "inconclusive" // measured, and it cannot be told
	Invalid      = "invalid"      // nothing to judge by
)

// Evaluate judges the run's expectations: one verdict for each and each target, or
// for the one target it names. An expectation that cannot be read, names something
// that did not run, or has a figure that is valid in no trial is invalid, and Why
// says so.
func Evaluate(d *results.RunData) []results.Verdict {
	targets := aggregate.Targets(d)
	known := map[string]bool{}
	for _, t := range targets {
		known[t.Name] = true
	}
	for _, s := range d.Run.Skipped {
		known[s.Name] = true
	}
	out := []results.Verdict{}
	for _, text := range d.Run.Expect {
		e, err := parse(text, func(name string) bool { return known[name] })
		if err != nil {
			out = append(out, results.Verdict{Kind: "expect", Name: text, Verdict: Invalid, Why: err.Error()})
			continue
		}
		out = append(out, e.judgeAll(d, targets)...)
	}
	return out
}

func (e expectation) judgeAll(d *results.RunData, targets []aggregate.Target) []results.Verdict {
	var out []results.Verdict
	for _, t := range targets {
		if e.target == "" && !e.concerns(t) || e.target != "" && e.target != t.Name {
			continue
		}
		out = append(out, e.judge(t))
	}
	if len(out) > 0 {
		return out
	}
	v := results.Verdict{Kind: "expect", Name: e.text, Target: e.target, Verdict: Invalid, Unit: e.figure.Unit,
		Why: "there is no target that it could be judged by"}
	for _, s := range d.Run.Skipped {
		if s.Name == e.target {
			v.Why = fmt.Sprintf("%s was skipped: %s", s.Name, s.Reason)
		}
	}
	return append(out, v)
}

// concerns tells whether an expectation for every target says anything of this one:
// no processes, no figures of them.
func (e expectation) concerns(t aggregate.Target) bool {
	rest, ok := strings.CutPrefix(e.figure.Name, "resources.")
	if !ok || len(t.Trials) == 0 {
		return true
	}
	group, _, _ := strings.Cut(rest, ".")
	for _, trial := range t.Trials {
		if trial.Resources[group] != nil || trial.Error != "" {
			return true
		}
	}
	return false
}

func (e expectation) judge(t aggregate.Target) results.Verdict {
	v := results.Verdict{Kind: "expect", Name: e.text, Target: t.Name, Unit: e.figure.Unit, Verdict: Invalid}
	a, err := aggregate.Over(t.Trials, e.step, e.figure.Name)
	if err != nil {
		v.Why = err.Error()
		return v
	}
	if block, why, ended := endedByItself(t); ended {
		v.Verdict, v.Why = Fail, fmt.Sprintf("the target ended by itself in block %d: %s", block, why)
		return v
	}
	name := e.short()
	if a.State != aggregate.Known {
		v.Why = fmt.Sprintf("%s: %s", name, a.Why)
		if a.State == aggregate.NotMeasured && e.step != "" && !reached(t, e.step) {
			v.Why = fmt.Sprintf("no trial has a step %q", e.step)
		}
		return v
	}
	v.Value, v.Interval = a.Value, [2]float64{a.Min, a.Max}
	v.Verdict = e.decide(a)
	value, limit := a.String(), e.limit()
	if value == quantity.Format(e.value, a.Unit) && a.Value != e.value {
		// Three digits would hide on which side of the limit it lies.
		value = fmt.Sprintf("%s (%+.3g%%)", value, 100*(a.Value/e.value-1))
	}
	v.Why = fmt.Sprintf("%s %s, limit %s, %s", name, value, limit, a.Basis())
	if v.Verdict == Inconclusive {
		v.Why += "; unanswered messages reach it, so that the true value is at least this"
	}
	return v
}

// endedByItself finds a trial whose target did not live through it. Whatever its other
// trials show, what is expected of a target is expected of one that lives.
func endedByItself(t aggregate.Target) (block int, why string, ended bool) {
	for _, trial := range t.Trials {
		if trial.TargetEnded {
			return trial.Block, trial.Error, true
		}
	}
	return 0, "", false
}

// decide compares. Of a lower bound only what lies beyond it for certain is told.
func (e expectation) decide(a aggregate.Aggregate) string {
	holds := formula.Compare(a.Value, e.op, e.value)
	if a.Censored {
		switch e.op {
		case "<", "<=":
			if holds {
				return Inconclusive
			}
		case ">", ">=":
			if !holds {
				return Inconclusive
			}
		case "==", "!=":
			if a.Value <= e.value {
				return Inconclusive
			}
		}
	}
	if holds {
		return Pass
	}
	return Fail
}

// short is the figure's name as a sentence begins with it: "p99" alone for the
// response time, which everything is judged by.
func (e expectation) short() string {
	return strings.TrimPrefix(e.figure.Name, "response_time.")
}

func (e expectation) limit() string {
	value := quantity.Format(e.value, e.figure.Unit)
	switch e.op {
	case "<", "<=":
		return value
	case ">", ">=":
		return "at least " + value
	case "!=":
		return "anything but " + value
	}
	return "exactly " + value
}

func reached(t aggregate.Target, step string) bool {
	for _, trial := range t.Trials {
		for _, s := range trial.Steps {
			if s.ID == step {
				return true
			}
		}
	}
	return false
}

// Exit codes of a run.
const (
	ExitPassed       = 0
	ExitFailed       = 3
	ExitInconclusive = 4
	ExitNoTrial      = 5
)

// ExitCode is what the run's verdicts and trials come to: 5 when no trial is valid,
// 3 when anything failed (a claim that does not hold is none), 4 when anything could not be judged or a target did not
// live through a trial, 0 otherwise.
func ExitCode(d *results.RunData) int {
	valid, code := 0, ExitPassed
	for _, t := range aggregate.Targets(d) {
		valid += t.Valid()
		if _, _, ended := endedByItself(t); ended {
			code = ExitInconclusive
		}
	}
	if valid == 0 {
		return ExitNoTrial
	}
	for _, v := range d.Run.Verdicts {
		switch v.Verdict {
		case Fail:
			if v.Kind == "claim" {
				continue // it was measured, and is no more so than guides say
			}
			return ExitFailed
		case Inconclusive, Invalid:
			code = ExitInconclusive
		}
	}
	return code
}
