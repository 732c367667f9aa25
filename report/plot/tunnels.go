package plot

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"wsgauge/report/quantity"
	"wsgauge/results"
)

// closedByUs is the closure that nobody else brought about.
const closedByUs = "closed_by_us"

// tunnelsOverTime shows how many tunnels were open, and when some failed to open or were
// ended by others. It is empty where all went as it was asked for: then the steps say it.
func tunnelsOverTime(s *source) Chart {
	c := Chart{Name: "tunnels-time", Title: "Tunnels over time", Table: Table{Head: []string{"target", "block", "time", "what", "count"}}}
	x := Axis{Label: "time since the first step began", Unit: "s"}
	open := Panel{Title: "tunnels open", X: x}
	failed := Panel{Title: "failures in each second", X: x}
	ended := Panel{Title: "tunnels ended by others in each second", X: x}
	for place, t := range s.targets {
		trial := example(t, "failures")
		if trial == nil {
			continue
		}
		line := Line{Name: t.Name, Place: place}
		for _, v := range s.agents[keyOf(trial)] {
			if v.TunnelsOpen != nil {
				line.add(v.TS-origin(trial), *v.TunnelsOpen, false)
			}
		}
		open.Lines = append(open.Lines, line.thinned())
		failed.Lines = append(failed.Lines, s.perSecond(&c, place, trial, "failure"))
		ended.Lines = append(ended.Lines, s.perSecond(&c, place, trial, "closure"))
	}
	about := s.mark("failures", &open, &failed, &ended)
	if failed.empty() && ended.empty() && len(open.Events) == 0 {
		return c
	}
	for _, p := range []Panel{open, failed, ended} {
		if !p.empty() {
			c.Panels = append(c.Panels, p)
		}
	}
	c.Table = c.Table.bounded()
	c.Caption = "Tunnels that the clients held open, " + fromFirstTrial + ", once a second; what failed, by the second in which it was counted (a timeout when it was over), and what somebody else than the client ended." + about
	c.Alt = "Lines of open tunnels over time. " + peaks(open.Lines, "") + " Failures: " + sums(failed.Lines) + " Ended by others: " + sums(ended.Lines)
	return c
}

// perSecond counts events of a kind by seconds, and writes them into the table by class.
func (s *source) perSecond(c *Chart, place int, trial *results.Trial, kind string) Line {
	counts := map[float64]float64{}
	for _, e := range s.data.Events {
		if e.Block != trial.Block || e.Target != trial.Target || e.Kind != kind || e.Class == closedByUs {
			continue
		}
		at := math.Floor(e.AtS-origin(trial)) + 0.5
		counts[at] += float64(e.Count)
		c.Table.Rows = append(c.Table.Rows, []string{trial.Target, fmt.Sprint(trial.Block), seconds(at - 0.5), e.Class, quantity.Number(float64(e.Count))})
	}
	line := Line{Name: trial.Target, Place: place, Stems: true}
	for _, at := range slices.Sorted(maps.Keys(counts)) {
		line.add(at, counts[at], false)
	}
	return line.thinned()
}

// sums says how much the values of each line come to.
func sums(lines []Line) string {
	var all []Line
	for _, l := range lines {
		sum := 0.0
		for _, y := range l.Y {
			sum += y
		}
		if sum > 0 {
			all = append(all, Line{Name: l.Name, Y: []float64{sum}})
		}
	}
	if len(all) == 0 {
		return "none."
	}
	return sentences(all, "", "in all")
}
