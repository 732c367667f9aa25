package proc

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestWatchable(t *testing.T) {
	if err := Watchable(os.Getpid()); err != nil {
		t.Errorf("ourselves: %v", err)
	}
	c := exec.Command("true")
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
	if err := Watchable(c.Process.Pid); err == nil || !strings.Contains(err.Error(), "there is none") {
		t.Errorf("a process that has ended: %v", err)
	}
}

func TestUnitProcesses(t *testing.T) {
	for _, base := range []string{"system.slice", "unified/system.slice", "systemd/a.slice/a-b.slice"} {
		root := t.TempDir()
		for dir, text := range map[string]string{"apache2.service": "12\n7\n", "apache2.service/deep": "9\n0\n7\n", "other.service": "3\n"} {
			dir = filepath.Join(root, base, dir)
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for _, unit := range []string{"apache2", "apache2.service"} {
			if got, err := unitProcesses(root, unit); err != nil || !slices.Equal(got, []int{7, 9, 12}) {
				t.Errorf("%s, %s: %v, %v", base, unit, got, err)
			}
		}
		for _, unit := range []string{"none", "", "../other", "*"} {
			if got, err := unitProcesses(root, unit); err == nil {
				t.Errorf("%s, unit %q: %v", base, unit, got)
			}
		}
	}
}

func TestStrangers(t *testing.T) {
	c := exec.Command("sh", "-c", "sleep 60 & sleep 60 & echo; wait")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { c.Process.Kill(); c.Wait() }()
	if _, err := out.Read(make([]byte, 1)); err != nil { // both were started
		t.Fatal(err)
	}
	s := Strangers(func() ([]int, error) { return []int{c.Process.Pid}, nil })
	if m, err := s.Members(); err != nil || len(m) != 3 {
		t.Errorf("members %v, %v", m, err)
	}
	if pid, err := s.Signal(syscall.SIGCONT); err != nil || pid != c.Process.Pid {
		t.Errorf("sent to %d, %v", pid, err)
	}
	if n, err := s.SignalAll(syscall.SIGKILL); err != nil || n != 3 {
		t.Errorf("sent to %d, %v", n, err)
	}
	c.Wait() // it was killed
	if _, err := s.Signal(syscall.SIGCONT); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("to a process that has ended: %v", err)
	}
	// What we were started from is nobody to signal.
	parent := Strangers(func() ([]int, error) { return []int{os.Getppid()}, nil })
	if n, err := parent.SignalAll(0); err == nil || n != 0 {
		t.Errorf("our own parent: %d, %v", n, err)
	}
}
