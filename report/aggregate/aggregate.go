// Package aggregate takes one figure over the trials of a target. Counts are summed
// over the trials in which they are valid; any other figure is the median over the
// trials in which it is valid. Percentiles of different trials are never averaged
// or merged into one; of an even number of trials the median is the middle between
// the two in the middle.
package aggregate

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"wsgauge/report/quantity"
	"wsgauge/results"
)

// State says what an aggregate is.
type State int

// The states.
const (
	Known       State = iota
	Null              // in no valid trial were there enough observations to state it
	NotMeasured       // no trial has it
	Invalid           // no trial has it valid
	NoTrial           // there is no trial
)

// Aggregate is one figure over trials.
type Aggregate struct {
	results.FigureInfo
	State    State
	Value    float64
	Min, Max float64 // over the trials that count
	Used     int     // trials that count
	Trials   int     // trials there are
	Censored bool    // the value is only a lower bound
	Why      string  // what kept a figure from being known
}

// Partial tells that the value rests on fewer trials than there are.
func (a Aggregate) Partial() bool {
	return a.State == Known && !a.FigureInfo.Count && a.Used < a.Trials
}

// Over aggregates a figure over trials, of one step when step is not empty. The
// error is for a name that is no figure.
func Over(trials []*results.Trial, step, name string) (Aggregate, error) {
	info, err := results.LookFigure(name)
	if err != nil {
		return Aggregate{}, err
	}
	a := Aggregate{FigureInfo: info, Trials: len(trials)}
	var values []float64
	lowest := math.Inf(1) // of the censored values
	var reasons []string
	missing, absent := 0, 0
	for _, t := range trials {
		if reason, spoiled := t.Spoiled(step, name); spoiled {
			reasons = append(reasons, reason)
			continue
		}
		v, _, ok := t.Figure(step, name)
		if !ok {
			if missing++; !measured(t, step, name) {
				absent++
			}
			continue
		}
		values = append(values, v)
		if t.Censored(step, name) {
			lowest = min(lowest, v)
		}
	}
	a.Used = len(values)
	if len(values) == 0 {
		a.State, a.Why = unknown(len(trials), missing, absent, reasons)
		return a, nil
	}
	a.Min, a.Max = slices.Min(values), slices.Max(values)
	if a.Count {
		for _, v := range values {
			a.Value += v
		}
	} else {
		a.Value = results.Median(values)
	}
	// The censored value of one trial may truly lie anywhere above: a median at or
	// over it is no more than a lower bound itself.
	a.Censored = a.Value >= lowest
	return a, nil
}

// unknown names the state of a figure that no trial gave.
func unknown(trials, missing, absent int, reasons []string) (State, string) {
	switch {
	case trials == 0:
		return NoTrial, "there is no trial"
	case missing == 0:
		slices.Sort(reasons)
		return Invalid, strings.Join(slices.Compact(reasons), "; ")
	case absent == missing:
		return NotMeasured, "it was not measured"
	}
	return Null, "fewer than 20 observations lie beyond it"
}

// measured tells a null quantile, which has too few observations beyond it, from a
// figure that nothing measured.
func measured(t *results.Trial, step, name string) bool {
	metric, _, quantile := strings.Cut(name, ".")
	if !quantile || strings.HasPrefix(name, "resources.") {
		return false
	}
	_, _, counted := t.Figure(step, metric+".count")
	if rest, ok := strings.CutPrefix(name, "http.response_time."); ok && rest != "" {
		_, _, counted = t.Figure(step, "http.response_time.count")
	}
	return counted
}

// String writes the value for people.
func (a Aggregate) String() string {
	switch a.State {
	case Null:
		return quantity.Null
	case NotMeasured, NoTrial:
		return quantity.NotMeasured
	case Invalid:
		return quantity.Invalid
	}
	if a.Censored {
		return quantity.AtLeast(a.Value, a.Unit)
	}
	return quantity.Format(a.Value, a.Unit)
}

// Basis says over what the value was taken: "median of 3 trials", "sum of 2 of 3
// trials".
func (a Aggregate) Basis() string {
	kind := "median"
	if a.Count {
		kind = "sum"
	}
	switch {
	case a.Trials == 1:
		return "1 trial"
	case a.Used == a.Trials:
		return fmt.Sprintf("%s of %d trials", kind, a.Used)
	}
	return fmt.Sprintf("%s of %d of %d trials", kind, a.Used, a.Trials)
}
