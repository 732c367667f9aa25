package runner

import (
	"time"

	"wsgauge/results"
	"wsgauge/scenarios"
)

// Plan is what a run would do, for `check`.
type Plan struct {
	Order     [][]string
	Trials    int
	Each      time.Duration // one trial, estimated
	Total     time.Duration // all of them
	Targets   []results.TargetInfo
	Skipped   []results.SkippedTarget
	Shortages []Shortage
	Faults    []string // what else of the scenario cannot be done here
	Placement results.Placement
	Backend   results.BackendInfo
	MaxOpen   int
	Agents    int
	Spread    string // why there are more processes than the file asks for; empty: there are not
}

// Check plans a run and starts nothing.
func Check(s *scenarios.Scenario, executable string) (*Plan, error) {
	r := &run{Options: Options{Scenario: s, Executable: executable}, scenario: s, start: time.Now()}
	if err := r.choose(); err != nil {
		return nil, err
	}
	if err := r.survey(); err != nil {
		return nil, err
	}
	trials, each := s.Blocks*len(r.targets), s.Duration()+startUp
	return &Plan{Order: r.record.Order, Trials: trials, Each: each, Total: times(trials, each),
		Targets: r.record.Targets, Skipped: r.record.Skipped, Shortages: r.shortages(), Faults: r.faults(),
		Placement: r.record.Placement, Backend: *r.record.Backend, MaxOpen: s.MaxOpen(), Agents: r.spread.agents,
		Spread: r.spreadNote()}, nil
}
