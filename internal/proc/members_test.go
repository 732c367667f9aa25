package proc

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A child is paused with everything that descends from it, goes on, and is told apart
// from what took its place.
func TestPauseAndMembers(t *testing.T) {
	k := newKeeper(t)
	file := filepath.Join(t.TempDir(), "pid")
	// It forks all the time, as a server does that starts workers.
	c := start(t, k, "setsid sh -c 'echo $$ > "+file+"; while :; do sleep 0.01; done' & while :; do sleep 0.01; done")
	pid := pidIn(t, file)
	for range 3 {
		if err := c.Pause(); err != nil {
			t.Fatal(err)
		}
		before, err := c.Members()
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(before, func(p Process) bool { return p.PID == pid }) || len(before) < 2 {
			t.Fatalf("members %v, and %d is not among them", before, pid)
		}
		time.Sleep(50 * time.Millisecond) // more than either takes to fork the next
		after, err := c.Members()
		if err != nil || !slices.Equal(before, after) {
			t.Errorf("while it is paused its members change: %v, then %v (%v)", before, after, err)
		}
		if err := c.SignalAll(unix.SIGCONT); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it goes on", 5*time.Second, func() bool {
			now, err := c.Members()
			return err == nil && slices.ContainsFunc(now, func(p Process) bool { return !slices.Contains(before, p) })
		})
	}
	if code := c.ExitCode(); code != -1 {
		t.Errorf("exit code %d while it runs", code)
	}
	if err := c.Stop(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if list, err := c.Members(); err != nil || len(list) > 0 {
		t.Errorf("members after its end: %v (%v)", list, err)
	}
	if err := c.Pause(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("pause after its end: %v", err)
	}
}

func TestExitCode(t *testing.T) {
	k := newKeeper(t)
	c := start(t, k, "exit 3")
	<-c.Done()
	if code := c.ExitCode(); code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}
}
