package apache

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"wsgauge/scenarios"
)

func TestSizeRefuses(t *testing.T) {
	for want, a := range map[string]scenarios.Apache{
		`mpm "winnt"`:                 {MPM: "winnt"},
		`start "half"`:                {Start: "half"},
		"below zero":                  {MaxRequestWorkers: -1},
		"30000 children are above":    {ServerLimit: 30000, ThreadsPerChild: 1},
		"thread_limit 30000 is above": {ThreadLimit: 30000},
		"max_request_workers 100 is not a multiple of threads_per_child 64, and the server would make it 64 (write 64 or 128)": {MaxRequestWorkers: 100, ThreadsPerChild: 64},
		"max_request_workers 10 is not a multiple of threads_per_child 25, and the server would make it 25":                    {MaxRequestWorkers: 10, ThreadsPerChild: 25},
		"max_request_workers 397 divides into no":                                   {MaxRequestWorkers: 397},
		"threads_per_child does not exist in MPM prefork":                           {MPM: "prefork", ThreadsPerChild: 5},
		"min_spare_servers does not exist in MPM event":                             {MinSpareServers: 5},
		"max_spare_threads 60 is less than MinSpareThreads 50 + ThreadsPerChild 25": {MinSpareThreads: 50, MaxSpareThreads: 60},
		"max_spare_threads 60 is less than MinSpareThreads 75 + ThreadsPerChild 25": {Start: "stock", MaxSpareThreads: 60},
		"max_spare_servers 5 is not more than MinSpareServers 5":                    {MPM: "prefork", Start: "stock", MaxSpareServers: 5},
		"start_servers 5 is more than the 4 children":                               {StartServers: 5, MaxRequestWorkers: 100},
		"start_servers 5 is more than the 4 request workers":                        {MPM: "prefork", StartServers: 5, MaxRequestWorkers: 4},
		"thread_stack_size 100 is less":                                             {ThreadStackSize: 100},
	} {
		if _, err := sizeOf(a); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got error %v, want one with %q", a, err, want)
		}
	}
}

func TestSizeChoosesWhatTheScenarioLeavesOut(t *testing.T) {
	for _, c := range []struct {
		apache                              scenarios.Apache
		threads, workers, servers, children int
	}{
		{scenarios.Apache{}, 25, 400, 16, 16},
		{scenarios.Apache{Start: "stock"}, 25, 400, 16, 3},
		{scenarios.Apache{MaxRequestWorkers: 10}, 10, 10, 16, 1},
		{scenarios.Apache{MaxRequestWorkers: 150}, 25, 150, 16, 6},
		{scenarios.Apache{MaxRequestWorkers: 512}, 32, 512, 16, 16},
		{scenarios.Apache{MaxRequestWorkers: 1000}, 25, 1000, 40, 40},
		{scenarios.Apache{ThreadsPerChild: 64}, 64, 384, 16, 6},
		{scenarios.Apache{ThreadsPerChild: 1000}, 1000, 1000, 16, 1},
		{scenarios.Apache{ServerLimit: 4}, 25, 100, 4, 4},
		{scenarios.Apache{Start: "stock", ThreadsPerChild: 128}, 128, 384, 16, 1}, // three idle are two too many
		{scenarios.Apache{MaxSpareThreads: 100}, 25, 400, 16, 4},
		{scenarios.Apache{MPM: "prefork"}, 1, 256, 256, 256},
		{scenarios.Apache{MPM: "prefork", Start: "stock"}, 1, 256, 256, 5},
		{scenarios.Apache{MPM: "prefork", MaxRequestWorkers: 400}, 1, 400, 400, 400},
		{scenarios.Apache{MPM: "prefork", MaxRequestWorkers: 10}, 1, 10, 256, 10},
		{scenarios.Apache{MPM: "prefork", ServerLimit: 50}, 1, 50, 50, 50},
		{scenarios.Apache{MPM: "prefork", MaxRequestWorkers: 60, ServerLimit: 50}, 1, 50, 50, 50},
		// Limits that the scenario sets are kept, though they are too small.
		{scenarios.Apache{MaxRequestWorkers: 400, ServerLimit: 4}, 25, 100, 4, 4},
		{scenarios.Apache{MaxRequestWorkers: 400, ThreadsPerChild: 100, ThreadLimit: 50}, 50, 400, 16, 8},
	} {
		s, err := sizeOf(c.apache)
		if err != nil {
			t.Errorf("%+v: %v", c.apache, err)
			continue
		}
		if s.serverLimit < s.children {
			t.Errorf("%+v: ServerLimit %d for %d children", c.apache, s.serverLimit, s.children)
		}
		if s.threadsPerChild != c.threads || s.workers != c.workers || s.children != c.children || s.serverLimit != c.servers {
			t.Errorf("%+v: got %+v", c.apache, s)
		}
	}
}

// Whatever max_request_workers asks for, the server gets values that it takes
// as they are, and start: full means all of them.
func TestSizeIsNeverClamped(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a := scenarios.Apache{
			MPM:               rapid.SampledFrom(mpms).Draw(rt, "mpm"),
			MaxRequestWorkers: rapid.IntRange(0, 3000).Draw(rt, "workers"),
		}
		if a.MPM != "prefork" {
			a.ThreadsPerChild = rapid.IntRange(0, 200).Draw(rt, "threads")
			if a.ThreadsPerChild > 0 {
				a.MaxRequestWorkers = roundUp(a.MaxRequestWorkers, a.ThreadsPerChild)
			}
		}
		s, err := sizeOf(a)
		if err != nil {
			return // refused aloud
		}
		t, spare := s.threadsPerChild, s.threadsPerChild
		if a.MPM == "prefork" {
			spare = 1
		}
		switch {
		case a.MaxRequestWorkers > 0 && s.workers != a.MaxRequestWorkers,
			s.workers != s.maxRequestWorkers,
			s.children*t != s.workers,
			s.startServers != s.children,
			s.serverLimit < s.children,
			a.MPM != "prefork" && s.threadLimit < t,
			s.maxSpare < s.minSpare+spare,
			s.maxSpare < s.workers,
			s.minSpare < 1,
			len(s.notes) > 0:
			rt.Fatalf("%+v: %+v", a, s)
		}
	})
}

func TestSettled(t *testing.T) {
	event := sizing{mpm: "event", threadsPerChild: 10, children: 3}
	prefork := sizing{mpm: "prefork", threadsPerChild: 1, children: 30}
	for _, c := range []struct {
		size               sizing
		processes, threads int
		want               bool
	}{
		{event, 1, 1, false}, {event, 4, 36, false}, {event, 3, 37, false}, {event, 4, 37, true}, {event, 5, 60, true},
		{prefork, 30, 30, false}, {prefork, 31, 31, true},
	} {
		if got := c.size.settled(c.processes, c.threads); got != c.want {
			t.Errorf("%s with %d processes and %d threads: settled %v", c.size.mpm, c.processes, c.threads, got)
		}
	}
}
