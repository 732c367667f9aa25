package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wsgauge/results"
	"wsgauge/scenarios"
)

// An interrupted measurement keeps what it has, and says so by its exit code.
func TestClaimsInterrupted(t *testing.T) {
	needApache(t)
	out := filepath.Join(t.TempDir(), "claims")
	cmd := exec.Command(binary, "claims", "heartbeat", "sixty-seconds", "--out", out)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer cmd.Process.Kill()
	// The first claim is under way when its run has written down what it measures.
	trials := filepath.Join(out, "heartbeat", "run.json")
	for until := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(trials); err == nil {
			break
		}
		if time.Now().After(until) {
			t.Fatal("the first claim did not begin")
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		t.Fatal("it did not end")
	}
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted {
		t.Errorf("exit code %d:\n%s", code, output.String())
	}
	if d, err := results.Open(filepath.Dir(trials)); err != nil || d.Run.Status != "interrupted" {
		t.Errorf("the first claim's run: %v", err)
	}
	if _, err := os.Stat(filepath.Join(out, "sixty-seconds")); err == nil || strings.Contains(output.String(), "[2/2] sixty-seconds") {
		t.Errorf("the second claim was begun:\n%s", output.String())
	}
}

// All claims together end within 20 minutes, and none of them in an absurd time.
func TestClaimsTime(t *testing.T) {
	var sum time.Duration
	for _, i := range scenarios.Claims() {
		sc, err := loadClaim(i.Name, "", "")
		if err != nil {
			t.Fatal(err)
		}
		if one := claimTime(sc); one > 3*time.Minute {
			t.Errorf("%s takes %v", i.Name, one)
		}
		sum += claimTime(sc)
	}
	if sum > 20*time.Minute {
		t.Errorf("all claims take %v", sum)
	}
}
