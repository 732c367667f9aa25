package plot

import (
	"fmt"

	"wsgauge/results"
)

// workersOverTime is what a target says of its own workers: Apache's scoreboard. A state
// that none of them ever is in gets no panel.
func workersOverTime(s *source) Chart {
	c := Chart{Name: "workers-time", Title: "Workers over time",
		Table:   Table{Head: []string{"target", "block", "time", "busy", "idle", "closing", "graceful", "places free"}},
		Caption: "Workers by their state, as the target's own scoreboard tells once a second, " + fromFirstTrial + ". A tunnel keeps a worker busy. Closing: connections that end, with or without a worker; of a generation that is to end: workers that go on until their tunnels are over; places free: places for workers in which no process is. Where a line has a gap the target did not answer."}
	x := Axis{Label: "time since the first step began", Unit: "s"}
	states := []struct {
		title string
		of    func(*results.Sample) *float64
		shown bool // also when it is never more than zero
	}{
		{"busy", func(v *results.Sample) *float64 { return v.WorkersBusy }, true},
		{"idle", func(v *results.Sample) *float64 { return v.WorkersIdle }, true},
		{"closing", func(v *results.Sample) *float64 { return v.WorkersClosing }, false},
		{"of a generation that is to end", func(v *results.Sample) *float64 { return v.WorkersGraceful }, false},
		{"places free", func(v *results.Sample) *float64 { return v.SlotsFree }, false},
	}
	panels := make([]Panel, len(states))
	positive := make([]bool, len(states))
	for i, state := range states {
		panels[i] = Panel{Title: state.title, X: x}
	}
	for place, t := range s.targets {
		trial := example(t, "failures")
		lines := make([]Line, len(states))
		for i := range lines {
			lines[i] = Line{Name: t.Name, Place: place, Gap: 1.9}
		}
		for _, v := range s.of(trial) {
			if v.WorkersBusy == nil {
				continue
			}
			at := v.TS - origin(trial)
			row := []string{t.Name, fmt.Sprint(trial.Block), seconds(at)}
			for i, state := range states {
				n := state.of(v)
				row = append(row, number(n))
				lines[i].add(at, value(n), false)
				positive[i] = positive[i] || n != nil && *n > 0
			}
			c.Table.Rows = append(c.Table.Rows, row)
		}
		for i := range lines {
			panels[i].Lines = append(panels[i].Lines, lines[i].thinned())
		}
	}
	about := ""
	for i := range panels {
		if states[i].shown || positive[i] {
			about = s.mark("failures", &panels[i])
			c.Panels = append(c.Panels, panels[i])
		}
	}
	c.Caption += about
	c.Table = c.Table.bounded()
	c.Alt = "Panels of lines of workers over time. Busy: " + peaks(panels[0].Lines, "")
	return c
}
