package claim

import (
	"fmt"
	"regexp"
	"strings"

	"wsgauge/report/quantity"
)

var place = regexp.MustCompile(`\{[^{}]*\}`)

// fill puts measured figures into a text: {A}, {A / B}, {A - B}. What is not known is
// written as such. Line breaks of the file become spaces.
func (m *measured) fill(text string) (string, error) {
	var failed error
	filled := place.ReplaceAllStringFunc(text, func(p string) string {
		s, err := m.placeholder(p[1 : len(p)-1])
		if err != nil && failed == nil {
			failed = fmt.Errorf("placeholder %s: %w", p, err)
		}
		return s
	})
	return strings.Join(strings.Fields(filled), " "), failed
}

func (m *measured) placeholder(text string) (string, error) {
	left, rest := cutFigure(text)
	a, err := m.operand(left)
	if err != nil {
		return "", err
	}
	first, unknown := m.of(a)
	if rest == "" {
		if unknown != "" && first.instead == "" {
			first.instead = quantity.NotMeasured
		}
		return first.String(), nil
	}
	op := rest[0]
	right, tail := cutFigure(rest[1:])
	b, err := m.operand(right)
	if err != nil {
		return "", err
	}
	if tail != "" || op != '/' && op != '-' {
		return "", fmt.Errorf("it is none of {A}, {A / B}, {A - B}")
	}
	second, why := m.of(b)
	if unknown == "" {
		unknown = why
	}
	if first.bound || second.bound {
		unknown = "a lower bound"
	}
	if op == '-' {
		return orUnknown(quantity.Format(first.value-second.value, first.unit), unknown), nil
	}
	if second.value == 0 {
		unknown = "nothing to divide by"
	}
	return orUnknown(quantity.Format(first.value/second.value, "×"), unknown), nil
}

func orUnknown(text, unknown string) string {
	if unknown != "" {
		return quantity.NotMeasured
	}
	return text
}
