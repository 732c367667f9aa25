package aggregate

import (
	"fmt"
	"slices"
	"strings"

	"wsgauge/results"
)

// Row is what the comparison of targets shows of one of them.
type Row struct {
	Target
	Opened, Attempted, Failures, PerSecond Aggregate
	P50, P99, P999                         Aggregate // of the response time
	P50Ratio, CPURatio                     Aggregate // to the reference tunnel of the same block
	CPU, PSS                               Aggregate // of the target: a message, a tunnel
	Threads, Processes, FDs                Aggregate // of the target, at their peak
}

// Comparison returns a row a target, in the order of the scenario.
func Comparison(d *results.RunData) []Row {
	targets := Targets(d)
	yardstick := Yardstick(targets)
	var rows []Row
	for _, t := range targets {
		r := Row{Target: t}
		for name, place := range map[string]*Aggregate{
			"connections.opened": &r.Opened, "connections.attempted": &r.Attempted, "failures": &r.Failures, "messages.per_second": &r.PerSecond,
			"response_time.p50": &r.P50, "response_time.p99": &r.P99, "response_time.p99.9": &r.P999,
			"resources.target.cpu_us_per_message": &r.CPU, "resources.target.pss_bytes_per_tunnel": &r.PSS,
			"resources.target.threads_peak": &r.Threads, "resources.target.processes_peak": &r.Processes, "resources.target.fds_peak": &r.FDs,
		} {
			a, err := Over(t.Trials, "", name)
			if err != nil {
				// The names above are those of the records; a test holds them to it.
				a = Aggregate{State: NotMeasured, Why: err.Error()}
			}
			*place = a
		}
		r.P50Ratio = Ratio(t.Trials, yardstick, "response_time.p50")
		r.CPURatio = Ratio(t.Trials, yardstick, "resources.target.cpu_us_per_message")
		rows = append(rows, r)
	}
	return rows
}

// Doubt is something in the trials of a target that cannot be trusted.
type Doubt struct {
	Target  string
	Blocks  []int // the first is the one that Reason tells of
	Step    string
	Figures []string
	Reason  string
	Varies  bool // other blocks have other numbers in it
}

// Doubts collects what the trials' records say is invalid, the same reason in several
// blocks once; numbers in a reason are those of the first block.
func Doubts(d *results.RunData) []Doubt {
	var list []Doubt
	place := map[string]int{}
	add := func(t *results.Trial, i results.Invalid) {
		key := fmt.Sprint(t.Target, "\n", i.Step, "\n", i.Figures, "\n", withoutNumbers(i.Reason))
		at, known := place[key]
		if !known {
			at = len(list)
			place[key] = at
			list = append(list, Doubt{Target: t.Target, Step: i.Step, Figures: i.Figures, Reason: i.Reason})
		}
		list[at].Varies = list[at].Varies || list[at].Reason != i.Reason
		if !slices.Contains(list[at].Blocks, t.Block) {
			list[at].Blocks = append(list[at].Blocks, t.Block)
		}
	}
	for i := range d.Trials {
		t := &d.Trials[i]
		if t.Error != "" {
			add(t, results.Invalid{Reason: "the trial did not run to its end: " + t.Error, Figures: []string{"all"}})
		}
		if !t.Valid && t.Error == "" && len(t.Invalid) == 0 {
			add(t, results.Invalid{Reason: "the trial is marked as not valid, without a reason", Figures: []string{"all"}})
		}
		for _, i := range t.Invalid {
			if t.Error == "" || !strings.Contains(i.Reason, t.Error) {
				add(t, i)
			}
		}
	}
	return list
}

// String says the doubt in a sentence.
func (d Doubt) String() string {
	where := fmt.Sprintf("%s, block %d", d.Target, d.Blocks[0])
	if len(d.Blocks) > 1 && !d.Varies {
		where = fmt.Sprintf("%s, blocks %s", d.Target, blocks(d.Blocks))
	} else if len(d.Blocks) > 1 {
		where += " (alike in " + blocks(d.Blocks[1:]) + ")"
	}
	if d.Step != "" {
		where += ", step " + d.Step
	}
	figures := strings.Join(d.Figures, ", ")
	if figures == "all" {
		figures = "every figure"
	}
	return fmt.Sprintf("%s: %s (%s)", where, d.Reason, figures)
}

func blocks(list []int) string {
	var words []string
	for _, b := range list {
		words = append(words, fmt.Sprint(b))
	}
	return strings.Join(words, ", ")
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

func withoutNumbers(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '.' {
			return -1
		}
		return r
	}, s)
}
