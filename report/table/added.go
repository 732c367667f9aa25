package table

import (
	"fmt"
	"math"
	"strings"

	"wsgauge/report/aggregate"
	"wsgauge/report/quantity"
	"wsgauge/report/shift"
	"wsgauge/results"
)

// added says how much later answers came than over the direct connection, at equal
// quantiles. What could not be read is said where the charts are made.
func added(b *strings.Builder, d *results.RunData) {
	targets := aggregate.Targets(d)
	reference := aggregate.Reference(targets)
	base, _ := shift.Samples(d, reference, "")
	var lines []string
	level := 0.0
	for _, t := range targets {
		if t.Name == reference || len(base) == 0 {
			continue
		}
		samples, _ := shift.Samples(d, t.Name, "")
		var parts []string
		for _, q := range []float64{0.5, 0.99, 0.999} {
			band := shift.Between(samples, base, q)
			if band.Blocks == 0 {
				continue
			}
			part := fmt.Sprintf("p%g %s", 100*q, signed(band.Median))
			if band.Level > 0 {
				part += fmt.Sprintf(" (%s … %s)", signed(band.Low), signed(band.High))
				level = max(level, band.Level)
			}
			parts = append(parts, part)
		}
		if len(parts) > 0 {
			lines = append(lines, t.Name+": "+strings.Join(parts, ", "))
		}
	}
	title := "Added latency against " + reference + ", at equal percentiles"
	if level > 0 {
		title += fmt.Sprintf(": median of the blocks, and its band (%.0f%%)", 100*level)
	}
	section(b, title, lines, func(s string) string { return s })
}

// signed writes nanoseconds with their sign.
func signed(ns float64) string {
	if ns < 0 {
		return "−" + quantity.Format(math.Abs(ns), "ns")
	}
	return "+" + quantity.Format(ns, "ns")
}
