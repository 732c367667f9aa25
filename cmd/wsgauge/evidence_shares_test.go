package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"wsgauge/internal/proc"
)

// shares varies how far agents and backend go before all others, beside nothing else.
func shares(t *testing.T) {
	if !proc.MayRealtime() {
		t.Skip("skipped: real-time priority is not permitted here")
	}
	for _, rate := range []int{2000, 6000} {
		heading(fmt.Sprintf("the tunnel at %d messages a second, by the share of a CPU up to which agents and backend go first", rate), "agents,backend")
		for range 3 {
			for _, share := range []string{"0,0", "0.2,0.1", "0.55,0.4", "0.75,0.6", "0.95,0.95"} {
				d := experiment(t, "  - tunnel", 1, rate, "3s", "--realtime", share)
				row(share, &d.Trials[0])
			}
		}
	}
}

// thiefEnv makes a process of the test binary one that takes a share of a CPU, in
// pieces of a few milliseconds, as a hypervisor does.
const thiefEnv = "WSGAUGE_TEST_THIEF"

// thieves take a share of each CPU from everybody, whatever priority these have.
func thieves(t *testing.T) {
	if !proc.MayRealtime() {
		t.Skip("skipped: real-time priority is not permitted here")
	}
	heading("the tunnel at 2000 messages a second, while something takes part of every CPU from everybody", "taken")
	for range 3 {
		for _, percent := range []int{0, 1, 2, 5, 10, 20} {
			t.Run("", func(t *testing.T) {
				if percent > 0 {
					steal(t, percent)
				}
				d := experiment(t, "  - tunnel", 1, 2000, "3s")
				row(fmt.Sprintf("%d%%", percent), &d.Trials[0])
			})
		}
	}
}

// steal takes so much of every CPU until the test ends.
func steal(t *testing.T, percent int) {
	t.Helper()
	for _, n := range proc.AvailableCPUs() {
		cmd := exec.Command("chrt", "-f", "50", "taskset", "-c", strconv.Itoa(n), os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", thiefEnv, percent))
		if err := cmd.Start(); err != nil {
			t.Skipf("skipped: taking a CPU from everybody needs chrt and taskset: %v", err)
		}
		t.Cleanup(func() {
			cmd.Process.Kill()
			cmd.Wait()
		})
	}
}

// thief never comes back: whoever started it ends it. It gives up after a while by itself.
func thief(percent string) {
	share, err := strconv.Atoi(percent)
	if err != nil || share < 1 || share > 90 {
		fmt.Fprintf(os.Stderr, "%s=%s: want 1 to 90\n", thiefEnv, percent)
		os.Exit(2)
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		taken := time.Millisecond + rand.N(2*time.Millisecond)
		for until := time.Now().Add(taken); time.Now().Before(until); {
		}
		time.Sleep(taken * time.Duration(100-share) / time.Duration(share))
	}
}
