package proc

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// segmentPath is a name as the Apache runtime gives one, that nobody else has.
func segmentPath(t *testing.T, name string) string {
	t.Helper()
	if _, err := os.Stat("/dev/shm"); err != nil {
		t.Skipf("skipped: there is no shared memory by name here: %v", err)
	}
	path := fmt.Sprintf("%s%xHe%s", segmentPrefix, os.Getpid(), name)
	t.Cleanup(func() { _ = os.Remove(path) }) // a test that works has removed it
	return path
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// A child that is killed leaves no shared memory that it had mapped, and what is not a
// runtime's is left alone.
func TestKilledChildrenLeaveNoSharedMemory(t *testing.T) {
	ours, others := segmentPath(t, "a"), "/dev/shm/wsgauge-test-"+filepath.Base(segmentPath(t, "b"))
	t.Cleanup(func() { _ = os.Remove(others) }) // a broken test may have removed it
	k := newKeeper(t)
	for path, stays := range map[string]bool{ours: false, others: true} {
		c, err := k.Start(Spec{Argv: []string{os.Args[0], "mapper", path}, Output: filepath.Join(t.TempDir(), "out")})
		if err != nil {
			t.Fatal(err)
		}
		for limit := time.Now().Add(10 * time.Second); c.Tail() != "mapped" && time.Now().Before(limit); {
			time.Sleep(5 * time.Millisecond)
		}
		if !exists(path) {
			t.Fatalf("%s was not made: %s", path, c.Tail())
		}
		if err := c.Stop(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		if exists(path) != stays {
			t.Errorf("%s is there after the child was killed: %v, want %v", path, !stays, stays)
		}
	}
}

// So it is when the guard does the killing.
func TestGuardRemovesSharedMemory(t *testing.T) {
	path := segmentPath(t, "c")
	cmd := exec.Command(os.Args[0], "mapper", path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait() // killed
	defer cmd.Process.Kill()
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "mapped\n" {
		t.Fatalf("the other process said %q, %v", line, err)
	}
	s, err := new(reader).stat(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := guard(noMark + fmt.Sprintf("child %d %d %d\n", s.pid, s.start, s.session)); err != nil {
		t.Fatal(err)
	}
	if exists(path) {
		t.Errorf("%s is still there", path)
	}
}
