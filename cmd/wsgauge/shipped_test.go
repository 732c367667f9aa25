package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wsgauge/results"
)

// shippedCase is a shipped scenario in a form that is short enough for the suite. It
// passes when the run ends with 0, that is when all that the file expects holds, when
// the records hold what check looks for, and when nothing of it is left.
type shippedCase struct {
	name  string
	flags []string
	check func(*testing.T, *results.RunData)
}

// envScenarios has tests run that `make test` has no time for.
const envScenarios = "WSGAUGE_SCENARIOS"

// atLeisure skips a test that repeats what the suite shows elsewhere, by a shipped scenario.
func atLeisure(t *testing.T) {
	t.Helper()
	if os.Getenv(envScenarios) == "" {
		t.Skip("skipped: a shipped scenario in a short form; make test-scenarios runs them all")
	}
}

// always are the scenarios whose results the suite has to show every time.
var always = map[string]bool{"ceiling": true, "timeouts": true, "fd-exhaustion": true}

// runShipped runs scenarios side by side: nothing that is looked at depends on speed.
func runShipped(t *testing.T, cases []shippedCase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if !always[c.name] {
				atLeisure(t)
			}
			text, err := os.ReadFile(filepath.Join("..", "..", "scenarios", c.name+".yaml"))
			if err != nil {
				t.Fatal(err)
			}
			watchSegments(t)
			r := start(t, string(text), c.flags...)
			r.passed(3 * time.Minute)
			d := r.records()
			for _, trial := range d.Trials {
				if trial.Error != "" || trial.TargetEnded {
					t.Errorf("%s ended: %s", trial.Target, trial.Error)
				}
			}
			if !t.Failed() {
				c.check(t, d)
			}
			if t.Failed() {
				t.Logf("%s", r.output.String())
			}
		})
	}
}

// watchSegments wants no shared memory to be left at the end of the test that was not
// there before: neither a name below /dev/shm that no process has mapped, nor a System V
// segment whose maker has ended. Others may make some meanwhile, which go with them.
func watchSegments(t *testing.T) {
	t.Helper()
	before := segments(t)
	t.Cleanup(func() {
		var left []string
		for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
			left = left[:0]
			for name := range segments(t) {
				if !before[name] {
					left = append(left, name)
				}
			}
			if len(left) == 0 {
				return
			}
		}
		t.Errorf("shared memory is left behind: %s", strings.Join(left, ", "))
	})
}

// segments are those that nobody uses, and whose owner does not live.
func segments(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	named, err := filepath.Glob("/dev/shm/ShM.*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range named {
		found[name] = true
	}
	maps, err := filepath.Glob("/proc/[0-9]*/maps")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range maps {
		p, err := os.ReadFile(path)
		if err != nil {
			continue // it has just ended, or is not ours to look into
		}
		for name := range found {
			if strings.Contains(string(p), name) {
				delete(found, name)
			}
		}
	}
	table, err := os.ReadFile("/proc/sysvipc/shm")
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(table), "\n") {
		// key, id, permissions, size, the pid of its maker, of its last user, users.
		f := strings.Fields(line)
		if i == 0 || len(f) < 7 || f[6] != "0" {
			continue
		}
		if maker := atoi(f[4]); maker > 0 && syscall.Kill(maker, 0) == syscall.ESRCH {
			found["System V segment "+f[1]] = true
		}
	}
	return found
}
