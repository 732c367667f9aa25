// Package runner turns a scenario into a run: it plans the trials, starts what
// each needs, walks the steps, watches, and leaves the records.
//
//	run.go       a run: look for targets, preflight, blocks in random order
//	preflight.go what cannot be done here, before anything starts; demand.go counts it
//	trial.go     a trial: backend, target, agents; steps; the way back down
//	course.go    a scenario's steps as plans for the agents
//	agents.go    the agent processes and what they say
//	tally.go     interval reports into figures
//	sampler.go   resources over time
//	validity.go  which figures can be trusted; bounds.go has the bounds
package runner
