package plot

import (
	"testing"

	"wsgauge/report/internal/synthetic"
	"wsgauge/results"
)

// sends gives a trial a send step for each size, which costs the target a microsecond, and
// one for every KiB.
func sends(sizes ...int64) func(*results.Trial) {
	return func(t *results.Trial) {
		var list []results.Step
		for i, size := range sizes {
			s := results.Step{ID: string(rune('a' + i)), Step: "send"}
			s.Messages = results.Messages{Scheduled: 10, Sent: 10, Answered: 10, BytesSent: 10 * size}
			if t.Target != "direct" {
				cost := 1 + float64(size)/1024
				s.Resources = map[string]*results.Resources{"target": {CPUUsPerMessage: &cost}}
			}
			list = append(list, s)
		}
		t.Steps = list
	}
}

// The smallest size comes first, whatever the order of the steps; a target without
// processes has no line; and of two sizes there is no chart.
func TestCostBySize(t *testing.T) {
	d := open(t, synthetic.Options{Blocks: 2, Targets: 2, Trial: sends(1<<20, 16, 1024, 1024)})
	c := costBySize(newSource(d))
	golden(t, "cpu-size.txt", []byte(dump(&c)))
	if lines := c.Panels[0].Lines; len(lines[0].X) != 0 || len(lines[1].X) != 4 || lines[1].X[0] != 16 || lines[1].Y[3] != 1025 {
		t.Errorf("%+v", lines)
	}
	d = open(t, synthetic.Options{Blocks: 2, Targets: 2, Trial: sends(16, 1024, 1024)})
	if c := costBySize(newSource(d)); !c.Empty() {
		t.Errorf("%+v", c)
	}
}
