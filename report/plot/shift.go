package plot

import (
	"fmt"
	"math"
	"slices"

	"wsgauge/report/aggregate"
	"wsgauge/report/quantity"
	"wsgauge/report/shift"
)

// addedLatency shows the shift of each target's response times against the direct
// connection, or the reference tunnel when there is none, at equal quantiles.
func addedLatency(s *source) Chart {
	reference := aggregate.Reference(s.targets)
	c := Chart{Name: "latency-added", Title: "Added latency"}
	if reference == "" {
		c.Caption = "There is no direct connection and no reference tunnel to compare with."
		return c
	}
	c.Title += " against " + reference
	c.Caption = fmt.Sprintf("How much later answers come than over %s, at equal percentiles: the median over the blocks, in each of which both were measured. "+
		"Thin lines bound the band that holds the true median; the numbers say how surely. What is not above zero has no place on a logarithmic axis.", reference)
	c.Table.Head = []string{"target", "percentile", "added", "from", "to", "held with", "blocks"}
	base := s.responseTimes(reference)
	p := Panel{X: Axis{Label: "percentile", Nines: true}, Y: Axis{Label: "later by", Unit: "ns", Log: true}}
	for place, t := range s.targets {
		if t.Name == reference {
			continue
		}
		samples := s.responseTimes(t.Name)
		line := Line{Name: t.Name, Place: place}
		low, high := Line{Place: place, Thin: true}, Line{Place: place, Thin: true}
		for x := 0.05; x <= 4.0001; x += 0.05 { // the quickest of all says little
			b := shift.Between(samples, base, 1-math.Pow(10, -x))
			if b.Blocks == 0 {
				continue
			}
			line.add(x, b.Median, true)
			if b.Level > 0 {
				low.add(x, b.Low, true)
				high.add(x, b.High, true)
			}
		}
		p.Lines = append(p.Lines, line, low, high)
		for _, q := range []float64{0.5, 0.9, 0.99, 0.999} {
			c.Table.Rows = append(c.Table.Rows, shiftRow(t.Name, q, shift.Between(samples, base, q)))
		}
	}
	c.Panels = []Panel{p}
	c.Alt = "Lines of added response time over percentile, on logarithmic axes, with thinner lines around them. " + sentences(named(p.Lines), "ns", "at the end of its line")
	return c
}

// responseTimes are a target's response times by block. What cannot be read is a problem
// once, whichever chart comes upon it.
func (s *source) responseTimes(target string) map[int]shift.Sample {
	samples, problems := shift.Samples(s.data, target, "")
	for _, p := range problems {
		if !slices.Contains(s.problems, p) {
			s.problems = append(s.problems, p)
		}
	}
	return samples
}

func shiftRow(name string, q float64, b shift.Band) []string {
	row := []string{name, fmt.Sprintf("p%g", 100*q), quantity.Format(b.Median, "ns"), quantity.Null, quantity.Null, quantity.Null, fmt.Sprint(b.Blocks)}
	if b.Level > 0 {
		row[3], row[4], row[5] = quantity.Format(b.Low, "ns"), quantity.Format(b.High, "ns"), fmt.Sprintf("%.0f%%", 100*b.Level)
	}
	return row
}

// named leaves out lines without a name.
func named(lines []Line) (out []Line) {
	for _, l := range lines {
		if l.Name != "" {
			out = append(out, l)
		}
	}
	return out
}
