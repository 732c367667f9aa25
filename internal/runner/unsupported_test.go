package runner

import (
	"strings"
	"testing"

	"wsgauge/scenarios"
)

// What scenarios can say and nothing runs yet is refused, not passed over.
func TestUnsupported(t *testing.T) {
	step := func(s scenarios.Step) *scenarios.Scenario {
		s.ID = "load"
		return &scenarios.Scenario{Steps: []scenarios.Step{{Repeat: &scenarios.Repeat{Steps: []scenarios.Step{s}}}}}
	}
	for want, s := range map[string]*scenarios.Scenario{
		"none in node":    {Backend: scenarios.Backend{Runtime: "node"}},
		"ws://a:1":        {Backend: scenarios.Backend{External: "ws://a:1"}},
		"run http":        step(scenarios.Step{HTTP: &scenarios.HTTP{}}),
		"run signal":      step(scenarios.Step{Signal: "stop"}),
		"run backend":     step(scenarios.Step{Backend: &scenarios.BackendStep{}}),
		"run together":    step(scenarios.Step{Together: &scenarios.Together{}}),
		"until: failure":  step(scenarios.Step{Connect: &scenarios.Connect{Until: "failure"}}),
		"until: drained":  step(scenarios.Step{Wait: &scenarios.Wait{Until: "drained"}}),
		"step load: this": step(scenarios.Step{Signal: "stop"}),
	} {
		if err := unsupported(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	ok := step(scenarios.Step{Wait: &scenarios.Wait{For: 1}})
	ok.Backend = scenarios.Backend{Runtime: "go", Instances: 1}
	if err := unsupported(ok); err != nil {
		t.Error(err)
	}
}
