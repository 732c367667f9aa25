package results

import (
	"slices"
	"strings"
)

// Figure returns a figure of the trial by its name (see [LookFigure]), or that of
// one of its steps when step is not empty. ok is false for a figure that is
// unknown, null or absent, and for a step that was not reached.
//
// A step that `repeat` ran several times gives the sum of a count, and of any other
// figure the median over the passes that have it.
func (t *Trial) Figure(step, name string) (value float64, unit string, ok bool) {
	info, err := LookFigure(name)
	if err != nil {
		return 0, "", false
	}
	if step == "" {
		if head, class, one := strings.Cut(name, "."); head == "log" {
			return classes(t.Log, class, one), "", true
		}
		value, ok = t.Figures.figure(name, t.Resources)
		return value, info.Unit, ok
	}
	var values []float64
	for i := range t.Steps {
		if v, _, ok := t.Steps[i].Figure(name); ok && t.Steps[i].ID == step {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return 0, info.Unit, false
	}
	if info.Count {
		for _, v := range values {
			value += v
		}
		return value, info.Unit, true
	}
	return Median(values), info.Unit, true
}

// Figure returns a figure of the step by its name. The log is the trial's alone.
func (s *Step) Figure(name string) (value float64, unit string, ok bool) {
	info, err := LookFigure(name)
	if err != nil || name == "log" || strings.HasPrefix(name, "log.") {
		return 0, "", false
	}
	if info.Group == "actions" {
		value, ok = s.action(name)
		return value, info.Unit, ok
	}
	value, ok = s.Figures.figure(name, s.Resources)
	return value, info.Unit, ok
}

// Censored tells whether a figure is only a lower bound, in the trial or, when
// step is not empty, in any pass of that step.
func (t *Trial) Censored(step, name string) bool {
	metric, quantile, _ := strings.Cut(name, ".")
	censored := func(f *Figures) bool {
		q := f.Metric(metric)
		// The mean counts every lower bound, so it is one as soon as the maximum is.
		return q != nil && (q.IsCensored(quantile) || quantile == "mean" && q.IsCensored("max"))
	}
	if step == "" {
		return censored(&t.Figures)
	}
	return slices.ContainsFunc(t.Steps, func(s Step) bool { return s.ID == step && censored(&s.Figures) })
}

// Spoiled tells whether a figure cannot be trusted in this trial, and why: an entry
// of Invalid names it, its group, or all; or the trial did not run to its end. An
// entry for a step spoils that step's figures and the trial's, into which they were
// merged, but no other step's.
func (t *Trial) Spoiled(step, name string) (reason string, spoiled bool) {
	if t.Error != "" {
		return t.Error, true
	}
	info, err := LookFigure(name)
	if err != nil {
		return err.Error(), true
	}
	for _, i := range t.Invalid {
		if step != "" && i.Step != "" && step != i.Step {
			continue
		}
		if slices.ContainsFunc(i.Figures, info.spoiledBy) {
			return i.Reason, true
		}
	}
	if !t.Valid && len(t.Invalid) == 0 {
		return "the trial is marked as not valid, without a reason", true
	}
	return "", false
}

// spoiledBy tells whether a word in Invalid.Figures means this figure.
func (info FigureInfo) spoiledBy(word string) bool {
	if word == "response_time" {
		// What a late generator does to response time it does to its whole group.
		word = "latency"
	}
	return word == "all" || word == info.Group || word == info.Name || strings.HasPrefix(info.Name, word+".")
}

// Median is the middle of the values, the mean of the two in the middle when their
// number is even, and 0 of none. The values stay as they are.
func Median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	switch n := len(v); {
	case n == 0:
		return 0
	case n%2 == 1:
		return v[n/2]
	default:
		return v[n/2-1] + (v[n/2]-v[n/2-1])/2
	}
}
