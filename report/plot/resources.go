package plot

import (
	"fmt"
	"math"

	"wsgauge/report/aggregate"
	"wsgauge/report/quantity"
	"wsgauge/results"
)

const fromFirstTrial = "in the first valid trial of each target"

// cpuOverTime is the growth of the target's CPU time from sample to sample.
func cpuOverTime(s *source) Chart {
	c := Chart{Name: "cpu-time", Title: "CPU of the target over time", Table: Table{Head: []string{"target", "block", "time", "CPU"}},
		Caption: "CPU time of all processes of the target, user and system, in per cent of one CPU, " + fromFirstTrial + ". Without processes (direct) there is no line."}
	p := Panel{X: Axis{Label: "time since the first step began", Unit: "s"}, Y: Axis{Label: "CPU, of one", Unit: "%"}}
	c.Caption += s.mark("resources.target.cpu_seconds", &p)
	for place, t := range s.targets {
		line := Line{Name: t.Name, Place: place}
		trial := example(t, "resources.target.cpu_seconds")
		var last *results.Sample
		for _, v := range s.of(trial) {
			if v.CPUSeconds == nil {
				continue
			}
			if last != nil && v.TS > last.TS {
				at, percent := (v.TS+last.TS)/2-origin(trial), 100*(*v.CPUSeconds-*last.CPUSeconds)/(v.TS-last.TS)
				line.add(at, max(percent, 0), false)
				c.Table.Rows = append(c.Table.Rows, []string{t.Name, fmt.Sprint(trial.Block), seconds(at), quantity.Format(percent, "%")})
			}
			last = v
		}
		p.Lines = append(p.Lines, line.thinned())
	}
	c.Panels, c.Table = []Panel{p}, c.Table.bounded()
	c.Alt = "Lines of the target's CPU use over time. " + peaks(p.Lines, "%")
	return c
}

// of returns the samples of a trial's target processes, none for no trial.
func (s *source) of(t *results.Trial) []*results.Sample {
	if t == nil {
		return nil
	}
	return s.samples[keyOf(t)]
}

func memoryPerTunnel(s *source) Chart {
	c := Chart{Name: "memory-tunnel", Title: "Memory per tunnel", Table: Table{Head: []string{"target", "PSS per tunnel", "least", "most", "trials"}},
		Caption: "PSS of the target's processes with most tunnels open, less that with none, by tunnel; shared pages count once. Median over the trials; the thin line spans least to most. Kernel socket memory is not in it."}
	p := Panel{X: Axis{Label: "PSS per tunnel", Unit: "B"}}
	var words []Line
	for place, t := range s.targets {
		a, err := aggregate.Over(t.Trials, "", "resources.target.pss_bytes_per_tunnel")
		if err != nil {
			s.problems = append(s.problems, err.Error())
			continue
		}
		b := Bar{Name: t.Name, Place: place, Known: a.State == aggregate.Known, Value: a.Value, Low: a.Min, High: a.Max, Text: a.String()}
		row := []string{t.Name, a.String(), "", "", fmt.Sprintf("%d/%d", a.Used, a.Trials)}
		if b.Known {
			row[2], row[3] = quantity.Format(a.Min, "B"), quantity.Format(a.Max, "B")
			words = append(words, Line{Name: t.Name, Y: []float64{a.Value}})
		}
		p.Bars = append(p.Bars, b)
		c.Table.Rows = append(c.Table.Rows, row)
	}
	c.Panels = []Panel{p}
	c.Alt = "Bars of memory per tunnel. " + sentences(words, "B", "takes")
	return c
}

func descriptorsAndThreads(s *source) Chart {
	c := Chart{Name: "descriptors-threads-time", Title: "Descriptors and threads over time",
		Table:   Table{Head: []string{"target", "block", "time", "descriptors", "threads", "processes"}},
		Caption: "Open descriptors and threads of all processes of the target, " + fromFirstTrial + ", on logarithmic axes: where each tunnel holds a thread or a process, those that were started beforehand stand as a level line above the number of tunnels."}
	x := Axis{Label: "time since the first step began", Unit: "s"}
	fds := Panel{Title: "descriptors", X: x, Y: Axis{Log: true}}
	threads := Panel{Title: "threads", X: x, Y: Axis{Log: true}}
	c.Caption += s.mark("resources.target.fds_peak", &fds, &threads)
	for place, t := range s.targets {
		a, b := Line{Name: t.Name, Place: place}, Line{Name: t.Name, Place: place}
		trial := example(t, "resources.target.fds_peak")
		for _, v := range s.of(trial) {
			if v.FDs == nil && v.Threads == nil {
				continue
			}
			at := v.TS - origin(trial)
			a.add(at, value(v.FDs), true)
			b.add(at, value(v.Threads), true)
			c.Table.Rows = append(c.Table.Rows, []string{t.Name, fmt.Sprint(trial.Block), seconds(at), number(v.FDs), number(v.Threads), number(v.Processes)})
		}
		fds.Lines, threads.Lines = append(fds.Lines, a.thinned()), append(threads.Lines, b.thinned())
	}
	c.Panels, c.Table = []Panel{fds, threads}, c.Table.bounded()
	c.Alt = "Two panels of lines over time on logarithmic axes. Descriptors: " + peaks(fds.Lines, "") + " Threads: " + peaks(threads.Lines, "")
	return c
}

func number(v *float64) string {
	if v == nil {
		return quantity.NotMeasured
	}
	return quantity.Number(*v)
}

// peaks says the highest value of each line.
func peaks(lines []Line, unit string) string {
	var top []Line
	for _, l := range lines {
		if len(l.Y) == 0 {
			continue
		}
		most := math.Inf(-1)
		for _, y := range l.Y {
			most = max(most, y)
		}
		top = append(top, Line{Name: l.Name, Y: []float64{most}})
	}
	return sentences(top, unit, "at its peak")
}
