// Package quantity writes numbers with units for people: three significant digits,
// the unit that fits, and a sign before what is only a lower bound.
package quantity

import (
	"math"
	"strconv"
	"strings"
)

// What stands in place of a number.
const (
	Null        = "–"       // too few observations to state it
	NotMeasured = "n/a"     // nothing measured it
	Invalid     = "invalid" // measured, and not to be trusted
)

type scale struct {
	factor float64 // of the base unit
	name   string
}

var scales = map[string][]scale{
	"ns": {{1, "ns"}, {1e3, "µs"}, {1e6, "ms"}, {1e9, "s"}, {60e9, "min"}, {3600e9, "h"}, {86400e9, "d"}},
	"B":  {{1, "B"}, {1 << 10, "KiB"}, {1 << 20, "MiB"}, {1 << 30, "GiB"}, {1 << 40, "TiB"}},
}

// Format writes a value in the unit of a figure ("ns", "s", "us", "B", "/s", "%",
// "" for a number of things) in the unit that suits it: 41200000 ns is "41.2 ms".
// What is no number is "–".
func Format(v float64, unit string) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return Null
	}
	switch unit {
	case "":
		return Number(v)
	case "s":
		return Format(v*1e9, "ns")
	case "us":
		return Format(v*1e3, "ns")
	case "/s", "%", "×":
		return Number(v) + unit
	}
	steps := scales[unit]
	if len(steps) == 0 {
		return Number(v) + " " + unit
	}
	fit := steps[0]
	for _, s := range steps[1:] {
		// 999.6 µs would be written as 1000 µs.
		if math.Abs(v) >= s.factor*0.9995 && (unit != "B" || math.Abs(v) >= s.factor) {
			fit = s
		}
	}
	return Number(v/fit.factor) + " " + fit.name
}

// AtLeast writes a lower bound: "≥ 5 s".
func AtLeast(v float64, unit string) string { return "≥ " + Format(v, unit) }

// Number writes three significant digits, and all digits before the point, in
// groups of three: 0.0123, 1.5, 41.2, 3000, 12,345.
func Number(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return Null
	}
	if v == 0 {
		return "0"
	}
	if math.Abs(v) < 1e-6 || math.Abs(v) >= 1e15 {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	digits := max(0, 2-int(math.Floor(math.Log10(math.Abs(v)))))
	s := strconv.FormatFloat(v, 'f', digits, 64)
	if r := math.Abs(v); digits > 0 {
		// 9.999 has two decimals by its size, and would become 10.00.
		if rounded, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(rounded) >= math.Pow10(3-digits) && r < math.Pow10(3-digits) {
			s = strconv.FormatFloat(v, 'f', digits-1, 64)
		}
	}
	if strings.Contains(s, ".") {
		return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	}
	return grouped(s)
}

// grouped sets commas between the thousands from five digits on.
func grouped(s string) string {
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	if len(s) < 5 {
		return sign + s
	}
	var b strings.Builder
	b.WriteString(sign)
	for i, c := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}
