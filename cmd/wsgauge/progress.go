package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"wsgauge/internal/proc"
	"wsgauge/internal/runner"
	"wsgauge/results"
)

// progress shows how a run goes: on a terminal one line that is written over, in
// a pipe a line a step and a line a trial.
type progress struct {
	out      io.Writer
	terminal *os.File // nil: out is none
	live     bool     // the last thing written is a line to write over
	said     string
	records  io.Writer // gets the line of each trial's record as it ends; nil: nobody
	failed   error     // the first failure to write there
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out}
	if f, ok := out.(*os.File); ok && os.Getenv("TERM") != "dumb" {
		if _, ok := proc.TerminalWidth(f); ok {
			p.terminal = f
		}
	}
	return p
}

// Status shows the moment.
func (p *progress) Status(s runner.Status) {
	if s.Trials == 0 {
		return
	}
	if p.terminal == nil {
		if line := fmt.Sprintf("[%d/%d] block %d, %s: %s", s.Trial, s.Trials, s.Block, s.Target, s.Step); s.Step != "" && line != p.said {
			p.said = line
			fmt.Fprintln(p.out, line)
		}
		return
	}
	width, _ := proc.TerminalWidth(p.terminal) // it may have been resized, and may be gone
	if width == 0 {
		width = 80
	}
	fmt.Fprintf(p.out, "\r\x1b[K%s", liveLine(s, width))
	p.live = true
}

// liveLine is the moment in a line that a terminal of so many columns does not wrap.
// What matters most stands first, since the rest may be cut.
func liveLine(s runner.Status, columns int) string {
	parts := []string{fmt.Sprintf("[%d/%d] %s", s.Trial, s.Trials, s.Target), "about " + left(s.Left) + " left"}
	if s.Step != "" {
		parts = append(parts, s.Step)
	}
	parts = append(parts, fmt.Sprintf("%d open", s.Open))
	if s.Failures > 0 {
		parts = append(parts, fmt.Sprintf("%d failures", s.Failures))
	}
	if s.PerSecond > 0 {
		parts = append(parts, fmt.Sprintf("%.0f msg/s", s.PerSecond), "p50 "+short(s.P50), "p99 "+short(s.P99))
	}
	if s.TargetCPU >= 0 {
		parts = append(parts, fmt.Sprintf("target %.0f%% CPU", 100*s.TargetCPU))
	}
	if s.TargetBytes >= 0 {
		parts = append(parts, fmt.Sprintf("%.0f MiB", float64(s.TargetBytes)/(1<<20)))
	}
	line := []rune(strings.Join(parts, " · "))
	// The last column stays free: some terminals wrap once it is written.
	if most := max(columns-1, 1); len(line) > most {
		line = append(line[:most-1], '…')
	}
	return string(line)
}

// TrialDone leaves a line that stays.
func (p *progress) TrialDone(t runner.TrialSummary) {
	p.clear()
	p.record(t.Record)
	line := fmt.Sprintf("[%d/%d] block %d  %-10s  %5d opened  %7d answered  %d failures",
		t.Trial, t.Trials, t.Block, t.Target, t.Opened, t.Answered, t.Failures)
	fmt.Fprintf(p.out, "%s%s  (%.1f s)\n", line, answerTimes(t.Record.ResponseTime), t.Took.Seconds())
	if t.Error != "" {
		fmt.Fprintf(p.out, "        ended early: %s\n", indent(t.Error))
		return
	}
	for _, i := range t.Record.Invalid {
		where := "invalid: "
		if i.Step != "" {
			where = "invalid, step " + i.Step + ": "
		}
		fmt.Fprintf(p.out, "        %s%s\n", where, indent(i.Reason))
	}
}

// answerTimes are the quantiles that are known, or their lower bounds.
func answerTimes(q *results.Quantiles) (text string) {
	if q == nil {
		return ""
	}
	for _, one := range []struct {
		name string
		ns   *float64
	}{{"p50", q.P50}, {"p99", q.P99}} {
		bound := ""
		if slices.Contains(q.Censored, one.name) {
			bound = "≥ "
		}
		if one.ns != nil {
			text += fmt.Sprintf("  %s %s%s", one.name, bound, short(time.Duration(*one.ns)))
		}
	}
	return text
}

// record hands on a trial's record, as it stands in trials.jsonl.
func (p *progress) record(t *results.Trial) {
	if p.records == nil || p.failed != nil {
		return
	}
	line, err := json.Marshal(t)
	if err == nil {
		_, err = p.records.Write(append(line, '\n'))
		err = unlessClosed(err)
	}
	if err != nil {
		p.failed = fmt.Errorf("writing the record of a trial to standard output: %w", err)
	}
}

// Note is something to read.
func (p *progress) Note(text string) {
	p.clear()
	fmt.Fprintf(p.out, "note: %s\n", indent(text))
}

func (p *progress) clear() {
	if p.live {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.live = false
	}
}

func (p *progress) end() { p.clear() }

func indent(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n        ") }

// short writes a duration with three digits: 842 µs, 1.25 ms, 3.10 s.
func short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%.3g ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.3g s", d.Seconds())
}

func left(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%d s", int(d.Round(time.Second).Seconds()))
	}
	return d.Round(time.Second).String()
}
