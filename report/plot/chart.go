// Package plot draws what a run's records hold: latency by percentile and over time,
// CPU, memory per tunnel, descriptors and threads. The data behind each chart is
// made first and apart from the drawing ([Charts]), as series and as a table for
// those who read numbers; SVG and PNG are drawn from it.
//
//	chart.go               what a chart is
//	latency.go shift.go resources.go  from records to charts
//	groups.go parts.go sizes.go openings.go tunnels.go failures.go workers.go requests.go  those of runs that have something to show
//	marks.go events.go     when steps began, and what was done to target and backends
//	ticks.go labels.go     where the numbers and names stand
//	theme.go draw.go bars.go  the drawing
//	write.go               SVG for a page, SVG and PNG files
package plot

import (
	"math"

	"wsgauge/results"
)

// Chart is a picture of one or more panels above each other that share the x axis.
type Chart struct {
	Name    string // of its files, without extension
	Title   string
	Caption string // how to read it
	Alt     string // what it shows, for those who do not see it
	Panels  []Panel
	Table   Table // the numbers behind it
	// Optional charts are about what only some runs have: when empty they are not missed.
	Optional bool
}

// Empty tells that there is nothing to draw.
func (c *Chart) Empty() bool {
	for _, p := range c.Panels {
		if !p.empty() {
			return false
		}
	}
	return true
}

// Panel has lines, or bars.
type Panel struct {
	Title string
	X, Y  Axis
	Lines []Line
	Bars  []Bar
	Marks []Mark
	// Events are what was done to the targets at times of their own.
	Events []Event
	// Holds are two values that the y axis holds at least; with zeros the data decide.
	Holds [2]float64
}

func (p *Panel) empty() bool {
	for _, l := range p.Lines {
		if len(l.X) > 0 {
			return false
		}
	}
	for _, b := range p.Bars {
		if b.Known {
			return false
		}
	}
	return true
}

// Axis says how values are set along it.
type Axis struct {
	Label string
	Unit  string // see package quantity
	Log   bool
	// Nines is for percentiles: values are -log10(1-p), so that 90%, 99% and 99.9%
	// stand at 1, 2 and 3.
	Nines bool
}

// Line is one target's; Place is its number in the scenario, and chooses colour and
// dashes. X ascends. A thin line belongs to another, and has no name.
type Line struct {
	Name  string
	Place int
	Thin  bool
	// Stems stand for counts: each value is a stroke from zero.
	Stems bool
	// Gap is how far apart neighbours may lie to be joined; 0: as far as they like.
	Gap  float64
	X, Y []float64
}

// Bar is one target's value, with the least and the most over its trials.
type Bar struct {
	Name             string
	Place            int
	Known            bool
	Value, Low, High float64
	Text             string // the value, or why there is none
}

// Mark is a moment: the start of a step.
type Mark struct {
	X    float64
	Text string
}

// Table is text in rows and columns.
type Table struct {
	Head []string
	Rows [][]string
}

// Charts makes all charts of a run. The problems say, in sentences, which records
// could not be read for them.
func Charts(d *results.RunData) (charts []Chart, problems []string) {
	s := newSource(d)
	charts = []Chart{latencyByPercentile(s), addedLatency(s), latencyOverTime(s), cpuOverTime(s), memoryPerTunnel(s), descriptorsAndThreads(s)}
	for _, c := range []Chart{cpuByGroup(s), costBySize(s), openingsByStep(s), workersOverTime(s), requestsByPercentile(s), requestsOverTime(s), tunnelsOverTime(s), failuresByClass(s), backendsOverTime(s), generationsOverTime(s)} {
		c.Optional = true
		charts = append(charts, c)
	}
	return charts, s.problems
}

// maxPoints bounds a line, so that the page of a day's run stays small.
const maxPoints = 120

// add appends a point; one that no axis can show is left out.
func (l *Line) add(x, y float64, logY bool) {
	if math.IsNaN(x) || math.IsInf(x, 0) || math.IsNaN(y) || math.IsInf(y, 0) || logY && y <= 0 {
		return
	}
	l.X, l.Y = append(l.X, x), append(l.Y, y)
}

// thinned returns a line of at most maxPoints: of as many neighbours as it takes,
// the one with the largest value stands for all, so that no peak is lost.
func (l Line) thinned() Line {
	n := len(l.X)
	if n <= maxPoints {
		return l
	}
	out := Line{Name: l.Name, Place: l.Place, Stems: l.Stems, Gap: l.Gap * math.Ceil(float64(n)/maxPoints)}
	for i := range maxPoints {
		best := i * n / maxPoints
		for k := best; k < (i+1)*n/maxPoints; k++ {
			if l.Y[k] > l.Y[best] {
				best = k
			}
		}
		out.X, out.Y = append(out.X, l.X[best]), append(out.Y, l.Y[best])
	}
	return out
}
