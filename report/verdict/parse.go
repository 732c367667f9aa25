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
	"math"
	"strconv"
	"strings"
	"time"

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

// operators, the longer before those they begin with.
var operators = []string{"==", "!=", "<=", ">=", "<", ">"}

// parse takes an expectation apart. known tells the names of targets; whatever else
// stands before the figure is a step.
func parse(text string, known func(target string) bool) (expectation, error) {
	e := expectation{text: text}
	at := strings.IndexAny(text, "=!<>")
	if at < 0 {
		return e, fmt.Errorf("expectation %q has no operator (%s)", text, strings.Join(operators, " "))
	}
	path, rest := strings.TrimSpace(text[:at]), text[at:]
	for _, op := range operators {
		if strings.HasPrefix(rest, op) {
			e.op, rest = op, strings.TrimSpace(rest[len(op):])
			break
		}
	}
	if e.op == "" {
		return e, fmt.Errorf("expectation %q has none of the operators %s", text, strings.Join(operators, " "))
	}
	if err := e.place(path, known); err != nil {
		return e, err
	}
	var err error
	if e.value, err = parseValue(rest, e.figure.Unit); err != nil {
		return e, fmt.Errorf("expectation %q: %w", text, err)
	}
	return e, nil
}

// place finds target, step and figure in a dotted path. All three may hold dots or
// words of each other, so the longest tail that is a figure wins; what is before it
// is a target when it is known as one.
func (e *expectation) place(path string, known func(string) bool) error {
	words := strings.Split(path, ".")
	var first error
	for i := range words {
		info, err := results.LookFigure(strings.Join(words[i:], "."))
		if err != nil {
			if first == nil {
				first = err
			}
			continue
		}
		e.figure = info
		before := words[:i]
		if len(before) > 0 && known(before[0]) {
			e.target, before = before[0], before[1:]
		}
		e.step = strings.Join(before, ".")
		return nil
	}
	return fmt.Errorf("expectation %q: %w", e.text, first)
}

// units are those of the scenario file, in the base unit of their kind.
var units = map[string]map[string]float64{
	"B": {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
		"KB": 1e3, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12},
	"/s": {"/s": 1, "/min": 1.0 / 60, "/m": 1.0 / 60, "/h": 1.0 / 3600},
}

// parseValue reads a value in the unit of the figure. Only a number of things is
// written bare: 100 of a time could be milliseconds or nanoseconds.
func parseValue(text, unit string) (float64, error) {
	if text == "" {
		return 0, fmt.Errorf("no value stands after the operator")
	}
	split := strings.LastIndexAny(text, "0123456789.") + 1
	bare, err := strconv.ParseFloat(text, 64)
	isBare := err == nil && !math.IsNaN(bare) && !math.IsInf(bare, 0)
	switch unit {
	case "":
		if !isBare {
			return 0, fmt.Errorf("%q is no bare number, and the figure is a number of things", text)
		}
		return bare, nil
	case "ns", "us", "s":
		d, err := parseDuration(text)
		if err != nil {
			return 0, err
		}
		return float64(d) / map[string]float64{"ns": 1, "us": 1e3, "s": 1e9}[unit], nil
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(text[:split]), 64)
	factor, ok := units[unit][strings.TrimSpace(text[split:])]
	if err != nil || !ok || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, fmt.Errorf("%q is no value like %s", text, map[string]string{"B": "64KiB", "/s": "2000/s"}[unit])
	}
	return n * factor, nil
}

// parseDuration is Go's, and days besides.
func parseDuration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseFloat(days, 64); err == nil && math.Abs(n) < 1e5 {
			return time.Duration(n * 24 * float64(time.Hour)), nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || text == "0" {
		return 0, fmt.Errorf("%q is no duration like 50ms", text)
	}
	return d, nil
}
