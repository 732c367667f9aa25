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

// helper is a controller in another process.
type helper struct {
	cmd   *exec.Cmd
	mark  string
	dir   string
	guard int
}

func startController(t *testing.T, scripts ...string) *helper {
	t.Helper()
	h := &helper{cmd: exec.Command(os.Args[0], append([]string{"controller"}, scripts...)...)}
	h.cmd.Stderr = os.Stderr
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(line, &h.mark, &h.dir, &h.guard); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = h.cmd.Process.Kill() // it may be killed already
		_ = h.cmd.Wait()
	})
	return h
}

func (h *helper) kill(t *testing.T) {
	t.Helper()
	if err := h.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
}

func TestControllerKilled(t *testing.T) {
	file, inGroup := filepath.Join(t.TempDir(), "pid"), filepath.Join(t.TempDir(), "pid")
	bystander := newKeeper(t)
	spared := start(t, bystander, "exec sleep 100")
	sparedDir, err := bystander.TempDir()
	if err != nil {
		t.Fatal(err)
	}
	h := startController(t,
		"trap '' TERM; for i in $(seq 300); do sleep 100 & done; setsid sh -c 'echo $$ > "+file+"; exec sleep 100' & wait; wait",
		// Unmarked and without its parent: only the group tells.
		"env -i sh -c 'trap \"\" TERM HUP; echo $$ > "+inGroup+"; sleep 100; :' &",
	)
	daemon, orphan := pidIn(t, file), pidIn(t, inGroup)
	eventually(t, "300 children", 20*time.Second, func() bool {
		left, err := Survivors(h.mark)
		return err == nil && len(left) > 300
	})
	members := groupsOf(t, h.cmd.Process.Pid)
	// What ends a terminal's programs does not end the guard.
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if err := syscall.Kill(h.guard, sig); err != nil {
			t.Fatal(err)
		}
	}
	h.kill(t)
	eventually(t, "everything gone", 10*time.Second, func() bool {
		left, err := Survivors(h.mark)
		_, dirErr := os.Stat(h.dir)
		return err == nil && len(left) == 0 && os.IsNotExist(dirErr) && !alive(h.guard) && !alive(daemon) && !alive(orphan)
	})
	for _, pid := range members {
		if alive(pid) {
			t.Errorf("pid %d lives on", pid)
		}
	}
	if !alive(spared.PID()) {
		t.Error("the guard killed another run's child")
	}
	if _, err := os.Stat(sparedDir); err != nil {
		t.Errorf("the guard removed another run's directory: %v", err)
	}
}

// groupsOf lists the members of the process groups of a process's children.
func groupsOf(t *testing.T, pid int) []int {
	t.Helper()
	all, err := everyone(new(reader))
	if err != nil {
		t.Fatal(err)
	}
	groups := map[int]bool{}
	for _, s := range all {
		if s.parent == pid {
			groups[s.group] = true
		}
	}
	var members []int
	for _, s := range all {
		if groups[s.group] {
			members = append(members, s.pid)
		}
	}
	return members
}

func TestTwoKeepersAtOnce(t *testing.T) {
	a, b := newKeeper(t), newKeeper(t)
	ca, cb := start(t, a, "sleep 100 & wait"), start(t, b, "sleep 100 & wait")
	dir, err := b.TempDir()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	<-ca.Done()
	select {
	case <-cb.Done():
		t.Errorf("one keeper ended the other's child: %v", cb.Err())
	case <-time.After(50 * time.Millisecond):
	}
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
	if left, err := Survivors(b.Marker()); err != nil || len(left) != 2 {
		t.Errorf("the other's processes: %v (%v), want 2", left, err)
	}
}
