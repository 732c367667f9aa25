// Package table writes a run's summary for a terminal: plain text of at most 100
// columns.
package table

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"wsgauge/report/aggregate"
	"wsgauge/report/quantity"
	"wsgauge/results"
)

// width is the most columns of a line.
const width = 100

// invalid stands in a cell for what is not to be trusted; the whole word in a row of
// them would not fit.
const invalid = "inv"

// Write writes the summary: the targets side by side, the verdicts, what cannot be
// trusted, what was skipped, and where the report lies. dir is the run directory as
// the reader knows it; empty when no report was made.
func Write(w io.Writer, d *results.RunData, dir string) error {
	var b strings.Builder
	if s := aggregate.Unfinished(d); s != "" {
		paragraph(&b, "", s)
		b.WriteByte('\n')
	}
	if rows := aggregate.Comparison(d); len(rows) > 0 {
		grid(&b, rows)
		b.WriteByte('\n')
		notes(&b, rows)
		for _, s := range aggregate.Workloads(d) {
			paragraph(&b, "", s)
		}
		added(&b, d)
	} else {
		b.WriteString("No target was run.\n")
	}
	verdicts(&b, d.Run.Verdicts)
	section(&b, "Not to be trusted", aggregate.Doubts(d), func(x aggregate.Doubt) string { return x.String() })
	section(&b, "Skipped", d.Run.Skipped, skipped)
	section(&b, "Missing from the records", d.Problems, func(s string) string { return s })
	b.WriteByte('\n')
	paragraph(&b, "", "Here "+aggregate.Circumstances(d.Run)+".")
	if dir != "" {
		b.WriteString("Report: " + filepath.Join(dir, "report.html") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// column is one of the table's: two lines of heading, and a cell of a row.
type column struct {
	head [2]string
	cell func(aggregate.Row) string
}

func (c column) text(r aggregate.Row) string {
	return strings.ReplaceAll(c.cell(r), quantity.Invalid, invalid)
}

var columns = []column{
	{[2]string{"", "trials"}, func(r aggregate.Row) string { return fmt.Sprintf("%d/%d", r.Valid(), len(r.Trials)) }},
	{[2]string{"", "opened"}, opened},
	{[2]string{"fail-", "ures"}, func(r aggregate.Row) string { return r.Failures.String() }},
	{[2]string{"", "msg/s"}, func(r aggregate.Row) string { return bare(r, r.PerSecond, 1) }},
	{[2]string{"", "p50"}, func(r aggregate.Row) string { return starred(r, r.P50, r.P50.String()) }},
	{[2]string{"response", "p99"}, func(r aggregate.Row) string { return starred(r, r.P99, r.P99.String()) }},
	{[2]string{"", "p99.9"}, func(r aggregate.Row) string { return starred(r, r.P999, r.P999.String()) }},
	{[2]string{"p50 ÷", "tunnel"}, func(r aggregate.Row) string { return bare(r, r.P50Ratio, 1) }},
	{[2]string{"CPU µs", "/msg"}, func(r aggregate.Row) string { return bare(r, r.CPU, 1) }},
	{[2]string{"CPU ÷", "tunnel"}, func(r aggregate.Row) string { return bare(r, r.CPURatio, 1) }},
	{[2]string{"PSS KiB", "/tunnel"}, func(r aggregate.Row) string { return bare(r, r.PSS, 1024) }},
	{[2]string{"", "thr"}, func(r aggregate.Row) string { return bare(r, r.Threads, 1) }},
	{[2]string{"", "proc"}, func(r aggregate.Row) string { return bare(r, r.Processes, 1) }},
	{[2]string{"", "fds"}, func(r aggregate.Row) string { return bare(r, r.FDs, 1) }},
}

// opened shows the attempts besides when not all came to a tunnel.
func opened(r aggregate.Row) string {
	if r.Opened.State == aggregate.Known && r.Opened.Value != r.Attempted.Value {
		return r.Opened.String() + "/" + r.Attempted.String()
	}
	return r.Opened.String()
}

// bare is a value without its unit, which the heading names.
func bare(r aggregate.Row, a aggregate.Aggregate, factor float64) string {
	if a.State != aggregate.Known {
		return a.String()
	}
	s := quantity.Number(a.Value / factor)
	if a.Censored {
		s = "≥ " + s
	}
	return starred(r, a, s)
}

// starred marks a value that rests on fewer trials than the column of trials says.
func starred(r aggregate.Row, a aggregate.Aggregate, s string) string {
	if a.Partial() && a.Used < r.Valid() {
		return s + "*"
	}
	return s
}

// grid sets the cells in columns, two spaces apart, or one where the line would
// become too long; names that are too long even so are cut.
func grid(b *strings.Builder, rows []aggregate.Row) {
	first, second := []string{""}, []string{"target"}
	for _, c := range columns {
		first, second = append(first, c.head[0]), append(second, c.head[1])
	}
	cells := [][]string{first, second}
	for _, r := range rows {
		line := []string{r.Name}
		for _, c := range columns {
			line = append(line, c.text(r))
		}
		cells = append(cells, line)
	}
	widths := make([]int, len(second))
	for _, line := range cells {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	gap, rest := "  ", 0
	for _, w := range widths[1:] {
		rest += w + len(gap)
	}
	if widths[0]+rest > width {
		gap, rest = " ", rest-len(columns)
	}
	widths[0] = max(min(widths[0], width-rest), 8)
	for _, line := range cells {
		text := pad(cut(line[0], widths[0]), -widths[0])
		for i, cell := range line[1:] {
			text += gap + pad(cell, widths[i+1])
		}
		b.WriteString(strings.TrimRight(text, " ") + "\n")
	}
}

func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// pad fills a word up to a width, from the left, or from the right when it is
// negative.
func pad(s string, n int) string {
	fill := strings.Repeat(" ", max(max(n, -n)-utf8.RuneCountInString(s), 0))
	if n < 0 {
		return s + fill
	}
	return fill + s
}

// notes explain how to read the table; only what occurs in it is explained.
func notes(b *strings.Builder, rows []aggregate.Row) {
	blocks := 0
	var all strings.Builder
	for _, r := range rows {
		blocks = max(blocks, len(r.Trials))
		for _, c := range columns {
			all.WriteString(" " + c.text(r))
		}
	}
	text := "Counts are sums over the valid trials, all else is the median of them"
	if blocks <= 1 {
		text = "One trial of each target: nothing here says how much chance has moved"
	}
	text += ". ÷ tunnel is the median ratio to the reference tunnel in the same block; response time runs from when a message was due."
	for _, x := range []struct{ sign, meaning string }{
		{"≥", "≥: a lower bound, since unanswered messages reach it."},
		{"*", "*: of fewer trials, those in which it is valid."},
		{quantity.Null, "–: fewer than 20 observations lie beyond it."},
		{quantity.NotMeasured, "n/a: there is nothing to measure, or it was not measured."},
		{invalid, "inv: measured, and not to be trusted (below)."},
	} {
		if strings.Contains(all.String(), " "+x.sign) || x.sign == "*" && strings.Contains(all.String(), x.sign) {
			text += " " + x.meaning
		}
	}
	paragraph(b, "", text)
}

// verdicts writes a line a conclusion; targets of which the same is said share one.
func verdicts(b *strings.Builder, list []results.Verdict) {
	section(b, "Verdicts", aggregate.Alike(list), func(v results.Verdict) string {
		s := fmt.Sprintf("%-7s %s", v.Word(), v.Name)
		if v.Target != "" && !strings.HasPrefix(v.Name, v.Target+".") {
			s += " (" + v.Target + ")"
		}
		return s + ": " + v.Why
	})
}

func skipped(s results.SkippedTarget) string {
	text := s.Name + ": " + s.Reason
	if s.Remedy != "" {
		text += "; to have it: " + s.Remedy
	}
	return text
}
