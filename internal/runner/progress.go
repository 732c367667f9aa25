package runner

import (
	"time"

	"wsgauge/results"
)

// Status is where a run stands, for people to watch.
type Status struct {
	Trial, Trials int
	Block, Blocks int
	Target        string
	Step          string        // "load (send)"; "starting", "closing" around the steps
	Left          time.Duration // of the whole run, estimated
	Open          int
	PerSecond     float64 // answered, in the last second
	P50, P99      time.Duration
	Failures      int64   // in this trial
	TargetCPU     float64 // CPUs in use; negative: not measured
	TargetBytes   int64   // RSS summed, or PSS when read; negative: not measured
}

// Watcher is told how a run goes. Its methods are called one at a time.
type Watcher interface {
	// Status comes once a second and whenever something begins.
	Status(Status)
	// TrialDone comes after each trial's record was written.
	TrialDone(TrialSummary)
	// Note is something that a person should read.
	Note(text string)
}

// TrialSummary is a trial in a line.
type TrialSummary struct {
	Trial, Trials int
	Block         int
	Target        string
	Took          time.Duration
	Opened        int64
	Answered      int64
	Failures      int64
	Error         string
	Record        *results.Trial // as it was written; not to be changed
}
