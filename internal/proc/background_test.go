package proc

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A policy is the process's for good if something goes wrong, so one of its own tries it.
func TestStepBack(t *testing.T) {
	if !alone(t) {
		return
	}
	var early Lateness
	if err := early.Start(""); err != nil {
		t.Fatal(err)
	}
	defer early.Stop()
	b, err := StepBack(&early)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("skipped: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	behind, before := policies(t)
	if behind < 2 || before != 1 {
		t.Errorf("%d threads have stepped back, %d have not; want all but that of the Lateness", behind, before)
	}
	child, err := newKeeper(t).Start(Spec{Name: "sleeper", Argv: []string{"sleep", "60"}})
	if err != nil {
		t.Fatal(err)
	}
	if policy, err := getPolicy(child.PID()); err != nil || policy != unix.SCHED_NORMAL {
		t.Errorf("a child that a keeper started has policy %d (%v)", policy, err)
	}
	var late Lateness
	if err := late.Start(""); err != nil {
		t.Fatal(err)
	}
	if _, before := policies(t); before != 2 {
		t.Errorf("%d threads have not stepped back with two Lateness, want theirs", before)
	}
	late.Stop()
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	if behind, _ := policies(t); behind != 0 || b.Forward() {
		t.Errorf("after Stop %d threads are still behind (gave up: %v)", behind, b.Forward())
	}
}

// When others take all there is, a process that only gets what is left comes forward.
func TestStepBackGivesUp(t *testing.T) {
	if !alone(t) {
		return
	}
	if err := SetAffinity(FormatCPUs(AvailableCPUs()[:1])); err != nil {
		t.Fatal(err)
	}
	b, err := StepBack()
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("skipped: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer b.Stop()
	stop := make(chan struct{})
	spun := make(chan struct{})
	go func() { // an ordinary thread of ours that never waits stands for another program
		defer close(spun)
		runtime.LockOSThread()
		if err := setPolicy(0, unix.SCHED_NORMAL); err != nil {
			t.Error(err)
			return
		}
		for {
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	worked := 0
	for end := time.Now().Add(20 * time.Second); !b.Forward() && time.Now().Before(end); worked++ {
		// As long as it has little to do, it misses nothing.
		for done := time.Now().Add(2 * time.Millisecond); time.Now().Before(done); {
		}
		time.Sleep(time.Millisecond)
	}
	close(stop)
	<-spun
	if behind, _ := policies(t); !b.Forward() || behind != 0 || worked == 0 {
		t.Errorf("gave up: %v, with %d threads still behind, after %d turns", b.Forward(), behind, worked)
	}
}

// policies counts this process's threads.
func policies(t *testing.T) (behind, before int) {
	t.Helper()
	if err := eachThread(func(tid int) error {
		policy, err := getPolicy(tid)
		switch {
		case err != nil:
			return err
		case policy == unix.SCHED_IDLE:
			behind++
		default:
			before++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return behind, before
}

// alone runs the test that calls it in a process of its own, where it is true.
func alone(t *testing.T) bool {
	t.Helper()
	if os.Getenv("WSGAUGE_TEST_ALONE") != "" {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.v", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "WSGAUGE_TEST_ALONE=1")
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil:
		t.Fatalf("%v\n%s", err, out)
	case bytes.Contains(out, []byte("--- SKIP")):
		t.Skipf("%s", out)
	}
	return false
}
