package plot

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"wsgauge/report/quantity"
	"wsgauge/results"
)

// maxFailureBars bounds each panel; the page's table of failures has all of them.
const maxFailureBars = 32

// failuresByClass shows what went wrong and who ended tunnels, over all trials, valid or
// not, as the page's table of failures does.
func failuresByClass(s *source) Chart {
	c := Chart{Name: "failures-class", Title: "Failures and ends, by class", Table: Table{Head: []string{"target", "what", "class", "count"}},
		Caption: "Counts over all trials, valid or not, by target and class. Failures are what went wrong; tunnels that somebody else than the client ended are counted apart, also where the scenario wanted them to end. The glossary says what each class means."}
	for _, of := range []struct {
		title, what string
		counts      func(*results.Trial) map[string]int64
	}{
		{"failures", "failure", func(t *results.Trial) map[string]int64 { return t.Failures }},
		{"tunnels ended by others", "closure", func(t *results.Trial) map[string]int64 { return t.Closures }},
	} {
		p := Panel{Title: of.title, X: Axis{Label: "count"}}
		for place, t := range s.targets {
			sums := map[string]int64{}
			for _, trial := range t.Trials {
				for class, n := range of.counts(trial) {
					if n > 0 && class != closedByUs {
						sums[class] += n
					}
				}
			}
			classes := slices.SortedFunc(maps.Keys(sums), func(a, b string) int {
				return cmp.Or(cmp.Compare(sums[b], sums[a]), cmp.Compare(a, b))
			})
			for _, class := range classes {
				v := float64(sums[class])
				n := quantity.Number(v)
				c.Table.Rows = append(c.Table.Rows, []string{t.Name, of.what, class, n})
				if len(p.Bars) < maxFailureBars {
					p.Bars = append(p.Bars, Bar{Name: t.Name + ": " + class, Place: place, Known: true, Value: v, Low: v, High: v, Text: n})
				}
			}
		}
		if !p.empty() {
			c.Panels = append(c.Panels, p)
			if c.Alt != "" {
				c.Alt += " "
			}
			c.Alt += described(p)
		}
	}
	return c
}

// described is a panel of bars in a sentence.
func described(p Panel) string {
	words := make([]string, len(p.Bars))
	for i, b := range p.Bars {
		words[i] = b.Name + " " + b.Text
	}
	return fmt.Sprintf("Bars of %s: %s.", p.Title, strings.Join(words, ", "))
}
