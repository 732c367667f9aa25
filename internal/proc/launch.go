package proc

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// statusFD is where a launched process tells its starter how far it came.
const statusFD = 3

// launchTimeout bounds how long a start may take until the program's exec; a
// loaded machine needs tens of milliseconds.
const launchTimeout = 30 * time.Second

// conditions is what the launcher sets before it becomes the program.
type conditions struct {
	NofileSoft uint64 `json:"nofile_soft,omitempty"` // both 0: as inherited
	NofileHard uint64 `json:"nofile_hard,omitempty"`
	CPUs       string `json:"cpus,omitempty"` // "": as inherited

	Nice  *int          `json:"nice,omitempty"` // nil: as inherited
	Slice time.Duration `json:"slice,omitempty"`
}

// The launcher writes one byte when everything is set, directly before the exec.
// The pipe's end right after it means that the exec came true; text means that it
// did not, or what could not be set. An end without that byte means that the
// launcher died.
const launched = '+'

// Launch is the body of the hidden verb `launch`: it sets limits and placement on
// itself and becomes the program. Setting them from outside, on a process that
// runs already, would come too late for what the program does first. The
// arguments are made by [Keeper.Start]: conditions, path, argv. It returns only
// on failure, which it has then told its starter too.
func Launch(args []string) error {
	err := launch(args)
	// With nobody to tell (called by hand), the returned error is all there is.
	_, _ = unix.Write(statusFD, []byte(err.Error()))
	return err
}

func launch(args []string) error {
	// The pipe must end with the exec. Nor shall the program get descriptors that
	// whoever started wsgauge forgot to close: they would count as its own.
	unix.CloseOnExec(statusFD)
	err := unix.CloseRange(statusFD, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	if err != nil && err != unix.ENOSYS && err != unix.EINVAL { // before Linux 5.11 it cannot
		return fmt.Errorf("close inherited descriptors: %w", err)
	}
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) < 3 {
		return errors.New("launch is for wsgauge's own use: it takes conditions, a path and an argument vector")
	}
	var c conditions
	if err := json.Unmarshal([]byte(args[0]), &c); err != nil {
		return fmt.Errorf("conditions %q: %w", args[0], err)
	}
	path, argv := args[1], args[2:]

	// Affinity belongs to a thread on Linux, and the program inherits
	// those of the thread that calls exec.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := c.set(); err != nil {
		return err
	}
	if _, err := unix.Write(statusFD, []byte{launched}); err != nil {
		return fmt.Errorf("tell the starter: %w", err)
	}
	err = syscall.Exec(path, argv, os.Environ())
	return fmt.Errorf("exec %s: %w", path, err)
}

func (c conditions) set() error {
	// A controller that has stepped back starts programs that have not.
	if err := stayForward(); err != nil {
		return err
	}
	if c.Nice != nil || c.Slice != 0 {
		attr, err := unix.SchedGetAttr(0, 0)
		if err != nil {
			return fmt.Errorf("sched_getattr: %w", err)
		}
		set := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Nice: attr.Nice, Runtime: uint64(c.Slice)}
		if c.Nice != nil {
			set.Nice = int32(*c.Nice)
		}
		if err := unix.SchedSetAttr(0, &set, 0); err != nil {
			return fmt.Errorf("set nice %d and a slice of %v: %w", set.Nice, c.Slice, err)
		}
	}
	if c.NofileHard != 0 {
		// Go raised the soft limit of this process at its start and would put the
		// original back at exec; a limit set through package syscall ends that.
		limit := syscall.Rlimit{Cur: c.NofileSoft, Max: c.NofileHard}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			return nofileError(c, err)
		}
	}
	if c.CPUs != "" {
		set, err := cpuSet(c.CPUs)
		if err != nil {
			return err
		}
		if err := placeThread(0, c.CPUs, set); err != nil {
			return err
		}
	}
	return nil
}

func nofileError(c conditions, err error) error {
	what := fmt.Sprintf("set the limit of open files to %d (hard %d)", c.NofileSoft, c.NofileHard)
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%s: %w; raise the hard limit with `ulimit -Hn %d` as root, and no higher than sysctl fs.nr_open",
			what, err, c.NofileHard)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// awaitLaunch reads what the launcher says; nil when the program runs.
func awaitLaunch(status *os.File) error {
	if err := status.SetReadDeadline(time.Now().Add(launchTimeout)); err != nil {
		return fmt.Errorf("wait for the launcher: %w", err)
	}
	said, err := io.ReadAll(io.LimitReader(status, 4096))
	if err != nil {
		return fmt.Errorf("the launcher did not get to the program within %v: %w", launchTimeout, err)
	}
	if len(said) == 0 {
		return errors.New("the launcher ended before the program was started; does the executable know the verb `launch`?")
	}
	if said[0] == launched {
		said = said[1:]
	}
	if len(said) > 0 {
		return errors.New(string(said))
	}
	return nil
}
