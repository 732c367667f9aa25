package proc

import (
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

func TestStepAhead(t *testing.T) {
	if !alone(t) {
		return
	}
	var l Lateness
	if err := l.Start(""); err != nil {
		t.Fatal(err)
	}
	defer l.Stop()
	before := niceOf(t, 0)
	back, err := StepAhead(before-3, &l)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("skipped: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := StepAhead(before - 4); err == nil || errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a second time: %v", err)
	}
	if ahead, as := raised(t, before-3); ahead < 2 || as != 1 {
		t.Errorf("%d threads are ahead, %d are not; want all but that of the Lateness", ahead, as)
	}
	keeper := newKeeper(t)
	for _, want := range []int{before, before + 2} {
		spec := Spec{Name: fmt.Sprint("nice ", want), Argv: []string{"sleep", "60"}}
		if want != before {
			spec.Nice = want
		}
		child, err := keeper.Start(spec)
		if err != nil {
			t.Fatal(err)
		}
		if got := niceOf(t, child.PID()); got != want {
			t.Errorf("a child has nice %d, want %d", got, want)
		}
	}
	for range 2 {
		if err := back(); err != nil {
			t.Fatal(err)
		}
	}
	if ahead, _ := raised(t, before-3); ahead != 0 {
		t.Errorf("%d threads are still ahead", ahead)
	}
}

func niceOf(t *testing.T, tid int) int {
	t.Helper()
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, tid)
	if err != nil {
		t.Fatal(err)
	}
	return 20 - raw
}

// raised counts this process's threads that have that nice value, and the others.
func raised(t *testing.T, nice int) (are, others int) {
	t.Helper()
	if err := eachThread(func(tid int) error {
		raw, err := unix.Getpriority(unix.PRIO_PROCESS, tid)
		switch {
		case err != nil:
			return err
		case 20-raw == nice:
			are++
		default:
			others++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return are, others
}
