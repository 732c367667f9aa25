// Package verdict judges a run by the expectations of its scenario, and knows the
// exit code that follows.
//
// An expectation is
//
//	[target.][step.]figure op value
//
// with one of == != < <= > >= and a value in the figure's unit: 100ms, 64KiB,
// 2000/s, or a bare number for a count. Without a target it holds for every target.
package verdict

import (
	"fmt"
	"strings"

	"wsgauge/report/formula"
	"wsgauge/results"
)

// expectation is one line of `expect`, taken apart.
type expectation struct {
	text   string
	target string // empty: every target
	step   string // empty: the whole trial
	figure results.FigureInfo
	op     string
	value  float64 // in the figure's unit
}

// parse takes an expectation apart. known tells the names of targets; whatever else
// stands before the figure is a step.
func parse(text string, known func(target string) bool) (expectation, error) {
	e := expectation{text: text}
	at := strings.IndexAny(text, "=!<>")
	if at < 0 {
		return e, fmt.Errorf("expectation %q has no operator (%s)", text, formula.Operators())
	}
	path, rest := strings.TrimSpace(text[:at]), text[at:]
	if e.op, rest = formula.CutOperator(rest); e.op == "" {
		return e, fmt.Errorf("expectation %q has none of the operators %s", text, formula.Operators())
	}
	r, err := formula.ParseReference(path, known)
	if err != nil {
		return e, fmt.Errorf("expectation %q: %w", text, err)
	}
	e.target, e.step, e.figure = r.Target, r.Step, r.Figure
	if e.value, err = formula.ParseValue(rest, e.figure.Unit); err != nil {
		return e, fmt.Errorf("expectation %q: %w", text, err)
	}
	return e, nil
}
