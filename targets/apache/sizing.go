package apache

import (
	"fmt"
	"slices"

	"wsgauge/scenarios"
)

// What httpd does when a directive is absent (mpm_default.h of 2.4).
const (
	defaultThreadsPerChild = 25
	defaultThreadLimit     = 64
	defaultServerLimit     = 16 // event and worker
	defaultWorkers         = defaultServerLimit * defaultThreadsPerChild
	defaultStart           = 3
	defaultMinSpareThreads = 3 * defaultThreadsPerChild
	defaultMaxSpareThreads = 10 * defaultThreadsPerChild

	preforkServerLimit     = 256 // and MaxRequestWorkers
	preforkStart           = 5
	preforkMinSpareServers = 5
	preforkMaxSpareServers = 10
)

// Ceilings that are compiled in, the lower one where event and worker differ.
const (
	maxServerLimit        = 20_000
	maxThreadLimit        = 20_000
	maxPreforkServerLimit = 200_000
)

// childThreads is how many threads a child of event or worker has besides its
// workers: the listener and the main thread (counted on 2.4.71).
const childThreads = 2

// sizing holds the MPM's directives. A zero value is not written, and left to
// the server.
type sizing struct {
	mpm               string
	threadsPerChild   int // 1 on prefork, and not written there
	threadLimit       int
	serverLimit       int
	maxRequestWorkers int
	startServers      int
	minSpare          int // threads, on prefork processes
	maxSpare          int
	notes             []string // what the server will make of the values

	workers  int // requests at once, after the server's own clamping
	children int // how many stand once the server has started and is idle
}

// Shape is how large a server becomes under load.
type Shape struct {
	Workers         int // requests, and so tunnels, at once
	ThreadsPerChild int // 1 on prefork
}

// ShapeOf works out what a configuration allows, defaults and the server's own
// clamping included; the error names a value that the server would not keep.
func ShapeOf(a scenarios.Apache) (Shape, error) {
	s, err := sizeOf(a)
	return Shape{Workers: s.workers, ThreadsPerChild: max(s.threadsPerChild, 1)}, err
}

// settled tells whether everything that is started beforehand stands. More may
// stand: the MPM starts spare children as it sees fit.
func (s sizing) settled(processes, threads int) bool {
	wantThreads := 1 + s.children
	if s.mpm != "prefork" {
		wantThreads = 1 + s.children*(s.threadsPerChild+childThreads)
	}
	return processes >= 1+s.children && threads >= wantThreads
}

func (s *sizing) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// sizeOf works out the MPM's directives and refuses values that the server
// would silently change into others.
func sizeOf(a scenarios.Apache) (sizing, error) {
	s := sizing{mpm: a.MPM}
	if s.mpm == "" {
		s.mpm = "event"
	}
	if !slices.Contains(mpms, s.mpm) {
		return s, fmt.Errorf("mpm %q: event, worker or prefork is meant", a.MPM)
	}
	if a.Start != "" && a.Start != "full" && a.Start != "stock" {
		return s, fmt.Errorf("start %q: full or stock is meant", a.Start)
	}
	if err := checkKeys(a, s.mpm); err != nil {
		return s, err
	}
	if s.mpm == "prefork" {
		return s, s.prefork(a)
	}
	return s, s.threaded(a)
}

// checkKeys refuses values below zero and keys of another MPM.
func checkKeys(a scenarios.Apache, mpm string) error {
	prefork := mpm == "prefork"
	keys := []struct {
		name    string
		value   int
		foreign bool
	}{
		{"server_limit", a.ServerLimit, false},
		{"start_servers", a.StartServers, false},
		{"max_request_workers", a.MaxRequestWorkers, false},
		{"max_connections_per_child", a.MaxConnectionsPerChild, false},
		{"listen_backlog", a.ListenBacklog, false},
		{"threads_per_child", a.ThreadsPerChild, prefork},
		{"thread_limit", a.ThreadLimit, prefork},
		{"min_spare_threads", a.MinSpareThreads, prefork},
		{"max_spare_threads", a.MaxSpareThreads, prefork},
		{"thread_stack_size", a.ThreadStackSize, prefork},
		{"min_spare_servers", a.MinSpareServers, !prefork},
		{"max_spare_servers", a.MaxSpareServers, !prefork},
	}
	for _, k := range keys {
		if k.value < 0 {
			return fmt.Errorf("%s %d is below zero", k.name, k.value)
		}
		if k.value > 0 && k.foreign {
			return fmt.Errorf("%s does not exist in MPM %s (remove it, or choose another mpm)", k.name, mpm)
		}
	}
	switch factor := a.AsyncRequestWorkerFactor; {
	case factor < 0:
		return fmt.Errorf("async_request_worker_factor %g is below zero", factor)
	case factor > 0 && mpm != "event":
		return fmt.Errorf("async_request_worker_factor does not exist in MPM %s (remove it, or choose event)", mpm)
	}
	// PTHREAD_STACK_MIN: with less, the server starts and then makes no thread.
	const leastStack = 16 << 10
	if a.ThreadStackSize > 0 && a.ThreadStackSize < leastStack {
		return fmt.Errorf("thread_stack_size %d is less than the %d bytes that a thread needs", a.ThreadStackSize, leastStack)
	}
	return nil
}

