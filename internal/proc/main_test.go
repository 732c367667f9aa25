package proc

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain lets the test binary stand in for wsgauge: as guard, as launcher, and
// as a controller that a test can kill.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "guard":
			exit(Guard(os.Stdin))
		case "launch":
			exit(Launch(os.Args[2:]))
		case "controller":
			exit(controller(os.Args[2:]))
		case "busy":
			exit(busy(os.Args[2]))
		case "mapper":
			exit(mapper(os.Args[2]))
		case "ignorer":
			exit(ignorer(os.Args[2]))
		}
	}
	os.Exit(m.Run())
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// controller keeps a directory and the children given as shell scripts, says so
// on standard output, and waits to be killed.
func controller(scripts []string) error {
	k, err := NewKeeper(os.Args[0])
	if err != nil {
		return err
	}
	defer k.Close()
	dir, err := k.TempDir()
	if err != nil {
		return err
	}
	if err := os.WriteFile(dir+"/file", nil, 0o600); err != nil {
		return err
	}
	for _, script := range scripts {
		if _, err := k.Start(Spec{Name: "script", Argv: []string{"sh", "-c", script}}); err != nil {
			return err
		}
	}
	fmt.Println(k.Marker(), dir, k.GuardPID())
	time.Sleep(time.Minute)
	return nil
}

// busy uses an amount of CPU time, however long that takes.
func busy(milliseconds string) error {
	n, err := strconv.Atoi(milliseconds)
	if err != nil {
		return err
	}
	cpu := func() (ts unix.Timespec, err error) {
		err = unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts)
		return ts, err
	}
	began, err := cpu()
	for now := began; err == nil && now.Nano()-began.Nano() < int64(n)*1e6; {
		now, err = cpu()
	}
	return err
}

// mapper makes shared memory by name, and waits to be killed.
func mapper(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := f.Truncate(4096); err != nil {
		return err
	}
	if _, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ, unix.MAP_SHARED); err != nil {
		return err
	}
	fmt.Println("mapped")
	time.Sleep(time.Minute)
	return nil
}

// ignorer has a busy child and ignores SIGCHLD, so that the kernel collects the
// child and forgets what it used.
func ignorer(milliseconds string) error {
	signal.Ignore(syscall.SIGCHLD)
	p, err := os.StartProcess(os.Args[0], []string{os.Args[0], "busy", milliseconds}, &os.ProcAttr{})
	if err != nil {
		return err
	}
	_, _ = p.Wait() // which fails, but not before the child has ended
	time.Sleep(time.Minute)
	return nil
}
