package calibration

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"wsgauge/report/quantity"
	"wsgauge/report/shift"
	"wsgauge/results"
)

// Target is a target whose injection is known.
type Target struct {
	Name string
	// Text says what was injected, as it was given to the tunnel; empty: nothing,
	// so that it is the reference once more.
	Text string
	Injected
	// Plain has, by the step whose connections the delay is for, that of others through
	// the same target, which it is then compared with. Of a step that is not in it, all
	// connections are delayed, and the reference is another target.
	Plain map[string]string
}

// undelayed tells that a step is there to be compared with another.
func (t *Target) undelayed(step string) bool {
	for _, plain := range t.Plain {
		if plain == step {
			return true
		}
	}
	return false
}

// Section is the judgement of one target in one step.
type Section struct {
	Target Target
	Step   string
	Rate   float64 // messages a second in the reference, median over the blocks
	Blocks int     // in which the target came to the step
	Valid  int     // in which latency is valid for both
	Rows   []Row
}

// Run judges a run: every target against its own undelayed step, where it has one,
// and else against the reference, in every send step. The problems say what could not
// be read.
func Run(d *results.RunData, reference string, targets []Target) (sections []Section, problems []string) {
	for _, step := range sends(d) {
		for _, t := range targets {
			blocks := tried(d, t.Name, step)
			if blocks == 0 || t.undelayed(step) {
				continue // it is in another run, or what another step is held against
			}
			other, plain := reference, step
			if within, paired := t.Plain[step]; paired {
				other, plain = t.Name, within
			}
			base, missing := shift.Samples(d, other, plain)
			problems = append(problems, missing...)
			samples, missing := shift.Samples(d, t.Name, step)
			problems = append(problems, missing...)
			s := Section{Target: t, Step: step, Rate: perSecond(d, other, plain), Blocks: blocks}
			for block := range samples {
				if _, both := base[block]; both {
					s.Valid++
				}
			}
			for _, q := range Quantiles() {
				s.Rows = append(s.Rows, Judge(samples, base, t.Injected, q))
			}
			sections = append(sections, s)
		}
	}
	return sections, problems
}

// Join puts the blocks of several runs into one, numbered anew. A block is judged by
// itself, so that it does not matter in which run it was. Targets of a name have to
// be the same in all of them.
func Join(runs []*results.RunData) *results.RunData {
	if len(runs) == 1 {
		return runs[0]
	}
	all := &results.RunData{Run: &results.Run{}}
	offset := 0
	for _, d := range runs {
		for _, t := range d.Trials {
			t.Block += offset
			all.Trials = append(all.Trials, t)
		}
		for _, i := range d.Intervals {
			i.Block += offset
			all.Intervals = append(all.Intervals, i)
		}
		offset += d.Run.Blocks
	}
	all.Run.Blocks = offset
	return all
}

// sends are the ids of the steps that sent messages, in their order.
func sends(d *results.RunData) (ids []string) {
	for i := range d.Trials {
		for _, s := range d.Trials[i].Steps {
			if s.Step == "send" && !slices.Contains(ids, s.ID) {
				ids = append(ids, s.ID)
			}
		}
	}
	return ids
}

// tried counts the trials of a target that came to a step.
func tried(d *results.RunData, target, step string) (n int) {
	for i := range d.Trials {
		if t := &d.Trials[i]; t.Target == target && slices.ContainsFunc(t.Steps, func(s results.Step) bool { return s.ID == step }) {
			n++
		}
	}
	return n
}

func perSecond(d *results.RunData, target, step string) float64 {
	var rates []float64
	for i := range d.Trials {
		if t := &d.Trials[i]; t.Target == target {
			if v, _, ok := t.Figure(step, "messages.per_second"); ok {
				rates = append(rates, v)
			}
		}
	}
	return results.Median(rates)
}

// Of is the verdict of all sections: outside when anything is, then too few, then
// unclear.
func Of(sections []Section) Verdict {
	verdict := Within
	if len(sections) == 0 {
		verdict = TooFew
	}
	for _, s := range sections {
		for _, r := range s.Rows {
			if r.Verdict == Outside {
				return Outside
			}
			if r.Verdict == TooFew || r.Verdict == Unclear && verdict == Within {
				verdict = r.Verdict
			}
		}
	}
	return verdict
}

// against says what the targets of a step are compared with.
func against(sections []Section, step string) string {
	paired, others := "", false
	for _, s := range sections {
		if s.Step != step {
			continue
		}
		if plain := s.Target.Plain[step]; plain != "" {
			paired = plain
		} else {
			others = true
		}
	}
	switch {
	case paired == "":
		return ", against the reference"
	case others:
		return ", against step " + paired + " of the same target, or the reference (*)"
	}
	return ", against step " + paired + " of the same target"
}

// Write writes the judgement as a table, one line a quantile.
func Write(w io.Writer, sections []Section) error {
	var b strings.Builder
	ns := func(v float64) string { return quantity.Format(v, "ns") }
	step, counts := "", map[Verdict]int{}
	for _, s := range sections {
		if s.Step != step {
			step = s.Step
			fmt.Fprintf(&b, "\nstep %s, %s messages a second%s\n", step, quantity.Number(s.Rate), against(sections, step))
			fmt.Fprintf(&b, "%-26s %6s %10s %10s %10s %23s %9s  %s\n", "injected", "", "truth", "measured", "error", "band of the error", "allowed", "")
		}
		what := s.Target.Text
		if what == "" {
			what = "nothing (" + s.Target.Name + ")"
		}
		if s.Target.Plain[step] == "" && strings.HasSuffix(against(sections, step), "(*)") {
			what += " *"
		}
		for n, r := range s.Rows {
			if n > 0 {
				what = ""
			}
			line := fmt.Sprintf("%-26s %6s", what, fmt.Sprintf("p%g", 100*r.Quantile))
			counts[r.Verdict]++
			switch r.Verdict {
			case TooFew:
				line += fmt.Sprintf("  too few: %d of %d blocks know it, %d are needed", r.Error.Blocks, s.Blocks, minBlocks)
			default:
				line += fmt.Sprintf(" %10s %10s %10s %23s %9s  %s", ns(r.Truth.Median), ns(r.Measured.Median), ns(r.Error.Median),
					ns(r.Error.Low)+" … "+ns(r.Error.High), "± "+ns(r.Tolerance), r.Verdict)
			}
			b.WriteString(strings.TrimRight(line, " ") + "\n")
		}
	}
	total := len(sections) * len(Quantiles())
	fmt.Fprintf(&b, "\n%d of %d within, %d outside, %d unclear (the blocks differ by more than is allowed), %d with too few observations.\nEach value is the median over the blocks.",
		counts[Within], total, counts[Outside], counts[Unclear], counts[TooFew])
	for _, s := range sections {
		for _, r := range s.Rows {
			if r.Error.Level > 0 {
				fmt.Fprintf(&b, " A band of %d blocks holds the true median with a probability of %.0f%%.\n", r.Error.Blocks, 100*r.Error.Level)
				_, err := io.WriteString(w, b.String())
				return err
			}
		}
	}
	b.WriteByte('\n')
	_, err := io.WriteString(w, b.String())
	return err
}
