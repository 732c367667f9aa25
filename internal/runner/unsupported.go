package runner

import (
	"fmt"

	"wsgauge/scenarios"
)

// unsupported refuses what scenarios can say and this version cannot run.
func unsupported(s *scenarios.Scenario) error {
	return unsupportedBackend(s.Backend)
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
