package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
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
