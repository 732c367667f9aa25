package aggregate

import (
	"strings"

	"wsgauge/results"
)

// Target is a target of the run and its trials, in the order of blocks.
type Target struct {
	Name   string
	Info   *results.TargetInfo // nil when run.json does not name it
	Trials []*results.Trial
}

// Targets returns the targets of a run in the order of the scenario; those that
// only a trial names come after.
func Targets(d *results.RunData) []Target {
	var list []Target
	place := map[string]int{}
	for i := range d.Run.Targets {
		info := &d.Run.Targets[i]
		if _, twice := place[info.Name]; !twice {
			place[info.Name] = len(list)
			list = append(list, Target{Name: info.Name, Info: info})
		}
	}
	for i := range d.Trials {
		t := &d.Trials[i]
		at, known := place[t.Target]
		if !known {
			at = len(list)
			place[t.Target] = at
			list = append(list, Target{Name: t.Target})
		}
		list[at].Trials = append(list[at].Trials, t)
	}
	return list
}

// Valid counts the trials that ran to their end and of which not everything is
// spoiled.
func (t Target) Valid() int {
	n := 0
	for _, trial := range t.Trials {
		if trial.Valid && trial.Error == "" {
			n++
		}
	}
	return n
}

// Yardstick returns the trials of the reference tunnel, the target of kind
// "tunnel"; of several, the one of that name, or else the first. One that does badly
// on purpose is none.
func Yardstick(targets []Target) []*results.Trial {
	var found []*results.Trial
	for _, t := range targets {
		if t.Info != nil && (t.Info.Kind != "tunnel" || strings.Contains(t.Info.Config, " --inject ")) ||
			t.Info == nil && t.Name != "tunnel" {
			continue
		}
		if t.Name == "tunnel" {
			return t.Trials
		}
		if found == nil {
			found = t.Trials
		}
	}
	return found
}

// Reference names the target that others are compared with at equal quantiles: the
// direct connection when there is one, or else the reference tunnel; "" without
// either.
func Reference(targets []Target) string {
	yardstick := Yardstick(targets)
	for _, t := range targets {
		if t.Info != nil && t.Info.Kind == "direct" {
			return t.Name
		}
	}
	if len(yardstick) > 0 {
		return yardstick[0].Target
	}
	return ""
}

// Alike merges neighbouring verdicts that say the same of several targets; their
// names are listed in Target.
func Alike(list []results.Verdict) []results.Verdict {
	var merged []results.Verdict
	for _, v := range list {
		last := len(merged) - 1
		if last >= 0 && merged[last].Name == v.Name && merged[last].Verdict == v.Verdict && merged[last].Why == v.Why {
			merged[last].Target += ", " + v.Target
			continue
		}
		merged = append(merged, v)
	}
	return merged
}
