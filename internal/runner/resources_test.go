package runner

import (
	"testing"
	"time"

	"wsgauge/internal/proc"
)

// What others take is what the CPUs did less what the groups there used, and the rest of
// a large machine does not hide it.
func TestOthers(t *testing.T) {
	at := time.Unix(1000, 0)
	cpu := func(d time.Duration) proc.Usage { return proc.Usage{CPU: d} }
	from := reading{at: at, tasks: map[int]time.Duration{}, groups: map[string]proc.Usage{
		"agents": cpu(0), "backend": cpu(0), "target": cpu(0), "controller": cpu(0)}}
	to := reading{at: at.Add(2 * time.Second), tasks: map[int]time.Duration{}, groups: map[string]proc.Usage{
		"agents": cpu(600 * time.Millisecond), "backend": cpu(200 * time.Millisecond),
		"target": cpu(time.Second), "controller": cpu(100 * time.Millisecond)}}
	all := make([]int, 64)
	for n := range all {
		all[n], from.tasks[n], to.tasks[n] = n, time.Second, time.Second
	}
	to.tasks[0] += 1900 * time.Millisecond // agents, backend, controller, and a second of somebody else's
	to.tasks[1] += time.Second             // the target
	for name, c := range map[string]struct {
		cpus   []int
		groups []string
		want   float64
	}{
		"the machine":     {all, groupNames, 1.0 / 128},
		"beside the load": {[]int{0}, []string{"controller", "agents", "backend"}, 0.5},
		"the target's":    {[]int{1}, []string{"controller", "target"}, 0}, // never less than nothing
	} {
		if got := others(from, to, c.cpus, c.groups); got < c.want-1e-9 || got > c.want+1e-9 {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if got := others(reading{at: at}, to, all, groupNames); got != 0 {
		t.Errorf("of an unknown machine: %v, want 0", got)
	}
}
