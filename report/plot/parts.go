package plot

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"wsgauge/report/quantity"
	"wsgauge/results"
)

// partKey is a part of a group of processes in a trial: instance n of the backend, or
// generation n of the target.
type partKey struct {
	trialKey
	base string
	n    int
}

// partOf takes the name of a part apart.
func partOf(group string) (base string, n int, is bool) {
	for _, base := range []string{results.GenerationOf, results.BackendInstance} {
		digits, has := strings.CutPrefix(group, base)
		if n, err := strconv.Atoi(digits); has && err == nil {
			return base, n, true
		}
	}
	return "", 0, false
}

// mostPanels and mostParts bound a chart of parts: of more nobody could tell one line
// from another.
const (
	mostPanels = 8
	mostParts  = 16
)

// backendsOverTime has a panel for each target, and a line for each instance of the
// backend.
func backendsOverTime(s *source) Chart {
	return s.overTime(Chart{Name: "backends-time", Title: "Connections of each backend over time",
		Table:   Table{Head: []string{"target", "block", "time", "backend", "connections"}},
		Caption: "Established connections to each instance of the backend, by the kernel's count, " + fromFirstTrial + ". A tunnel is one of them. Dotted lines: where a step begins.",
		Alt:     "A panel for each target, with lines of the connections that each backend has over time. "},
		results.BackendInstance, "connections", func(n int) string { return fmt.Sprintf("backend %d", n) },
		func(v *results.Sample) *float64 { return v.BackEstablished })
}

// generationsOverTime has a panel for each target that was told to reload, and a line for
// each of its generations.
func generationsOverTime(s *source) Chart {
	return s.overTime(Chart{Name: "generations-time", Title: "Threads of each generation over time",
		Table:   Table{Head: []string{"target", "block", "time", "generation", "threads", "processes", "PSS"}},
		Caption: "Threads of the processes that began before the first reload (generation 0), after it (1), and so on, " + fromFirstTrial + ", from the first reload on. The target's first process is in none. Dotted lines: where a step begins.",
		Alt:     "A panel for each target that was told to reload, with lines of the threads of each generation over time. "},
		results.GenerationOf, "threads", func(n int) string { return fmt.Sprintf("generation %d", n) },
		func(v *results.Sample) *float64 { return v.Threads })
}

// partsOf are the samples of a part, by time. What each backend has at the end of a step
// stands in the step's record: samples of sockets are taken less often on a busy machine.
func (s *source) partsOf(trial *results.Trial, base string, n int) []*results.Sample {
	list := slices.Clone(s.parts[partKey{keyOf(trial), base, n}])
	for _, step := range trial.Steps {
		if base == results.BackendInstance && n >= 1 && n <= len(step.Instances) {
			connections := float64(step.Instances[n-1])
			list = append(list, &results.Sample{TS: trial.StartedS + step.EndedS, BackEstablished: &connections})
		}
	}
	slices.SortStableFunc(list, func(a, b *results.Sample) int { return cmp.Compare(a.TS, b.TS) })
	return list
}

// mosts says the highest value of each line.
func mosts(lines []Line) string {
	var words []string
	for _, l := range lines {
		words = append(words, fmt.Sprintf("%s at most %s", l.Name, quantity.Number(slices.Max(l.Y))))
	}
	return strings.Join(words, ", ")
}

// overTime fills a chart with the parts of each target.
func (s *source) overTime(c Chart, base, label string, name func(n int) string, of func(*results.Sample) *float64) Chart {
	x := Axis{Label: "time since the first step began", Unit: "s"}
	for _, t := range s.targets {
		trial := example(t, "resources.backend.fds_peak")
		if trial == nil || len(c.Panels) == mostPanels {
			continue
		}
		p := Panel{Title: t.Name, X: x, Y: Axis{Label: label}, Marks: marksOf(trial)}
		for n := range mostParts {
			line := Line{Name: name(n), Place: n}
			for _, v := range s.partsOf(trial, base, n) {
				at := v.TS - origin(trial)
				line.add(at, value(of(v)), false)
				row := []string{t.Name, fmt.Sprint(trial.Block), seconds(at), fmt.Sprint(n), number(of(v))}
				if base == results.GenerationOf {
					row = append(row, number(v.Processes), quantity.Format(value(v.PSSBytes), "B"))
				}
				c.Table.Rows = append(c.Table.Rows, row)
			}
			if len(line.X) > 0 {
				p.Lines = append(p.Lines, line.thinned())
			}
		}
		if len(p.Lines) > 0 {
			c.Panels = append(c.Panels, p)
			c.Alt += t.Name + ": " + mosts(p.Lines) + ". "
		}
	}
	c.Alt, c.Table = strings.TrimSpace(c.Alt), c.Table.bounded()
	return c
}
