package plot

import (
	"fmt"

	"wsgauge/report/aggregate"
	"wsgauge/report/quantity"
)

// cpuByGroup says who spent the CPU time of a message: the target, or what stands around
// it. Where it is mostly the backend or the generator, latency is theirs too.
func cpuByGroup(s *source) Chart {
	c := Chart{Name: "cpu-groups", Title: "CPU of a message, by whom", Table: Table{Head: []string{"target", "processes", "CPU a message", "least", "most", "trials"}},
		Caption: "CPU time inside the send windows, divided by the messages that were answered or delivered: of the target, of the backend behind it, and of the generator's agents. Median over the trials; the thin line spans least to most."}
	p := Panel{X: Axis{Label: "CPU a message"}}
	for place, t := range s.targets {
		for _, group := range []string{"target", "backend", "agents"} {
			a, err := aggregate.Over(t.Trials, "", "resources."+group+".cpu_us_per_message")
			if err != nil {
				s.problems = append(s.problems, err.Error())
				continue
			}
			if a.State == aggregate.NotMeasured || a.State == aggregate.NoTrial {
				continue
			}
			b := Bar{Name: t.Name + ": " + group, Place: place, Known: a.State == aggregate.Known, Value: a.Value, Low: a.Min, High: a.Max, Text: a.String()}
			row := []string{t.Name, group, a.String(), "", "", fmt.Sprintf("%d/%d", a.Used, a.Trials)}
			if b.Known {
				row[3], row[4] = quantity.Format(a.Min, a.Unit), quantity.Format(a.Max, a.Unit)
			}
			p.X.Unit = a.Unit
			p.Bars = append(p.Bars, b)
			c.Table.Rows = append(c.Table.Rows, row)
		}
	}
	c.Panels = []Panel{p}
	named := p
	named.Title = "CPU time a message, by target and by whose processes"
	c.Alt = described(named)
	return c
}
