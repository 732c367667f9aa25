package runner

import (
	"errors"
	"maps"
	"slices"
	"time"

	"wsgauge/internal/proc"
	"wsgauge/loadgen"
)

// stepAhead keeps the controller in time beside many agents and backends, which are
// raised as agentsNice says: with twelve loops on one CPU, beside which it was an ordinary
// process, it came to its samples six seconds late.
func (s *sampler) stepAhead() error {
	nice := s.trial.run.record.Placement.AgentsNice
	if len(s.roots["agents"]) == 1 || nice == 0 {
		return nil
	}
	back, err := proc.StepAhead(nice, slices.Collect(maps.Values(s.lateness))...)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	s.goBack = back
	return err
}

// stepBack lets the controller go behind everybody else for a step in which latency is
// measured: its own work comes in bursts of milliseconds and must not be what a target, a
// backend or an agent waits for. Steps that take all CPUs by their nature, and many agents
// on them, would leave it nothing.
func (s *sampler) stepBack(plan *loadgen.StepPlan) error {
	if plan.Hold == nil && (plan.Send == nil || plan.Send.Closed) || len(s.roots["agents"]) > 1 {
		return nil
	}
	behind, err := proc.StepBack(slices.Collect(maps.Values(s.lateness))...)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behind = behind
	return nil
}

// comeForward ends what stepBack began.
func (s *sampler) comeForward() error {
	s.mu.Lock()
	behind := s.behind
	s.behind = nil
	s.mu.Unlock()
	if behind == nil {
		return nil
	}
	return behind.Stop()
}

// patience is how long a reading may wait for CPUs. What is read at its beginning and at
// its end no longer belongs together then, and the controller stops stepping back.
const patience = int64(20 * time.Millisecond)

// kept is told how long a reading took and how much CPU time the process had meanwhile.
func (s *sampler) kept(took, cpu int64) {
	if s.behind == nil || s.behind.Forward() || took-cpu < patience {
		return
	}
	if err := s.behind.ComeForward(); err != nil && s.failed == nil {
		s.failed = err
		s.trial.run.keepError(err)
	}
}
