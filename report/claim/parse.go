package claim

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"wsgauge/report/formula"
)

// expression is
//
//	left op value
//	left op [factor *] right [+ plus | - plus]
//
// Values are in the base unit of the figure on the left.
type expression struct {
	text   string
	left   operand
	op     string
	value  float64 // without right
	factor float64 // 1 when none is given
	right  *operand
	plus   float64
}

// operand is a figure, or the lines of a log that match.
type operand struct {
	text string
	formula.Reference
	lines *regexp.Regexp // nil: the figure
}

// unit is that of the operand's value as it is measured, base the one in which it is
// compared: a CPU time in seconds and a response time in nanoseconds are both times.
func (o *operand) unit() string {
	if o.lines != nil {
		return ""
	}
	return o.Figure.Unit
}

func base(unit string) (name string, factor float64) {
	switch unit {
	case "us":
		return "ns", 1e3
	case "s":
		return "ns", 1e9
	}
	return unit, 1
}

func (m *measured) parse(text string) (expression, error) {
	text = strings.TrimSpace(text)
	e := expression{text: text, factor: 1}
	fail := func(err error) (expression, error) { return e, fmt.Errorf("expression %q: %w", text, err) }
	left, rest := cutFigure(text)
	if e.op, rest = formula.CutOperator(rest); e.op == "" {
		return fail(fmt.Errorf("none of the operators %s follows the figure", formula.Operators()))
	}
	var err error
	if e.left, err = m.operand(left); err != nil {
		return fail(err)
	}
	unit, _ := base(e.left.unit())
	first, tail := cutFigure(rest)
	if by, is := strings.CutPrefix(tail, "*"); is {
		if e.factor, err = strconv.ParseFloat(first, 64); err != nil {
			return fail(fmt.Errorf("%q is no factor", first))
		}
		first, tail = cutFigure(by)
	} else if first == "" || first[0] >= '0' && first[0] <= '9' {
		if tail != "" {
			return fail(fmt.Errorf("%q follows the value", tail))
		}
		if e.value, err = formula.ParseValue(first, unit); err != nil {
			return fail(err)
		}
		return e, nil
	}
	right, err := m.operand(first)
	if err != nil {
		return fail(err)
	}
	if other, _ := base(right.unit()); other != unit {
		return fail(fmt.Errorf("%s and %s have different units", left, first))
	}
	e.right = &right
	if tail == "" {
		return e, nil
	}
	if tail[0] != '+' && tail[0] != '-' {
		return fail(fmt.Errorf("%q follows the second figure", tail))
	}
	if e.plus, err = formula.ParseValue(strings.TrimSpace(tail[1:]), unit); err != nil {
		return fail(err)
	}
	if tail[0] == '-' {
		e.plus = -e.plus
	}
	return e, nil
}

// operand reads target.[step.]figure or target.lines("regexp").
func (m *measured) operand(text string) (operand, error) {
	o := operand{text: text}
	target, rest, found := strings.Cut(text, `.lines("`)
	if pattern, end := strings.CutSuffix(rest, `")`); found && end {
		re, err := regexp.Compile(pattern)
		if err != nil {
			return o, fmt.Errorf("%s: %w", text, err)
		}
		o.lines, o.Target = re, target
		return o, nil
	}
	r, err := formula.ParseReference(text, func(name string) bool { return m.known[name] })
	if err != nil {
		return o, err
	}
	o.Reference = r
	return o, nil
}

// cutFigure splits a figure, or a value, from what follows: an operator or a space
// ends it, but not within the quotes of lines("...").
func cutFigure(src string) (first, rest string) {
	const ends = " \t<>=!*+"
	src = strings.TrimSpace(src)
	from := 0
	if at := strings.Index(src, `.lines("`); at >= 0 && !strings.ContainsAny(src[:at], ends) {
		if end := strings.Index(src[at:], `")`); end >= 0 {
			from = at + end + 2
		}
	}
	at := strings.IndexAny(src[from:], ends)
	if at < 0 {
		return src, ""
	}
	return src[:from+at], strings.TrimSpace(src[from+at:])
}
