package runner

import "time"

// The bounds of validity. Each stands with what chose it.
const (
	// Latency figures are spoiled when the send lag or the receive lag at p99 exceeds
	// the larger of its floor and lagShare of the response time's p99. A generator that
	// is late by a tenth of what it measures moves the figure by about a tenth. The
	// floors are what a wake-up costs on a virtual machine, with some room: below them the lag is the
	// machine's, the same for all targets of a run. An agent wakes before a message is
	// due (send lag of 1 µs in the median, 50 to 60 µs at p99 seen), but not before
	// an answer comes (receive lag of 20 to 40 µs in the median, 60 µs at p90, 130 µs
	// at p99 seen).
	//
	// The figures of "rates" and "busy loops" were taken before the loops had real-time
	// priority (agentsShare), and have not been taken again since.
	//
	// Experiment "rates" of `make evidence`, two cores: from 20,000 to 60,000 messages
	// a second a direct connection's send lag at p99 is only 0.7 to 2.5 times the
	// bound, while receive lag is 40% of the response time in the median: timers go
	// before sockets, so that an agent sends in time and reads late. Hence both lags.
	// Experiment "busy loops": with 1, 2 and 4 loops on the agents' CPU, send lag at
	// p99 is 1.4 to 3.8 ms of response times of 2 to 8 ms: 3 to 10 times the bound.
	// Experiment "slow targets", and TestSlowTargetIsValid: a target that is late by
	// 500 ms, stands still for 700 ms a second, or burns twice its CPU has lags below
	// the bound.
	sendLagFloor    = 100 * time.Microsecond
	receiveLagFloor = 200 * time.Microsecond
	lagShare        = 0.10

	// dialLagFloor is the same for opening connections, against the time that the
	// upgrade takes: these come in bursts, and nobody compares handshakes by less.
	dialLagFloor = time.Millisecond

	// onTimeShare: rates are spoiled when fewer first attempts than this fall within 1%
	// of the step's length from their intended time. A convention, without an
	// experiment.
	onTimeShare = 0.999

	// agentsShare and backendShare are what of a CPU the loops of agents and backends
	// may use with real-time priority, all that share it together. More than these two
	// leave is needed by the kernel's own threads, which deliver what the loops wait
	// for. At 2000 messages a second an agent uses 25% and a Go backend 7%. No experiment
	// of `make evidence` varies them.
	agentsShare  = 0.55
	backendShare = 0.4

	// clockStep: everything is spoiled when the wall clock and the monotonic one
	// drift apart by more than this in a trial; NTP slews at most 500 ppm, which
	// is 5 ms in 10 s.
	clockStep = 20 * time.Millisecond

	// stolenShare: everything is spoiled when the hypervisor gave more than this share
	// of the machine's time to others during the steps. A convention, without an
	// experiment.
	stolenShare = 0.05

	// othersShare: latency figures are spoiled when other programs took more than
	// this share of the machine's time in the window of a send step. The backend
	// shares that machine and tells nobody that it was late. Experiment "rates" beside
	// compilers: 20,000 messages a second took 15 ms over a direct connection, with
	// send and receive lag below a tenth of the p99, and other programs at 35% to 70%.
	othersShare = 0.10

	// besideShare is the same for the CPUs of the agents, and of the backend, alone: of a
	// large machine a program that takes one of these is a small part. Experiment "busy
	// loops".
	besideShare = 0.20

	// samplerGap: everything is spoiled when two samples that should be a second
	// apart are further apart than this. Opening 60,000 tunnels on two CPUs that
	// something else kept busy too made gaps of 5 to 6 s; alone on the machine they
	// stay under 2 s.
	samplerGap = 4 * time.Second
)
