package scenarios

import (
	"math"
	"testing"
	"time"
)

func TestPlan(t *testing.T) {
	for _, c := range []struct {
		steps  string
		length time.Duration
		open   int
	}{
		{"- wait: {for: 3s}", 3 * time.Second, 0},
		{"- connect: {connections: 300, rate: 100/s}", 3 * time.Second, 300},
		{"- connect: {connections: 10, rate: 10/s}\n- send: {rate: 1/s, for: 3s}\n- hold: {for: 1s}\n- close: {}", 7*time.Second + closing, 10},
		{"- connect: {connections: 10, rate: 10/s}\n- close: {connections: 4}\n- connect: {connections: 5, rate: 5/s}", 2*time.Second + closing, 11},
		{"- connect: {connections: 10, rate: 10/s}\n- close: {}\n- connect: {connections: 8, rate: 8/s, group: b}", 2*time.Second + closing, 10},
		{"- connect: {connections: 10, rate: 10/s, group: a}\n- connect: {connections: 10, rate: 10/s, group: b}\n- close: {group: a}\n- connect: {connections: 3, rate: 3/s}", 3*time.Second + closing, 20},
		{"- repeat: {times: 5, steps: [connect: {connections: 10, rate: 10/s}, wait: {for: 1s}]}", 10 * time.Second, 50},
		{"- repeat: {for: 9s, steps: [connect: {connections: 10, rate: 10/s}, wait: {for: 1s}]}", 10 * time.Second, 50},
		{"- repeat: {times: 1000000, steps: [connect: {connections: 100, rate: 100/s}, close: {}]}", 1000000 * (time.Second + closing), 100},
		{"- repeat: {times: 1000000, steps: [connect: {connections: 3, rate: 3/s}, close: {connections: 1}]}", 1000000 * (time.Second + closing), 2_000_001},
		{"- repeat: {times: 1000, steps: [{repeat: {times: 1000, steps: [connect: {connections: 2, rate: 2/s}]}}]}", 1000000 * time.Second, 2_000_000},
		{"- connect: {connections: 1}\n- repeat: {for: 3s, steps: [close: {}, connect: {connections: 1, rate: 1/s}]}", 1*time.Millisecond + 3*(time.Second+closing), 1},
		{"- connect: {connections: 500, rate: 100/s, until: failure}\n- wait: {until: drained, limit: 1h}", 5 * time.Second, 500},
		{"- connect: {connections: 10, rate: 10/s}\n- http: {rate: 1/s, for: 3s, warmup: 1s, connections: 4}\n- close: {}\n- http: {rate: 1/s, for: 1s, warmup: 0s, connections: 5}", 6*time.Second + closing, 14},
		// Each branch may be at its peak while the others are at theirs.
		{"- connect: {connections: 10, rate: 10/s}\n- together:\n  - [connect: {connections: 5, rate: 1/s, group: b}, close: {group: b}]\n  - [connect: {connections: 7, rate: 7/s, group: c}, http: {rate: 1/s, for: 1s, warmup: 0s, connections: 2}]\n- connect: {connections: 1, rate: 1/s}", 7*time.Second + closing, 24},
		{"- connect: {connections: 10, rate: 10/s}\n- together: [wait: {for: 3s}, close: {}]\n- connect: {connections: 1, rate: 1/s}", 5 * time.Second, 10},
		{"- connect: {connections: 10, rate: 10/s}\n- together: {branches: [wait: {for: 3s}, [wait: {for: 9s}, close: {}]], until: first}\n- connect: {connections: 1, rate: 1/s}", 5 * time.Second, 11},
		{"- repeat: {times: 3, steps: [together: [connect: {connections: 2, rate: 2/s, group: a}, connect: {connections: 3, rate: 1/s, group: b}]]}", 9 * time.Second, 15},
	} {
		s := read(t, "targets: [direct]\nsteps:\n"+c.steps+"\n", Options{})
		if got := s.Duration(); got != c.length {
			t.Errorf("%s\ntakes %v, want %v", c.steps, got, c.length)
		}
		if got := s.MaxOpen(); got != c.open {
			t.Errorf("%s\nopens %d, want %d", c.steps, got, c.open)
		}
	}
	// One that is as long as nothing can be is refused by Parse, and does not wrap
	// round here.
	day := Step{Wait: &Wait{For: 24 * time.Hour}}
	ages := Step{Repeat: &Repeat{Times: 1e6, Steps: []Step{{Repeat: &Repeat{Times: 1e6, Steps: []Step{day}}}, day}}}
	if got := (&Scenario{Steps: []Step{ages, ages, day}}).Duration(); got != math.MaxInt64 {
		t.Errorf("a million million days take %v", got)
	}
	// A scenario that was not parsed has nothing to divide by.
	s := &Scenario{Steps: []Step{{Connect: &Connect{Connections: 3}}, {Repeat: &Repeat{Steps: []Step{{}}}}}}
	if s.Duration() != 0 || s.MaxOpen() != 3 {
		t.Errorf("%v, %d", s.Duration(), s.MaxOpen())
	}
}
