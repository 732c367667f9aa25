package proc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// show prints the conditions that a program finds itself under.
const show = `echo $(ulimit -Sn) $(ulimit -Hn) $(sed -n 's/Cpus_allowed_list:\t//p' /proc/self/status)`

// output runs a script to its end under conditions.
func output(t *testing.T, k *Keeper, spec Spec) string {
	t.Helper()
	spec.Argv = []string{"sh", "-c", show}
	spec.Output = filepath.Join(t.TempDir(), "out")
	c, err := k.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	if err := c.Stop(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	return c.Tail()
}

func TestConditionsReachTheProgram(t *testing.T) {
	k := newKeeper(t)
	limits, err := Limits()
	if err != nil {
		t.Fatal(err)
	}
	// What a child of a shell would get without us, soft limit included, although
	// Go raised that of this process and of the launcher.
	plain, err := exec.Command("sh", "-c", show).Output()
	if err != nil {
		t.Fatal(err)
	}
	inherited := strings.TrimSpace(string(plain))
	cpus := AvailableCPUs()
	all, last := FormatCPUs(cpus), fmt.Sprint(cpus[len(cpus)-1])
	soft, hard := limits.NofileSoft, limits.NofileHard
	if hard < 200 || soft < 200 {
		t.Skipf("the limits of open files are too low to be lowered: %d, %d", soft, hard)
	}
	for _, test := range []struct {
		spec Spec
		want string
	}{
		{Spec{}, inherited},
		{Spec{NofileSoft: 123}, fmt.Sprintf("123 %d %s", hard, all)},
		{Spec{NofileSoft: 100, NofileHard: 150}, fmt.Sprintf("100 150 %s", all)},
		{Spec{NofileHard: 150}, fmt.Sprintf("150 150 %s", all)},
		{Spec{CPUs: last}, fmt.Sprintf("%d %d %s", soft, hard, last)},
		{Spec{NofileSoft: 99, CPUs: last}, fmt.Sprintf("99 %d %s", hard, last)},
	} {
		if got := output(t, k, test.spec); got != test.want {
			t.Errorf("%+v: the program sees %q, want %q", test.spec, got, test.want)
		}
	}
}

// The soft limit as inherited differs from the hard one, as on most systems. The
// shell lowers it and runs this test again.
func TestSoftLimitAsInherited(t *testing.T) {
	if os.Getenv("WSGAUGE_TEST_LOWERED") == "" {
		cmd := exec.Command("sh", "-c", `ulimit -Sn 300 && exec "$0" -test.run='^TestSoftLimitAsInherited$'`, os.Args[0])
		cmd.Env = append(os.Environ(), "WSGAUGE_TEST_LOWERED=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	limits, err := Limits()
	if err != nil || limits.NofileSoft != 300 {
		t.Errorf("Limits: soft %d (%v), want 300", limits.NofileSoft, err)
	}
	k := newKeeper(t)
	for _, test := range []struct {
		spec Spec
		want string
	}{
		{Spec{}, "300"},
		{Spec{CPUs: "0"}, "300"},
		{Spec{NofileHard: limits.NofileHard}, "300"},
		{Spec{NofileHard: 200}, "200"},
		{Spec{NofileSoft: 310}, "310"},
	} {
		if got := strings.Fields(output(t, k, test.spec)); len(got) == 0 || got[0] != test.want {
			t.Errorf("%+v: soft limit %v, want %s", test.spec, got, test.want)
		}
	}
}

// A descriptor that somebody left open in us must not turn up in the program.
func TestNoDescriptorIsPassedOn(t *testing.T) {
	leaked, err := unix.Open("/dev/null", unix.O_RDONLY, 0) // not close-on-exec
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(leaked)
	k := newKeeper(t)
	c, err := k.Start(Spec{Argv: []string{"sleep", "100"}})
	if err != nil {
		t.Fatal(err)
	}
	// While it starts, the program opens libraries and its locale, and closes them again.
	for until := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		names, err := os.ReadDir(procPath(c.PID(), "fd"))
		if err != nil {
			t.Fatal(err)
		}
		if len(names) == 3 {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("descriptors %v, want 0, 1 and 2", names)
		}
	}
}

func TestStartErrors(t *testing.T) {
	k := newKeeper(t)
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	garbage := filepath.Join(dir, "garbage")
	if err := os.WriteFile(garbage, []byte("\x00\x01\x02"), 0o700); err != nil {
		t.Fatal(err)
	}
	sleep := []string{"sleep", "100"}
	for _, test := range []struct {
		spec Spec
		want string
	}{
		{Spec{}, "no program was named"},
		{Spec{Argv: []string{"no-such-program"}}, "no-such-program was not found on the PATH"},
		{Spec{Argv: []string{"/no/such/program"}}, "no such file"},
		{Spec{Argv: []string{plain}}, "permission denied"},
		{Spec{Argv: []string{garbage}}, "exec format error"},
		{Spec{Argv: sleep, Dir: "/no/such/dir"}, "working directory /no/such/dir"},
		{Spec{Argv: sleep, Output: "/no/such/dir/out"}, "open the file for its output"},
		{Spec{Argv: sleep, CPUs: "0-"}, "CPU list"},
		{Spec{Argv: sleep, CPUs: "1023"}, "none of them is usable"},
		{Spec{Argv: sleep, NofileSoft: 20, NofileHard: 10}, "above the hard limit"},
		{Spec{Argv: sleep, NofileHard: 1 << 62}, "set the limit of open files"},
	} {
		c, err := k.Start(test.spec)
		if err == nil {
			t.Errorf("%+v: started", test.spec)
			_ = c.Stop(t.Context(), 0) // the error is reported
			continue
		}
		if !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: error %q, want one about %q", test.spec, err, test.want)
		}
	}
	if _, err := k.Start(Spec{Argv: []string{"no-such-program"}}); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("%v is not exec.ErrNotFound", err)
	}
	if len(k.children) != 0 || len(k.awaited) != 1 {
		t.Errorf("%d children and %d awaited after failed starts, want none and the guard", len(k.children), len(k.awaited))
	}
}

func TestEnvironmentInputAndDirectory(t *testing.T) {
	k := newKeeper(t)
	t.Setenv("FROM_PARENT", "parent")
	t.Setenv("REPLACED", "parent")
	dir := t.TempDir()
	c, err := k.Start(Spec{
		Argv:   []string{"sh", "-c", "echo $FROM_PARENT $REPLACED $NEW; pwd; cat; echo $WSGAUGE_RUN"},
		Env:    []string{"REPLACED=spec", "NEW=spec"},
		Dir:    dir,
		Stdin:  strings.NewReader("input\n"),
		Output: filepath.Join(dir, "out"),
	})
	if err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	want := "parent spec spec\n" + dir + "\ninput\n" + strings.TrimPrefix(k.Marker(), "WSGAUGE_RUN=")
	if got := c.Tail(); got != want {
		t.Errorf("it saw %q, want %q", got, want)
	}
}
