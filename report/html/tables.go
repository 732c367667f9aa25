package html

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"wsgauge/report/aggregate"
	"wsgauge/report/quantity"
	"wsgauge/results"
)

// grid is a table of the page.
type grid struct {
	Head []cell
	Rows [][]cell
}

// heads are the headings of columns; those of the first so many hold words, and the
// rest numbers.
func heads(words int, names ...string) []cell {
	var out []cell
	for i, n := range names {
		c := cell{Text: n}
		if i < words {
			c.Class = "name"
		}
		out = append(out, c)
	}
	return out
}

// cell is a value, and beneath it how far the trials spread.
type cell struct {
	Text, Under string
	Class       string // "name", "doubt", "bad" or none
}

func name(s string) cell { return cell{Text: s, Class: "name"} }

// figure shows an aggregate; where several trials differ, the least and the most too.
func figure(a aggregate.Aggregate) cell {
	c := cell{Text: a.String()}
	switch {
	case a.State == aggregate.Invalid:
		c.Class, c.Under = "doubt", "see validity"
	case a.State != aggregate.Known:
		c.Class = "doubt"
	case !a.Count && a.Used > 1 && quantity.Format(a.Min, a.Unit) != quantity.Format(a.Max, a.Unit):
		c.Under = quantity.Format(a.Min, a.Unit) + " … " + quantity.Format(a.Max, a.Unit)
	}
	if a.Partial() {
		c.Under = strings.TrimPrefix(c.Under+fmt.Sprintf(", %d of %d trials", a.Used, a.Trials), ", ")
	}
	return c
}

func failed(a aggregate.Aggregate) cell {
	c := figure(a)
	if a.State == aggregate.Known && a.Value > 0 {
		c.Class = "bad"
	}
	return c
}

func opened(r aggregate.Row) cell {
	c := figure(r.Opened)
	if r.Opened.State == aggregate.Known && r.Opened.Value != r.Attempted.Value {
		c.Text, c.Class = r.Opened.String()+" of "+r.Attempted.String(), "bad"
	}
	return c
}

// clients is the comparison of what the clients saw.
func clients(rows []aggregate.Row) grid {
	g := grid{Head: heads(1, "target", "valid trials", "opened", "failures", "messages", "p50", "p99", "p99.9", "p50 ÷ tunnel")}
	for _, r := range rows {
		valid := cell{Text: fmt.Sprintf("%d of %d", r.Valid(), len(r.Trials))}
		if r.Valid() < len(r.Trials) {
			valid.Class = "doubt"
		}
		g.Rows = append(g.Rows, []cell{name(r.Name), valid, opened(r), failed(r.Failures), figure(r.PerSecond),
			figure(r.P50), figure(r.P99), figure(r.P999), figure(r.P50Ratio)})
	}
	return g
}

// costs is the comparison of what the targets used.
func costs(rows []aggregate.Row) grid {
	g := grid{Head: heads(1, "target", "CPU a message", "CPU ÷ tunnel", "PSS a tunnel", "threads", "processes", "descriptors")}
	for _, r := range rows {
		g.Rows = append(g.Rows, []cell{name(r.Name), figure(r.CPU), figure(r.CPURatio), figure(r.PSS), figure(r.Threads), figure(r.Processes), figure(r.FDs)})
	}
	return g
}

// clocks shows all clocks of a message side by side, so that a reader sees how much of
// the response time is the generator's own.
func clocks(rows []aggregate.Row) grid {
	return percentiles(rows, "response_time", "service_time", "send_lag", "write_blocked", "receive_lag")
}

// openings shows what it took to open a connection, phase by phase.
func openings(rows []aggregate.Row) grid {
	return percentiles(rows, "dial_lag", "dial", "tls", "upgrade")
}

// percentiles is a table of medians with p99 beneath, without the metrics that no
// target has.
func percentiles(rows []aggregate.Row, list ...string) grid {
	list = slices.DeleteFunc(list, func(metric string) bool {
		return !slices.ContainsFunc(rows, func(r aggregate.Row) bool {
			a, err := aggregate.Over(r.Trials, "", metric+".p50")
			return err == nil && a.State != aggregate.NotMeasured && a.State != aggregate.NoTrial
		})
	})
	g := grid{Head: heads(1, "target")}
	for _, metric := range list {
		g.Head = append(g.Head, cell{Text: strings.ReplaceAll(metric, "_", " ")})
	}
	for _, r := range rows {
		row, any := []cell{name(r.Name)}, false
		for _, metric := range list {
			middle, err := aggregate.Over(r.Trials, "", metric+".p50")
			tail, terr := aggregate.Over(r.Trials, "", metric+".p99")
			if err != nil || terr != nil {
				row = append(row, cell{})
				continue
			}
			any = any || middle.State == aggregate.Known
			row = append(row, cell{Text: middle.String(), Under: "p99 " + tail.String(), Class: figure(middle).Class})
		}
		if any {
			g.Rows = append(g.Rows, row)
		}
	}
	return g
}

