package proc

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// bystander is a process that carries no mark of ours, in a group of its own.
func bystander(t *testing.T) stat {
	t.Helper()
	cmd := exec.Command("sleep", "100")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // a test may have killed it
		_ = cmd.Wait()
	})
	s, err := new(reader).stat(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// guard runs a guard in this process, and lets signals end it again afterwards.
func guard(told string) error {
	defer signal.Reset(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	return Guard(strings.NewReader(told))
}

const noMark = "run WSGAUGE_RUN=carried-by-nobody 0\n"

func TestGuardKillsByStartTimeOnly(t *testing.T) {
	ours, reused := bystander(t), bystander(t)
	told := noMark +
		fmt.Sprintf("child %d %d %d\n", ours.pid, ours.start, ours.session) +
		fmt.Sprintf("child %d %d %d\n", reused.pid, reused.start-1, reused.session)
	if err := guard(told); err != nil {
		t.Fatal(err)
	}
	if alive(ours.pid) {
		t.Error("the registered process lives on")
	}
	if !alive(reused.pid) {
		t.Error("a process was killed that only got the pid of a registered one")
	}
}

func TestGuardHeedsItsList(t *testing.T) {
	gone, byeOnly := bystander(t), bystander(t)
	told := func(s stat) string { return fmt.Sprintf("child %d %d %d\n", s.pid, s.start, s.session) }
	dir := filepath.Join(t.TempDir(), "wsgauge-kept")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	line := fmt.Sprintf("dir %q\n", dir)
	if err := guard(noMark + told(gone) + line + fmt.Sprintf("gone %d\nno", gone.pid) + line); err != nil {
		t.Fatal(err)
	}
	if err := guard(noMark + told(byeOnly) + line + "bye\n"); err != nil {
		t.Fatal(err)
	}
	if !alive(gone.pid) || !alive(byeOnly.pid) {
		t.Error("a process was killed that was no longer registered")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("a directory was removed that was no longer registered: %v", err)
	}
	if err := guard(noMark + line); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("a registered directory is still there (%v)", err)
	}
}

func TestGuardRefuses(t *testing.T) {
	dir := t.TempDir() // not a name of ours
	bystander := bystander(t)
	for _, line := range []string{
		fmt.Sprintf("dir %q", dir),
		fmt.Sprintf("dir %q", dir+"/wsgauge-x/.."),
		fmt.Sprintf("dir %q", dir+"/../wsgauge-x"),
		`dir "wsgauge-relative"`,
		`dir "/"`,
		`dir unquoted`,
		"child 1 0 0",
		"child 0 0 0",
		"child -1 0 0",
		"child x",
		"gone x",
		"run ",
		"run PATH=/usr/bin 0",
		"run WSGAUGE_RUN= 0",
		"what is this",
		"",
	} {
		if err := guard(noMark + line + "\nbye\n"); err == nil {
			t.Errorf("%q was taken", line)
		}
	}
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
	// What is understood counts all the same.
	told := fmt.Sprintf("%snonsense\nchild %d %d %d\n", noMark, bystander.pid, bystander.start, bystander.session)
	if err := guard(told); err == nil {
		t.Error("nonsense was taken")
	}
	if alive(bystander.pid) {
		t.Error("a line that was not understood kept the guard from its work")
	}
}

func FuzzGuardLine(f *testing.F) {
	for _, seed := range []string{"run WSGAUGE_RUN=0123456789 5", "child 12 34 56", "gone 12", `dir "/tmp/wsgauge-1"`, `nodir "/tmp/wsgauge-1"`, "bye"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		w := &ward{family: newFamily("", 0)}
		if w.take(line) != nil {
			return
		}
		for pid := range w.family.roots {
			if pid <= 1 {
				t.Errorf("%q: would end pid %d", line, pid)
			}
		}
		for _, dir := range w.dirs {
			if !strings.HasPrefix(filepath.Base(dir), "wsgauge-") || !filepath.IsAbs(dir) {
				t.Errorf("%q: would remove %s", line, dir)
			}
		}
	})
}

func TestFamilyOfAGroup(t *testing.T) {
	s := bystander(t)
	r := root{pid: s.pid, start: s.start, session: s.session}
	for name, test := range map[string]struct {
		root  root
		since uint64
		want  int
	}{
		"as it is":         {r, s.start, 1},
		"an earlier one":   {root{r.pid, r.start - 1, r.session}, 0, 0},
		"older than us":    {r, s.start + 1, 0},
		"session differs":  {root{r.pid, r.start - 1, r.session + 1}, 0, 0},
		"another's number": {root{1 << 22, r.start, r.session}, 0, 0},
	} {
		f := newFamily("WSGAUGE_RUN=carried-by-nobody", test.since)
		f.roots[test.root.pid] = test.root
		members, err := f.find()
		if err != nil || len(members) != test.want {
			t.Errorf("%s: %d members (%v), want %d", name, len(members), err, test.want)
		}
	}
}

// signalExactly must not reach a process that got the pid afterwards.
func TestSignalExactly(t *testing.T) {
	s := bystander(t)
	other := s
	other.start--
	if err := signalExactly(new(reader), &other, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	time.Sleep(50 * time.Millisecond) // for a signal that was sent to arrive
	if !alive(s.pid) {
		t.Fatal("another process was killed")
	}
	if err := signalExactly(new(reader), &s, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	eventually(t, "its end", 5e9, func() bool { return !alive(s.pid) })
	if err := signalExactly(new(reader), &s, syscall.SIGKILL); err != nil {
		t.Errorf("a signal to one that has ended: %v", err)
	}
}
