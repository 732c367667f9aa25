// Package html writes a run's report as one page that needs nothing but itself: no
// network, no script, light and dark, on paper too.
//
//	html.go      the page's data, in the order in which it is read
//	answer.go    the sentences at its top
//	tables.go    comparison, steps, failures
//	distributions.go  heartbeats, jitter, idle time before a close
//	environment.go  what was run, where and how
//	page.tmpl, style.css
package html

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"

	"wsgauge/report/aggregate"
	"wsgauge/report/plot"
	"wsgauge/results"
)

//go:embed page.tmpl
var pageSource string

//go:embed style.css
var style string

// page is what the template shows.
type page struct {
	Style      template.CSS
	Run        *results.Run
	Unfinished string
	Answer     []string
	Workloads  []string
	Verdicts   []results.Verdict
	Doubts     []aggregate.Doubt
	Skipped    []results.SkippedTarget
	Problems   []string
	Setting    string
	Clients    grid
	Costs      grid
	Clocks     grid
	Sockets    grid
	Openings   grid
	Heartbeats grid
	Jitter     grid
	Idle       grid
	Steps      grid
	Trials     int
	Charts     []chart
	Failures   grid
	LogLines   []logLine
	Targets    []target
	Facts      []fact
	Command    string
	Scenario   string
}

// chart is a plot of the page.
type chart struct {
	plot.Chart
	Picture template.HTML // empty when there is nothing to draw
}

// Write writes the page of a run with its charts. problems are said at its end,
// besides those of the records.
func Write(w io.Writer, d *results.RunData, charts []plot.Chart, problems []string) error {
	t, err := template.New("page").Parse(pageSource)
	if err != nil {
		return fmt.Errorf("writing the report's page: %w", err)
	}
	rows := aggregate.Comparison(d)
	p := page{
		Style: template.CSS(style), Run: d.Run, Unfinished: aggregate.Unfinished(d), Answer: answer(rows), Workloads: aggregate.Workloads(d),
		Verdicts: aggregate.Alike(d.Run.Verdicts), Doubts: aggregate.Doubts(d), Skipped: d.Run.Skipped,
		Problems: append(append([]string{}, d.Problems...), problems...), Setting: aggregate.Circumstances(d.Run),
		Clients: clients(rows), Costs: costs(rows), Clocks: clocks(rows), Openings: openings(rows), Sockets: sockets(rows, d.Samples), Steps: steps(rows),
		Heartbeats: heartbeats(rows), Jitter: distribution(rows, "jitter"), Idle: distribution(rows, "idle_before_close"), Trials: len(d.Trials), Failures: failures(rows), LogLines: logLines(d),
		Targets: targets(d), Facts: facts(d), Command: command(d.Run.Command), Scenario: string(d.Scenario),
	}
	for _, c := range charts {
		if c.Optional && c.Empty() {
			continue
		}
		one := chart{Chart: c}
		if !c.Empty() {
			svg, err := c.Inline()
			if err != nil {
				return err
			}
			// The drawing escapes what comes from the records.
			one.Picture = template.HTML(svg)
		}
		p.Charts = append(p.Charts, one)
	}
	if err := t.Execute(w, p); err != nil {
		return fmt.Errorf("writing the report's page: %w", err)
	}
	return nil
}
