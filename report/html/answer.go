package html

import (
	"fmt"
	"strings"

	"wsgauge/report/aggregate"
	"wsgauge/report/quantity"
)

// answer says in sentences what the run found: what each target added to a direct
// connection (or what each took, when there was none), and what went wrong.
func answer(rows []aggregate.Row) []string {
	if len(rows) == 0 {
		return []string{"Nothing was measured: no target was run."}
	}
	var out []string
	if s := added(rows); s != "" {
		out = append(out, s)
	} else if s := took(rows); s != "" {
		out = append(out, s)
	}
	return append(out, wrong(rows))
}

// added compares with the direct connection within blocks.
func added(rows []aggregate.Row) string {
	var direct *aggregate.Row
	for i := range rows {
		if rows[i].Info != nil && rows[i].Info.Kind == "direct" && rows[i].P50.State == aggregate.Known {
			direct = &rows[i]
			break
		}
	}
	if direct == nil {
		return ""
	}
	var parts []string
	for i := range rows {
		if &rows[i] == direct {
			continue
		}
		if d := aggregate.Difference(rows[i].Trials, direct.Trials, "response_time.p50"); d.State == aggregate.Known {
			word := " more"
			if d.Value < 0 {
				d.Value, word = -d.Value, " less"
			}
			parts = append(parts, rows[i].Name+" "+quantity.Format(d.Value, d.Unit)+word)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("The median answer took %s over a direct connection; in the same block it took %s.", direct.P50, listed("through ", parts))
}

func took(rows []aggregate.Row) string {
	var parts []string
	for _, r := range rows {
		if r.P50.State == aggregate.Known {
			parts = append(parts, r.Name+" "+r.P50.String())
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "The median answer took " + listed("through ", parts) + "."
}

// wrong sums up failures and trials that are not valid.
func wrong(rows []aggregate.Row) string {
	var bad []string
	trials, valid := 0, 0
	for _, r := range rows {
		trials, valid = trials+len(r.Trials), valid+r.Valid()
		if r.Failures.State == aggregate.Known && r.Failures.Value > 0 {
			bad = append(bad, r.Name+" "+r.Failures.String())
		}
	}
	s := "Nothing failed"
	if len(bad) > 0 {
		s = "Failures: " + listed("", bad)
	}
	switch {
	case trials == 0:
		return "No trial was finished."
	case valid == 0:
		return fmt.Sprintf("None of the %d trials is valid, so that nothing can be concluded.", trials)
	case valid < trials:
		return fmt.Sprintf("%s in the %d valid trials of %d.", s, valid, trials)
	}
	if trials == 1 {
		return s + " in the one trial, which is valid."
	}
	return fmt.Sprintf("%s in %d trials, all valid.", s, trials)
}

// listed joins with commas and a last "and".
func listed(prefix string, parts []string) string {
	if n := len(parts); n > 1 {
		return prefix + strings.Join(parts[:n-1], ", ") + " and " + parts[n-1]
	}
	return prefix + parts[0]
}
