package plot

import (
	"fmt"
	"slices"
	"strings"

	"wsgauge/report/aggregate"
	"wsgauge/report/quantity"
	"wsgauge/results"
)

// maxOpeningBars bounds each panel.
const maxOpeningBars = 40

// openingsByStep shows what a tunnel took to open, step by step: the time of the TLS
// handshake, and the target's CPU time. It is empty where nothing is to compare: without
// TLS, or with a single step that opens.
func openingsByStep(s *source) Chart {
	c := Chart{Name: "openings-step", Title: "Opening a tunnel, by step", Table: Table{Head: []string{"target", "step", "TLS handshake, p50", "upgrade, p50", "CPU a tunnel"}},
		Caption: "For each step that opens tunnels: the time of the TLS handshake as the client sees it (from the connected socket to the handshake's end), and the CPU time of the target's processes in that step, divided by the tunnels opened in it: dial, handshake, upgrade and the way to the backend together. Medians over the valid trials; the thin line spans least to most."}
	var ids []string
	secured := false
	for _, t := range s.targets {
		for _, trial := range t.Trials {
			for i := range trial.Steps {
				if step := &trial.Steps[i]; step.Step == "connect" && step.Connections.Opened > 0 && !slices.Contains(ids, step.ID) {
					ids = append(ids, step.ID)
				}
				secured = secured || trial.Steps[i].TLS != nil
			}
		}
	}
	if len(ids) < 2 || !secured {
		return c
	}
	handshake := Panel{Title: "TLS handshake, p50", X: Axis{Unit: "ns"}}
	cpu := Panel{Title: "CPU of the target, for each tunnel opened", X: Axis{Unit: "ns"}}
	for place, t := range s.targets {
		for _, id := range ids {
			name := t.Name + ": " + id
			tls, err := aggregate.Over(t.Trials, id, "tls.p50")
			upgrade, uerr := aggregate.Over(t.Trials, id, "upgrade.p50")
			if err != nil || uerr != nil {
				s.problems = append(s.problems, fmt.Sprintf("openings of %s in step %s: %v %v", t.Name, id, err, uerr))
				continue
			}
			row := []string{t.Name, id, tls.String(), upgrade.String(), quantity.NotMeasured}
			if tls.State != aggregate.NotMeasured && tls.State != aggregate.NoTrial && len(handshake.Bars) < maxOpeningBars {
				handshake.Bars = append(handshake.Bars, Bar{Name: name, Place: place, Known: tls.State == aggregate.Known,
					Value: tls.Value, Low: tls.Min, High: tls.Max, Text: tls.String()})
			}
			if each := cpuEach(t.Trials, id); len(each) > 0 {
				v := results.Median(each)
				row[4] = quantity.Format(v, "ns")
				if len(cpu.Bars) < maxOpeningBars {
					cpu.Bars = append(cpu.Bars, Bar{Name: name, Place: place, Known: true, Value: v, Low: slices.Min(each), High: slices.Max(each), Text: row[4]})
				}
			}
			c.Table.Rows = append(c.Table.Rows, row)
		}
	}
	for _, p := range []Panel{handshake, cpu} {
		if !p.empty() {
			c.Panels = append(c.Panels, p)
			c.Alt += described(p) + " "
		}
	}
	c.Alt = strings.TrimSuffix(c.Alt, " ")
	return c
}

// cpuEach is the target's CPU time in a step for each tunnel opened in it, in nanoseconds,
// in each trial that knows it.
func cpuEach(trials []*results.Trial, id string) (each []float64) {
	const figure = "resources.target.cpu_seconds"
	for _, t := range trials {
		if _, spoiled := t.Spoiled(id, figure); spoiled {
			continue
		}
		seconds, _, ok := t.Figure(id, figure)
		opened, _, also := t.Figure(id, "connections.opened")
		if ok && also && opened > 0 {
			each = append(each, 1e9*seconds/opened)
		}
	}
	return each
}