// threaded works out event and worker.
func (s *sizing) threaded(a scenarios.Apache) error {
	if err := s.threads(a); err != nil {
		return err
	}
	s.threadLimit = orDefault(a.ThreadLimit, max(defaultThreadLimit, s.threadsPerChild))
	if s.threadLimit > maxThreadLimit {
		return fmt.Errorf("thread_limit %d is above the %d that are compiled in", s.threadLimit, maxThreadLimit)
	}
	codes := [2]string{"AH00507", "AH00515"}
	if s.mpm == "worker" {
		codes = [2]string{"AH00310", "AH00318"}
	}
	// The server's own clamping, in its order. Only limits that the scenario sets
	// can cause it.
	if s.threadsPerChild > s.threadLimit {
		s.note("ThreadsPerChild is above ThreadLimit: the server lowers it to %d (%s)", s.threadLimit, codes[0])
		s.threadsPerChild = s.threadLimit
	}
	active := max(1, s.maxRequestWorkers/s.threadsPerChild)
	s.serverLimit = orDefault(a.ServerLimit, max(defaultServerLimit, active))
	if s.serverLimit > maxServerLimit {
		return fmt.Errorf("%d children are above the %d that are compiled in (use more threads_per_child)", s.serverLimit, maxServerLimit)
	}
	if active > s.serverLimit {
		s.note("MaxRequestWorkers needs %d children and ServerLimit allows %d: the server serves %d requests at once (%s)",
			active, s.serverLimit, s.serverLimit*s.threadsPerChild, codes[1])
		active = s.serverLimit
	}
	s.workers = active * s.threadsPerChild
	return s.spareThreads(a, active)
}

// threads settles ThreadsPerChild and MaxRequestWorkers.
func (s *sizing) threads(a scenarios.Apache) error {
	t, m := a.ThreadsPerChild, a.MaxRequestWorkers
	switch {
	case t == 0 && m == 0:
		t = defaultThreadsPerChild
	case t == 0:
		if t = divisor(m); t == 0 {
			return fmt.Errorf("max_request_workers %d divides into no whole number of children with 16 to 64 threads each (set threads_per_child, or write %d)",
				m, roundUp(m, defaultThreadsPerChild))
		}
	}
	if m == 0 {
		m = defaultWorkers
		if a.ServerLimit > 0 {
			m = min(m, a.ServerLimit*t)
		}
		m = max(t, m/t*t)
	}
	if m%t != 0 {
		return fmt.Errorf("max_request_workers %d is not a multiple of threads_per_child %d, and the server would make it %d (write %d or %d)",
			m, t, max(t, m/t*t), max(t, m/t*t), roundUp(m, t))
	}
	s.threadsPerChild, s.maxRequestWorkers = t, m
	return nil
}

// divisor is the ThreadsPerChild for a MaxRequestWorkers that comes without one:
// 25 as compiled in, else the divisor in 16..64 nearest to it, 0 when there is
// none. A small server is one child.
func divisor(workers int) int {
	if workers < defaultThreadsPerChild {
		return workers
	}
	for away := range defaultThreadLimit {
		for _, t := range []int{defaultThreadsPerChild - away, defaultThreadsPerChild + away} {
			if t >= 16 && t <= defaultThreadLimit && workers%t == 0 {
				return t
			}
		}
	}
	return 0
}

func roundUp(n, unit int) int { return (n + unit - 1) / unit * unit }

