package results

import (
	"encoding/json"
	"maps"
)

// Groups are the groups of processes that resources are given for.
func Groups() []string { return []string{"target", "backend", "agents", "controller"} }

// MarshalJSON writes the trial with the same keys whatever happened in it: what is
// empty is {} or [], and a group of processes that did not exist is null.
func (t Trial) MarshalJSON() ([]byte, error) {
	type plain Trial
	t.Invalid = list(t.Invalid)
	t.Figures = t.Figures.filled()
	t.Resources = filledGroups(t.Resources)
	t.Log = filledCounts(t.Log)
	t.Steps = list(t.Steps)
	return json.Marshal(plain(t))
}

// MarshalJSON writes the step as [Trial.MarshalJSON] does.
func (s Step) MarshalJSON() ([]byte, error) {
	type plain Step
	s.Figures = s.Figures.filled()
	s.Resources = filledGroups(s.Resources)
	return json.Marshal(plain(s))
}

// MarshalJSON writes [] where no figure is named.
func (i Invalid) MarshalJSON() ([]byte, error) {
	type plain Invalid
	i.Figures = list(i.Figures)
	return json.Marshal(plain(i))
}

// MarshalJSON writes [] where nothing is censored.
func (q Quantiles) MarshalJSON() ([]byte, error) {
	type plain Quantiles
	q.Censored = list(q.Censored)
	return json.Marshal(plain(q))
}

// MarshalJSON writes [] and {} for what is empty, and the current format when none
// is set.
func (r Run) MarshalJSON() ([]byte, error) {
	type plain Run
	if r.Format == "" {
		r.Format = Format
	}
	r.Command = list(r.Command)
	r.Order = list(r.Order)
	r.Targets = list(r.Targets)
	r.Skipped = list(r.Skipped)
	r.Expect = list(r.Expect)
	r.Verdicts = list(r.Verdicts)
	if r.Host.Sysctls == nil {
		r.Host.Sysctls = map[string]string{}
	}
	return json.Marshal(plain(r))
}

func (f Figures) filled() Figures {
	f.Failures = filledCounts(f.Failures)
	f.Closures = filledCounts(f.Closures)
	f.HTTP.Status = filledCounts(f.HTTP.Status)
	return f
}

func filledCounts(m map[string]int64) map[string]int64 {
	if m == nil {
		return map[string]int64{}
	}
	return m
}

// filledGroups adds the groups that are not there, as null.
func filledGroups(m map[string]*Resources) map[string]*Resources {
	out := maps.Clone(m)
	if out == nil {
		out = map[string]*Resources{}
	}
	for _, g := range Groups() {
		if _, there := out[g]; !there {
			out[g] = nil
		}
	}
	return out
}

func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
