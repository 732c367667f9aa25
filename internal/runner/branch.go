package runner

import (
	"context"

	"wsgauge/scenarios"
)

// branch is one line of steps: that of the scenario, or one of a together step.
type branch struct {
	// wanted ends when the steps of the branch are no longer wanted, since another one
	// has come to its end first: what runs of it ends early, with a whole record. It
	// ends with the trial's context, too.
	wanted context.Context
	beside bool // others run at the same time
}

func (b branch) over() bool { return b.wanted.Err() != nil }

// together runs branches at the same time. The first error ends the others early.
func (c *course) together(ctx context.Context, b branch, s *scenarios.Together) error {
	wanted, enough := context.WithCancel(b.wanted)
	defer enough()
	ends := make(chan error, len(s.Branches))
	for _, list := range s.Branches {
		go func() { ends <- c.steps(ctx, branch{wanted, true}, list) }()
	}
	var failed error
	for range s.Branches {
		err := <-ends
		if failed == nil {
			failed = err
		}
		if err != nil || s.Until == "first" {
			enough()
		}
	}
	return failed
}
