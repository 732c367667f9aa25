package claim

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"wsgauge/results"
)

// Row is a claim and what became of it.
type Row struct {
	ID, Says string
	Finding
	// NotMeasured says why nothing was measured; the finding means nothing then. Empty:
	// it was.
	NotMeasured string
	Versions    []string // of the targets, each once: "Apache/2.4.66 (Debian)"
	MeasuredAt  time.Time
	Host        string // "2 CPUs, A Processor, Linux 6.12"
	Tool        string // version of the wsgauge that measured
}

// word is the verdict as a table has it.
func (r *Row) word() string {
	if r.NotMeasured != "" {
		return "not measured"
	}
	return Say(r.Verdict)
}

func (r *Row) why() string {
	if r.NotMeasured != "" {
		return r.NotMeasured
	}
	return r.Why
}

// Describe takes from the records of a run what a row says of where it was measured.
func (r *Row) Describe(d *results.RunData) {
	h := d.Run.Host
	r.MeasuredAt, r.Tool = d.Run.StartedAt, d.Run.Tool.Version
	r.Host = fmt.Sprintf("%d CPUs, %s, %s, kernel %s", h.CPUs, h.CPU, h.OS, h.Kernel)
	for _, t := range d.Run.Targets {
		if t.Version != "" && t.Kind != "tunnel" && !slices.Contains(r.Versions, t.Version) {
			r.Versions = append(r.Versions, t.Version)
		}
	}
}

// tableWidth is how wide the text of a table's row is.
const tableWidth = 96

// Table writes the claims for a terminal: a line with the verdict, and the reason with
// its figures below.
func Table(w io.Writer, rows []Row) error {
	var b strings.Builder
	id, word := 0, 0
	for _, r := range rows {
		id, word = max(id, len(r.ID)), max(word, len(r.word()))
	}
	for _, r := range rows {
		fmt.Fprintf(&b, "%-*s  %-*s  %s\n", id, r.ID, word, r.word(), r.Says)
		for _, line := range wrap(r.why(), tableWidth) {
			fmt.Fprintf(&b, "%*s  %s\n", id, "", line)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// wrap breaks a text between words.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// Markdown writes docs/claims.md.
func Markdown(w io.Writer, rows []Row) error {
	var b strings.Builder
	b.WriteString(`# What guides claim, and what was measured

Operators learn Apache's WebSocket support from guides. Each row is something that guides say,
measured: the scenario beside it holds the claim, its steps, and the rules by which the figures
decide. Times are scaled down: what a guide says of 60 seconds is measured with a few.

This page is made from records by ` + "`wsgauge claims --write docs/claims.md`" + `; nothing on it was
written by hand. A claim that does not hold on another version or machine may hold there: repeat
it with the command in its section.

`)
	b.WriteString("| claim | guides say | verdict |\n|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| [%s](#%s) | %s | **%s** |\n", r.ID, r.ID, cell(r.Says), r.word())
	}
	for _, r := range rows {
		section(&b, r)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func section(b *strings.Builder, r Row) {
	fmt.Fprintf(b, "\n## %s\n\nGuides say: %s\n\n**%s.** %s\n", r.ID, escape(r.Says), capital(r.word()), escape(r.why()))
	if len(r.Terms) > 0 && r.NotMeasured == "" {
		b.WriteString("\n| measured | |\n|---|---|\n")
		for _, t := range r.Terms {
			fmt.Fprintf(b, "| %s | %s |\n", cell(t.Shown), map[State]string{True: "yes", False: "no", Unknown: "not known"}[t.State])
		}
	}
	if r.NotMeasured == "" {
		fmt.Fprintf(b, "\n%s. Measured %s on %s, by wsgauge %s.\n", versions(r.Versions), r.MeasuredAt.Format("2006-01-02"), r.Host, r.Tool)
	}
	fmt.Fprintf(b, "\nRepeat it: `wsgauge claims %s` ([scenario](../scenarios/claims/%s.yaml))\n", r.ID, r.ID)
}

func versions(list []string) string {
	if len(list) == 0 {
		return "No proxy but the reference tunnel"
	}
	return strings.Join(list, ", ")
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// escape keeps a text from being taken for marks of Markdown.
func escape(text string) string {
	return strings.NewReplacer("<", "&lt;", "*", `\*`).Replace(text)
}

// cell is a text that a table's cell bears.
func cell(text string) string { return strings.ReplaceAll(escape(text), "|", `\|`) }