// sockets sets our counts of connections beside the kernel's of established sockets on
// both legs, each the most of any trial.
func sockets(rows []aggregate.Row, samples []results.Sample) grid {
	g := grid{Head: heads(1, "target", "attempted", "opened", "open at once", "kernel: to the target", "kernel: to the backend")}
	for _, r := range rows {
		var attempted, opened, peak int64
		for _, t := range r.Trials {
			attempted, opened, peak = max(attempted, t.Connections.Attempted), max(opened, t.Connections.Opened), max(peak, t.Connections.Peak)
		}
		front, back := -1.0, -1.0
		for _, s := range samples {
			if s.Target == r.Name && s.FrontEstablished != nil {
				front = max(front, *s.FrontEstablished)
			}
			if s.Target == r.Name && s.BackEstablished != nil {
				back = max(back, *s.BackEstablished)
			}
		}
		count := func(n float64) cell {
			if n < 0 {
				return cell{Text: "n/a", Class: "doubt"}
			}
			return cell{Text: quantity.Number(n)}
		}
		if attempted > 0 {
			g.Rows = append(g.Rows, []cell{name(r.Name), count(float64(attempted)), count(float64(opened)), count(float64(peak)), count(front), count(back)})
		}
	}
	return g
}

// maxSteps bounds the table of steps.
const maxSteps = 40

// steps shows the steps in which something was opened, sent, held or went wrong.
func steps(rows []aggregate.Row) grid {
	g := grid{Head: heads(2, "step", "target", "opened", "messages", "p50", "p99", "ping p99", "failures", "closures", "note")}
	var ids []string
	notes, held := map[[2]string]string{}, map[[2]string]bool{}
	for _, r := range rows {
		for _, t := range r.Trials {
			for _, s := range t.Steps {
				if !slices.Contains(ids, s.ID) && len(ids) < maxSteps {
					ids = append(ids, s.ID)
				}
				held[[2]string{s.ID, r.Name}] = held[[2]string{s.ID, r.Name}] || s.Step == "hold"
				if s.Note != "" {
					notes[[2]string{s.ID, r.Name}] = s.Note
				}
			}
		}
	}
	for _, id := range ids {
		for _, r := range rows {
			of := [2]string{id, r.Name}
			if row := stepRow(id, r, held[of], notes[of]); row != nil {
				g.Rows = append(g.Rows, row)
			}
		}
	}
	return g
}

// stepRow is nil for a step in which nothing happened that the table shows; in a hold it
// is much that nothing has.
func stepRow(id string, r aggregate.Row, held bool, note string) []cell {
	row := []cell{name(id), name(r.Name)}
	something := held || note != ""
	for _, figureName := range []string{"connections.opened", "messages.per_second", "response_time.p50", "response_time.p99", "ping.p99", "failures", "closures"} {
		a, err := aggregate.Over(r.Trials, id, figureName)
		if err != nil || a.State == aggregate.Known && a.Value == 0 && figureName != "failures" && figureName != "closures" {
			a = aggregate.Aggregate{State: aggregate.NotMeasured}
		}
		something = something || a.State == aggregate.Known && a.Value > 0 && figureName != "closures"
		switch {
		case a.State == aggregate.NotMeasured || a.State == aggregate.NoTrial:
			row = append(row, cell{})
		case figureName == "failures":
			row = append(row, failed(a))
		default:
			row = append(row, figure(a))
		}
	}
	if !something {
		return nil
	}
	return append(row, name(note))
}

// failures sets the classes of what went wrong and of how tunnels ended beside the
// codes of the target's own log, summed over all trials, valid or not.
func failures(rows []aggregate.Row) grid {
	g := grid{Head: heads(4, "target", "failures", "closures", "target's own log")}
	for _, r := range rows {
		var sums [3]map[string]int64
		for i := range sums {
			sums[i] = map[string]int64{}
		}
		for _, t := range r.Trials {
			for i, m := range []map[string]int64{t.Failures, t.Closures, t.Log} {
				for class, n := range m {
					sums[i][class] += n
				}
			}
		}
		row := []cell{name(r.Name)}
		for i, m := range sums {
			c := cell{Text: classes(m), Class: "name"}
			if i == 0 && c.Text != "none" {
				c.Class = "name bad"
			}
			row = append(row, c)
		}
		g.Rows = append(g.Rows, row)
	}
	return g
}

// classes lists counts by class, the most frequent first.
func classes(m map[string]int64) string {
	list := slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		if m[a] != m[b] {
			if m[a] > m[b] {
				return -1
			}
			return 1
		}
		if a < b {
			return -1
		}
		return 1
	})
	text := ""
	for _, class := range list {
		if m[class] == 0 {
			continue
		}
		if text != "" {
			text += ", "
		}
		text += class + " " + quantity.Number(float64(m[class]))
	}
	if text == "" {
		return "none"
	}
	return text
}

// logLine is the first line of its code that a target logged.
type logLine struct {
	Target, Code, Text string
}

// maxLogLines bounds what is quoted.
const maxLogLines = 60

func logLines(d *results.RunData) []logLine {
	var out []logLine
	seen := map[[2]string]bool{}
	for _, e := range d.Events {
		key := [2]string{e.Target, e.Class}
		if e.Kind != "log" || seen[key] || len(out) == maxLogLines {
			continue
		}
		seen[key] = true
		text := e.Text
		if r := []rune(text); len(r) > 400 {
			text = string(r[:400]) + "…"
		}
		out = append(out, logLine{e.Target, e.Class, text})
	}
	return out
}
