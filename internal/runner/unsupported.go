package runner

import (
	"fmt"

	"wsgauge/scenarios"
)

// unsupported refuses what scenarios can say and this version cannot run. Each of the
// two goes away with what it refuses.
func unsupported(s *scenarios.Scenario) error {
	if err := unsupportedBackend(s.Backend); err != nil {
		return err
	}
	return unsupportedSteps(s.Steps)
}

func unsupportedBackend(b scenarios.Backend) error {
	switch {
	case b.External != "":
		return fmt.Errorf("backend: this version of wsgauge cannot use one that runs already (%s)", b.External)
	case b.Runtime != "" && b.Runtime != "go":
		return fmt.Errorf("backend: this version of wsgauge has none in %s; write backend: go", b.Runtime)
	}
	return nil
}

func unsupportedSteps(steps []scenarios.Step) error {
	var err error
	scenarios.Walk(steps, func(s *scenarios.Step) {
		what := ""
		switch {
		case s.HTTP != nil, s.Signal != "", s.Backend != nil, s.Together != nil:
			what = s.Kind()
		case s.Connect != nil && s.Connect.Until != "":
			what = "connect until: " + s.Connect.Until
		case s.Wait != nil && s.Wait.Until != "":
			what = "wait until: " + s.Wait.Until
		default:
			return
		}
		if err == nil {
			err = fmt.Errorf("step %s: this version of wsgauge cannot run %s yet", s.ID, what)
		}
	})
	return err
}
