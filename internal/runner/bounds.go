package runner

import "time"

// The bounds of validity. Each stands with what chose it.
const (
	// sendLagFloor and sendLagShare: latency figures are spoiled when the send lag
	// at p99 exceeds the larger of the two. A generator that is late by a tenth of
	// what it measures moves the figure by at most a tenth. The floor is what a
	// wake-up costs on a virtual machine (50 to 60 µs seen) with some room: below
	// it the lag is the machine's, the same for all targets of a run.
	sendLagFloor = 100 * time.Microsecond
	sendLagShare = 0.10

	// onTimeShare: rates are spoiled when fewer first attempts than this fall
	// within 1% of the step's length from their intended time.
	onTimeShare = 0.999

	// clockStep: everything is spoiled when the wall clock and the monotonic one
	// drift apart by more than this in a trial; NTP slews at most 500 ppm, which
	// is 5 ms in 10 s.
	clockStep = 20 * time.Millisecond

	// stolenShare: everything is spoiled when the hypervisor gave more than this
	// share of the machine's time to others during the steps.
	stolenShare = 0.05

	// samplerGap: everything is spoiled when two samples that should be a second
	// apart are further apart than this. Opening 60,000 tunnels on two CPUs that
	// something else kept busy too made gaps of 5 to 6 s; alone on the machine they
	// stay under 2 s.
	samplerGap = 4 * time.Second
)
