package runner

import (
	"errors"
	"maps"
	"slices"
	"time"

	"wsgauge/internal/proc"
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

// stance is where the controller should stand in a step.
type stance int

const (
	anywhere stance = iota // the step does not mind
	behind                 // behind everybody else
	inTime                 // where it comes to its turn
)

// stanceIn: in a step in which latency is measured the controller goes behind everybody
// else. Its own work comes in bursts of milliseconds and must not be what a target, a
// backend or an agent waits for. Steps that take all CPUs by their nature would leave it
// nothing.
func stanceIn(j *job) stance {
	switch p := j.plan; {
	case j.act != nil:
		return anywhere
	case p.Hold != nil, p.HTTP != nil, p.Send != nil && !p.Send.Closed:
		return behind
	}
	return inTime
}

// together is where it stands in several steps at a time.
func together(running []running) stance {
	all := anywhere
	for _, r := range running {
		all = max(all, r.stance)
	}
	return all
}

// stand steps back or comes forward, as the steps want it that run now. Many agents
// would leave the controller nothing.
func (s *sampler) stand() error {
	s.standing.Lock()
	defer s.standing.Unlock()
	s.mu.Lock()
	back, is := together(s.running) == behind && len(s.roots["agents"]) == 1, s.behind
	s.mu.Unlock()
	if back == (is != nil) {
		return nil
	}
	if back {
		now, err := proc.StepBack(slices.Collect(maps.Values(s.lateness))...)
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		is = now
	}
	s.mu.Lock()
	was := s.behind
	if back {
		s.behind = is
	} else {
		s.behind = nil
	}
	s.mu.Unlock()
	if was == nil {
		return nil
	}
	return was.Stop()
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