// spareThreads settles StartServers and the spare limits of event and worker.
func (s *sizing) spareThreads(a scenarios.Apache, active int) error {
	s.startServers, s.minSpare, s.maxSpare = a.StartServers, a.MinSpareThreads, a.MaxSpareThreads
	t := s.threadsPerChild
	start, least, most := defaultStart, defaultMinSpareThreads, defaultMaxSpareThreads
	if a.Start != "stock" {
		start = active
		// One child's worth: a child that died is replaced when the threads left
		// become few. More would make the server report that it is near its limit
		// (AH10159, AH00287) long before it is.
		least = max(1, min(t, s.workers-t))
		if a.MaxSpareThreads > 0 {
			least = max(1, min(least, a.MaxSpareThreads-t))
		}
		if s.startServers == 0 {
			s.startServers = start
		}
		if s.minSpare == 0 {
			s.minSpare = least
		}
		// The server makes it MinSpareThreads + ThreadsPerChild (event: one more)
		// when it is less.
		most = max(s.workers, s.minSpare+t+1)
		if s.maxSpare == 0 {
			s.maxSpare = most
		}
	}
	least, most = orDefault(s.minSpare, least), orDefault(s.maxSpare, most)
	if s.maxSpare > 0 && s.maxSpare < least+t {
		return fmt.Errorf("max_spare_threads %d is less than MinSpareThreads %d + ThreadsPerChild %d, and the server would make it %d (write %d, or lower min_spare_threads)",
			s.maxSpare, least, t, least+t, least+t)
	}
	start = orDefault(s.startServers, start)
	if s.startServers > active {
		return fmt.Errorf("start_servers %d is more than the %d children that make %d request workers", s.startServers, active, s.workers)
	}
	// An idle server retires children until no more than MaxSpareThreads idle.
	s.children = max(1, min(start, active, max(most, least+t)/t))
	return nil
}

// prefork works out prefork.
func (s *sizing) prefork(a scenarios.Apache) error {
	s.threadsPerChild = 1
	s.maxRequestWorkers = a.MaxRequestWorkers
	if s.maxRequestWorkers == 0 {
		s.maxRequestWorkers = orDefault(a.ServerLimit, preforkServerLimit)
	}
	s.serverLimit = a.ServerLimit
	if s.serverLimit == 0 {
		s.serverLimit = max(preforkServerLimit, s.maxRequestWorkers)
	}
	if s.serverLimit > maxPreforkServerLimit {
		return fmt.Errorf("server_limit %d is above the %d that are compiled in", s.serverLimit, maxPreforkServerLimit)
	}
	s.workers = s.maxRequestWorkers
	if s.workers > s.serverLimit {
		s.note("MaxRequestWorkers is above ServerLimit: the server serves %d requests at once (AH00180)", s.serverLimit)
		s.workers = s.serverLimit
	}
	return s.spareServers(a)
}

// spareServers settles StartServers and the spare limits of prefork.
func (s *sizing) spareServers(a scenarios.Apache) error {
	s.startServers, s.minSpare, s.maxSpare = a.StartServers, a.MinSpareServers, a.MaxSpareServers
	start, least, most := preforkStart, preforkMinSpareServers, preforkMaxSpareServers
	if a.Start != "stock" {
		start, least = s.workers, 1
		s.startServers = orDefault(s.startServers, start)
		// One: the server reports its limit (AH00161) when fewer are idle.
		s.minSpare = orDefault(s.minSpare, least)
		most = max(s.workers, s.minSpare+1)
		s.maxSpare = orDefault(s.maxSpare, most)
	}
	least, most = orDefault(s.minSpare, least), orDefault(s.maxSpare, most)
	if s.maxSpare > 0 && s.maxSpare <= least {
		return fmt.Errorf("max_spare_servers %d is not more than MinSpareServers %d, and the server would make it %d (write %d, or lower min_spare_servers)",
			s.maxSpare, least, least+1, least+1)
	}
	if s.startServers > s.workers {
		return fmt.Errorf("start_servers %d is more than the %d request workers", s.startServers, s.workers)
	}
	s.children = max(1, min(orDefault(s.startServers, start), s.workers, max(most, least+1)))
	return nil
}

func orDefault(value, otherwise int) int {
	if value == 0 {
		return otherwise
	}
	return value
}
