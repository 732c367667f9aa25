package proc

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func newKeeper(t *testing.T) *Keeper {
	t.Helper()
	k, err := NewKeeper(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil && !t.Failed() {
			t.Errorf("close: %v", err)
		}
		nothingLeft(t, k.Marker())
	})
	return k
}

func nothingLeft(t *testing.T, mark string) {
	t.Helper()
	left, err := Survivors(mark)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func start(t *testing.T, k *Keeper, script string) *Child {
	t.Helper()
	c, err := k.Start(Spec{Name: "script", Argv: []string{"sh", "-c", script}, Output: filepath.Join(t.TempDir(), "out")})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// eventually waits for something that another process does.
func eventually(t *testing.T, what string, within time.Duration, true func() bool) {
	t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(5 * time.Millisecond) {
		if true() {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%v passed without: %s", within, what)
		}
	}
}

func alive(pid int) bool {
	s, err := new(reader).stat(pid)
	return err == nil && !s.ended()
}

// pidIn waits for a file that holds a pid.
func pidIn(t *testing.T, file string) int {
	t.Helper()
	var pid int
	eventually(t, "a pid in "+file, 5*time.Second, func() bool {
		text, err := os.ReadFile(file)
		pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		return err == nil && bytes.HasSuffix(text, []byte("\n")) && pid > 0
	})
	return pid
}

func TestStartAndStop(t *testing.T) {
	k := newKeeper(t)
	c := start(t, k, "echo hello; exec sleep 100")
	if group, err := unix.Getpgid(c.PID()); err != nil || group != c.PID() {
		t.Errorf("process group %d (%v), want %d", group, err, c.PID())
	}
	eventually(t, "output", 5*time.Second, func() bool { return c.Tail() == "hello" })
	if err := c.Err(); err != nil {
		t.Errorf("while it runs: %v", err)
	}
	if err := c.Stop(t.Context(), 5*time.Second); err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	if c.Forced() || c.Err() != nil {
		t.Errorf("forced %v, error %v: it was asked to end and did", c.Forced(), c.Err())
	}
	if err := c.Stop(t.Context(), 5*time.Second); err != nil {
		t.Errorf("second stop: %v", err)
	}
	if len(k.children) != 0 {
		t.Error("it is still registered")
	}
	if err := c.Signal(unix.SIGHUP); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("signal after the end: %v", err)
	}
}

func TestChildEndsByItself(t *testing.T) {
	k := newKeeper(t)
	c := start(t, k, "echo one; echo two >&2; exit 3")
	<-c.Done()
	want := fmt.Sprintf("script (pid %d) ended by itself: exit status 3: one\n\ttwo", c.PID())
	if err := c.Err(); err == nil || err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	c = start(t, k, "exec sleep 100")
	if err := c.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	want = fmt.Sprintf("script (pid %d) ended by the signal it was sent: signal: killed", c.PID())
	if err := c.Err(); err == nil || err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	if err := c.Stop(t.Context(), time.Second); err != nil {
		t.Error(err)
	}
	if c.Err() == nil {
		t.Error("a stop afterwards made its own end forgotten")
	}
}

func TestTail(t *testing.T) {
	k := newKeeper(t)
	out := filepath.Join(t.TempDir(), "out")
	if err := os.WriteFile(out, []byte("of an earlier child\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(script string) *Child {
		c, err := k.Start(Spec{Argv: []string{"sh", "-c", script}, Output: out})
		if err != nil {
			t.Fatal(err)
		}
		<-c.Done()
		return c
	}
	if got := run(":").Tail(); got != "" {
		t.Errorf("tail %q of a child that said nothing", got)
	}
	got := run("for i in $(seq 1000 2000); do echo line $i; done").Tail()
	if len(got) > tailBytes || len(got) < tailBytes-20 || !strings.HasPrefix(got, "line 1") || !strings.HasSuffix(got, "line 2000") {
		t.Errorf("%d bytes of tail: %.20q ... %q", len(got), got, got[max(0, len(got)-20):])
	}
}

func TestStopOfOneThatIgnoresSIGTERM(t *testing.T) {
	k := newKeeper(t)
	c := start(t, k, "trap '' TERM; echo ready; while :; do sleep 1; done")
	eventually(t, "ready", 5*time.Second, func() bool { return c.Tail() == "ready" })
	began := time.Now()
	if err := c.Stop(t.Context(), 300*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 300*time.Millisecond || !c.Forced() {
		t.Errorf("took %v, forced %v: it had a grace of 300ms and needed SIGKILL", took, c.Forced())
	}

	c = start(t, k, "trap '' TERM; echo ready; while :; do sleep 1; done")
	eventually(t, "ready", 5*time.Second, func() bool { return c.Tail() == "ready" })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began = time.Now()
	if err := c.Stop(ctx, time.Minute); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("took %v although the context ended", took)
	}
}

func TestStopOfOneThatIsPaused(t *testing.T) {
	k := newKeeper(t)
	c := start(t, k, "trap 'echo goodbye; exit' TERM; sleep 100 & echo ready; wait")
	eventually(t, "ready", 5*time.Second, func() bool { return c.Tail() == "ready" })
	if err := c.SignalAll(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "everyone stopped", 5*time.Second, func() bool {
		members, err := c.family.find()
		return err == nil && len(members) == 2 && members[0].state == 'T' && members[1].state == 'T'
	})
	if err := c.Stop(t.Context(), 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if c.Tail() != "ready\ngoodbye" {
		t.Errorf("it was not let end in its own way: %q", c.Tail())
	}
}

func TestDaemonsThatOutliveTheirParent(t *testing.T) {
	for name, daemon := range map[string]string{
		"marked": "setsid sh -c 'echo $$ > $0; exec sleep 100' FILE >/dev/null 2>&1 &",
		// Known only because it was seen in the tree when Stop began.
		"unmarked": "setsid env -i sh -c 'echo $$ > $0; exec sleep 100' FILE >/dev/null 2>&1 &",
		"stubborn": "setsid sh -c 'trap \"\" TERM; echo $$ > $0; while :; do sleep 1; done' FILE >/dev/null 2>&1 &",
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper(t)
			file := filepath.Join(t.TempDir(), "pid")
			c := start(t, k, strings.ReplaceAll(daemon, "FILE", file)+" sleep 100; :")
			pid := pidIn(t, file)
			if !alive(pid) {
				t.Fatal("the daemon does not run")
			}
			if err := c.Stop(t.Context(), 5*time.Second); err != nil {
				t.Fatal(err)
			}
			if _, err := new(reader).stat(pid); !gone(err) {
				t.Errorf("the daemon is still there, or nobody collected it (%v)", err)
			}
		})
	}
}

func TestDaemonOfAChildThatHasEnded(t *testing.T) {
	k := newKeeper(t)
	file := filepath.Join(t.TempDir(), "pid")
	c := start(t, k, "setsid sh -c 'echo $$ > "+file+"; exec sleep 100' >/dev/null 2>&1 & sleep 0.1")
	<-c.Done()
	pid := pidIn(t, file)
	if s, err := new(reader).stat(pid); err != nil || s.parent != os.Getpid() {
		t.Fatalf("parent of the orphan is %d (%v), want us, %d", s.parent, err, os.Getpid())
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if alive(pid) {
		t.Error("the daemon lives on")
	}
}

// Orphans that end while the run goes on must not stay as zombies, and nobody
// else's status may be taken.
func TestOrphansAreCollected(t *testing.T) {
	k := newKeeper(t)
	dir := t.TempDir()
	// Orphans: one in the child's group, one in a session of its own.
	c := start(t, k, "sh -c 'echo $$ > "+dir+"/group; sleep 0.3' & setsid sh -c 'echo $$ > "+dir+"/session; sleep 0.3' & sleep 0.1")
	other := exec.Command("sh", "-c", "exit 7")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	for _, name := range []string{"group", "session"} {
		pid := pidIn(t, filepath.Join(dir, name))
		eventually(t, "the orphan of the "+name+" collected", 5*time.Second, func() bool {
			_, err := new(reader).stat(pid)
			return gone(err)
		})
	}
	if err := other.Wait(); err == nil || err.Error() != "exit status 7" {
		t.Errorf("the status of a child of os/exec: %v", err)
	}
}

func TestCollectLeavesWhatOthersWaitFor(t *testing.T) {
	k := newKeeper(t)
	cmd := exec.Command("sh", "-c", "exit 7")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	k.mu.Lock()
	k.awaited[pid] = true
	k.mu.Unlock()
	eventually(t, "its end", 5*time.Second, func() bool { return !alive(pid) })
	s, err := new(reader).stat(pid)
	if err != nil {
		t.Fatal(err)
	}
	k.collect(s)
	if err := cmd.Wait(); err == nil || err.Error() != "exit status 7" {
		t.Errorf("its status was taken: %v", err)
	}
}

func TestManyGrandchildren(t *testing.T) {
	k := newKeeper(t)
	c := start(t, k, "for i in $(seq 300); do sleep 100 & done; echo ready; trap '' TERM; wait; wait")
	eventually(t, "ready", 20*time.Second, func() bool { return c.Tail() == "ready" })
	if err := c.Stop(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	nothingLeft(t, k.Marker())
}

func TestCloseStopsWhatIsLeft(t *testing.T) {
	k := newKeeper(t)
	dir, err := k.TempDir()
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o711 {
		t.Errorf("mode %v (%v), want 0711", info.Mode(), err)
	}
	if err := os.MkdirAll(dir+"/a/b", 0o700); err != nil {
		t.Fatal(err)
	}
	other, err := k.TempDir()
	if err != nil {
		t.Fatal(err)
	}
	if err := k.RemoveDir(other); err != nil {
		t.Fatal(err)
	}
	if err := k.RemoveDir(other); err == nil {
		t.Error("removed a directory twice")
	}
	if err := k.RemoveDir(t.TempDir()); err == nil {
		t.Error("removed a directory of somebody else")
	}
	a, b := start(t, k, "exec sleep 100"), start(t, k, "exec sleep 100")
	guard := k.GuardPID()
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	<-a.Done()
	<-b.Done()
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the directory is still there (%v)", err)
	}
	if alive(guard) {
		t.Error("the guard lives on")
	}
	if _, err := k.Start(Spec{Argv: []string{"true"}}); !errors.Is(err, ErrClosed) {
		t.Errorf("start after close: %v", err)
	}
	if _, err := k.TempDir(); !errors.Is(err, ErrClosed) {
		t.Errorf("directory after close: %v", err)
	}
}

func TestGuardIsReplaced(t *testing.T) {
	k, err := NewKeeper(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close() // its error is looked at below
	dir, err := k.TempDir()
	if err != nil {
		t.Fatal(err)
	}
	c := start(t, k, "exec sleep 100")
	for range maxGuards - 1 {
		old := k.GuardPID()
		if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "another guard", 10*time.Second, func() bool {
			pid := k.GuardPID()
			return pid != 0 && pid != old
		})
	}
	if err := syscall.Kill(k.GuardPID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "giving up", 10*time.Second, func() bool { return k.GuardPID() == 0 })
	if _, err := k.Start(Spec{Argv: []string{"true"}}); err == nil || !strings.Contains(err.Error(), "left behind") {
		t.Errorf("start without a guard: %v", err)
	}
	if err := k.Close(); err == nil || !strings.Contains(err.Error(), "guard was ended 4 times") {
		t.Errorf("close does not tell of the loss: %v", err)
	}
	<-c.Done()
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the directory is still there (%v)", err)
	}
}

func TestGuardThatIsNone(t *testing.T) {
	if _, err := NewKeeper("/bin/false"); err == nil || !strings.Contains(err.Error(), "guard") {
		t.Errorf("keeper with /bin/false: %v", err)
	}
	if _, err := NewKeeper("/does/not/exist"); err == nil {
		t.Error("keeper without an executable")
	}
}

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
