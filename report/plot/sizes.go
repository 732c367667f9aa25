package plot

import (
	"fmt"
	"math"
	"slices"

	"wsgauge/report/aggregate"
	"wsgauge/report/quantity"
	"wsgauge/results"
)

// costBySize draws what a message costs the target over how large it is, for runs whose
// send steps differ in that: a step is a point of each target's line, the median over the
// trials in which the figure is valid.
func costBySize(s *source) Chart {
	c := Chart{Name: "cpu-size", Title: "CPU a message by its size",
		Caption: "CPU of the target's processes for a message, by the mean size of the messages that were sent in a step; median over the valid trials, on logarithmic axes. Where a line is level the cost is that of a message, where it rises as fast as the size that of its bytes.",
		Table:   Table{Head: []string{"target", "step", "message", "CPU a message", "CPU a byte", "trials"}}}
	p := Panel{X: Axis{Label: "size of a message", Unit: "B", Log: true}, Y: Axis{Label: "CPU a message", Unit: "us", Log: true}}
	sizes := map[int]bool{}
	for place, t := range s.targets {
		line := Line{Name: t.Name, Place: place}
		for _, step := range sendsBySize(t.Trials) {
			a, err := aggregate.Over(t.Trials, step.id, "resources.target.cpu_us_per_message")
			if err != nil {
				s.problems = append(s.problems, err.Error())
				continue
			}
			if a.State != aggregate.Known {
				continue
			}
			line.add(step.bytes, a.Value, true)
			sizes[int(math.Log2(step.bytes))] = true
			c.Table.Rows = append(c.Table.Rows, []string{t.Name, step.id, quantity.Format(step.bytes, "B"), a.String(),
				quantity.Format(a.Value*1e3/step.bytes, "ns"), fmt.Sprintf("%d/%d", a.Used, a.Trials)})
		}
		p.Lines = append(p.Lines, line)
	}
	if len(sizes) < 3 {
		return Chart{Name: c.Name} // a line of one or two sizes says nothing
	}
	c.Panels = []Panel{p}
	c.Alt = "Lines of CPU a message over its size, on logarithmic axes. " + sentences(p.Lines, "us", "at the largest size")
	return c
}

// sized is a send step with the mean size of its messages.
type sized struct {
	id    string
	bytes float64
}

// sendsBySize lists the steps in which messages were sent, the smallest first. Steps
// whose messages are as large as each other's are all there.
func sendsBySize(trials []*results.Trial) []sized {
	var list []sized
	seen := map[string]bool{}
	for _, t := range trials {
		for i := range t.Steps {
			step := &t.Steps[i]
			m := step.Messages
			if seen[step.ID] || m.Sent == 0 || m.BytesSent == 0 {
				continue
			}
			seen[step.ID] = true
			list = append(list, sized{step.ID, float64(m.BytesSent) / float64(m.Sent)})
		}
	}
	slices.SortStableFunc(list, func(a, b sized) int {
		switch {
		case a.bytes < b.bytes:
			return -1
		case a.bytes > b.bytes:
			return 1
		}
		return 0
	})
	return list
}
