package synthetic

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"wsgauge/report/formula"
	"wsgauge/results"
)

// Made is a run of one block in memory, of which nothing is known but what is set.
type Made struct {
	run    results.Run
	trials map[string]*madeTrial
	order  []string
	events []results.Event
}

// madeTrial holds objects as JSON has them, by the id of their step; "" is the trial.
type madeTrial struct {
	parts map[string]map[string]any
	steps []string
	why   string // everything is spoiled; empty: nothing is
}

// NewMade makes a run over targets of certain kinds, name by name.
func NewMade(names, kinds []string) *Made {
	m := &Made{run: results.Run{Status: "complete", Blocks: 1}, trials: map[string]*madeTrial{}}
	for i, name := range names {
		m.order = append(m.order, name)
		m.trials[name] = &madeTrial{parts: map[string]map[string]any{"": {}}}
		m.run.Targets = append(m.run.Targets, results.TargetInfo{Name: name, Kind: kinds[i]})
	}
	return m
}

// Set gives a figure a value: "event.load.response_time.p99" and "12ms". A step of
// which a figure is set was reached: its other counts are 0. Besides figures there are
// "event.line", a line of its log; "event.invalid", why its whole trial is; and
// "event.skipped", why it did not run.
func (m *Made) Set(path, value string) error {
	target, rest, _ := strings.Cut(path, ".")
	t := m.trials[target]
	if t == nil {
		return fmt.Errorf("%s: there is no target %q", path, target)
	}
	switch rest {
	case "line":
		m.events = append(m.events, results.Event{Block: 1, Target: target, Kind: "log", Text: value})
		return nil
	case "invalid":
		t.why = value
		return nil
	case "skipped":
		m.run.Skipped = append(m.run.Skipped, results.SkippedTarget{Name: target, Reason: value})
		return nil
	}
	r, err := formula.ParseReference(path, func(name string) bool { return name == target })
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	v, err := formula.ParseValue(value, r.Figure.Unit)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	t.part(r.Step).set(place(r.Figure.Name), v)
	return nil
}

type object map[string]any

func (t *madeTrial) part(step string) object {
	if t.parts[step] == nil {
		t.parts[step] = map[string]any{"id": step}
		t.steps = append(t.steps, step)
	}
	return t.parts[step]
}

// place is where a figure stands in a line of trials.jsonl.
func place(figure string) []string {
	words := strings.Split(strings.Replace(figure, "p99.9", "p99|9", 1), ".")
	for i, w := range words {
		words[i] = strings.Replace(w, "|", ".", 1)
	}
	switch {
	case slices.Contains([]string{"took", "next_handshake", "handshake_gap"}, figure):
		words[0] += "_ns"
	case len(words) == 1: // all classes together
		return append(words, "made")
	case words[0] == "http" && words[1] == "response_time":
		words[1] = "response_time_ns"
	case words[0] == "messages" && words[1] == "not_sent" && len(words) > 2:
		words[1] = "not_sent_causes"
	case slices.Contains(results.Metrics(), words[0]):
		words[0] += "_ns"
	}
	return words
}

func (o object) set(path []string, v float64) {
	for _, key := range path[:len(path)-1] {
		inner, _ := o[key].(object)
		if inner == nil {
			inner = object{}
			o[key] = inner
		}
		o = inner
	}
	o[path[len(path)-1]] = v
}

// Data is the run as a reader of its directory would have it.
func (m *Made) Data() (*results.RunData, error) {
	run := m.run
	d := &results.RunData{Run: &run, Events: m.events}
	for _, s := range run.Skipped {
		delete(m.trials, s.Name)
	}
	run.Targets = nil
	var errs []error
	for i, name := range m.order {
		t := m.trials[name]
		if t == nil {
			continue
		}
		run.Targets = append(run.Targets, m.run.Targets[i])
		trial := results.Trial{Block: 1, Target: name, Valid: t.why == ""}
		errs = append(errs, into(t.parts[""], &trial))
		for _, id := range t.steps {
			var s results.Step
			errs = append(errs, into(t.parts[id], &s))
			trial.Steps = append(trial.Steps, s)
		}
		if t.why != "" {
			trial.Invalid = []results.Invalid{{Reason: t.why, Figures: []string{"all"}}}
		}
		d.Trials = append(d.Trials, trial)
	}
	return d, errors.Join(errs...)
}

func into(from map[string]any, to any) error {
	p, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(p, to)
}
