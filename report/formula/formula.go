// Package formula reads the parts of what is said about the figures of a run: a
// reference to a figure, an operator, a value in the figure's unit.
package formula

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"wsgauge/results"
)

// Reference is a figure of a run: [target.][step.]figure.
type Reference struct {
	Target string // empty: every target
	Step   string // empty: the whole trial
	Figure results.FigureInfo
}

// operators, the longer before those they begin with.
var operators = []string{"==", "!=", "<=", ">=", "<", ">"}

// Operators lists the operators for messages.
func Operators() string { return strings.Join(operators, " ") }

// CutOperator takes the operator from the beginning of a text; op is empty when there
// is none.
func CutOperator(text string) (op, rest string) {
	for _, op := range operators {
		if rest, is := strings.CutPrefix(text, op); is {
			return op, strings.TrimSpace(rest)
		}
	}
	return "", text
}

// ParseReference finds target, step and figure in a dotted path. All three may hold
// dots or words of each other, so the longest tail that is a figure wins; what is
// before it is a target when it is known as one, and else a step.
func ParseReference(path string, known func(target string) bool) (Reference, error) {
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
		r := Reference{Figure: info}
		before := words[:i]
		if len(before) > 0 && known(before[0]) {
			r.Target, before = before[0], before[1:]
		}
		r.Step = strings.Join(before, ".")
		return r, nil
	}
	return Reference{}, first
}

// units are those of the scenario file, in the base unit of their kind.
var units = map[string]map[string]float64{
	"B": {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
		"KB": 1e3, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12},
	"/s": {"/s": 1, "/min": 1.0 / 60, "/m": 1.0 / 60, "/h": 1.0 / 3600},
}

// ParseValue reads a value in the unit of a figure. Only a number of things is
// written bare: 100 of a time could be milliseconds or nanoseconds.
func ParseValue(text, unit string) (float64, error) {
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

// Compare tells whether `v op limit` holds.
func Compare(v float64, op string, limit float64) bool {
	switch op {
	case "==":
		return v == limit
	case "!=":
		return v != limit
	case "<":
		return v < limit
	case "<=":
		return v <= limit
	case ">":
		return v > limit
	}
	return v >= limit
}
