package proc

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Spec says what to start and under which conditions.
type Spec struct {
	Name string   // in messages; empty: the last part of Argv[0]
	Argv []string // Argv[0] is looked up on the PATH unless it holds a slash
	Env  []string // additions to this process's environment, "NAME=value"; later ones win
	Dir  string   // working directory; empty: this process's
	// Output is the file that standard output and standard error are appended to;
	// empty: they are discarded, and errors can quote nothing.
	Output string
	// Stdin is copied to standard input; nil: it is empty. An *os.File is passed as
	// it is. Any other has to come to its end by itself.
	Stdin io.Reader

	// NofileSoft and NofileHard limit open files; 0: as inherited. A soft limit
	// above the inherited hard one raises that too, which takes privilege.
	NofileSoft, NofileHard uint64
	CPUs                   string // CPU list ([ParseCPUs]); empty: as inherited

	// Nice is the priority (-20, first, to 19, last) and Slice how long a thread may go
	// on while others wait (100 µs to 100 ms): one with a shorter slice interrupts one
	// with a longer as soon as it wakes (Linux 6.12 and later; older ones ignore it).
	// Both 0: as inherited.
	Nice  int
	Slice time.Duration
}

// Start starts a child in a process group of its own and returns when the program
// itself runs, under the conditions asked for. What keeps it from running is the
// error: a program that was not found, a limit that may not be raised, no usable
// CPU, an exec that failed.
func (k *Keeper) Start(spec Spec) (*Child, error) {
	if len(spec.Argv) == 0 || spec.Argv[0] == "" {
		return nil, errors.New("start a process: no program was named")
	}
	if spec.Name == "" {
		spec.Name = filepath.Base(spec.Argv[0])
	}
	c, err := k.start(spec)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	return c, nil
}

func (k *Keeper) start(spec Spec) (*Child, error) {
	path, err := lookUp(spec.Argv[0])
	if err != nil {
		return nil, err
	}
	if spec.Dir != "" { // the error of the fork would name the executable
		info, err := os.Stat(spec.Dir)
		if err == nil && !info.IsDir() {
			err = unix.ENOTDIR
		}
		if err != nil {
			return nil, fmt.Errorf("enter its working directory %s: %w", spec.Dir, err)
		}
	}
	asked, err := spec.conditions()
	if err != nil {
		return nil, err
	}
	c := &Child{keeper: k, name: spec.Name, output: spec.Output, done: make(chan struct{})}
	args := slices.Concat(k.command[1:], []string{"launch", "--", asked, path}, spec.Argv)
	c.cmd = exec.Command(k.command[0], args...)
	c.cmd.Dir, c.cmd.Stdin = spec.Dir, spec.Stdin
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.cmd.WaitDelay = time.Second // for input that is not read to its end

	out, err := c.openOutput()
	if err != nil {
		return nil, err
	}
	if out != nil {
		defer out.Close()
		c.cmd.Stdout, c.cmd.Stderr = out, out
	}
	status, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer status.Close()
	defer theirs.Close()
	c.cmd.ExtraFiles = []*os.File{theirs} // becomes statusFD

	if err := k.fork(c, spec.Env); err != nil {
		return nil, err
	}
	theirs.Close() // the pipe must end with the launcher
	failed := awaitLaunch(status)
	if failed == nil {
		go c.watch() // ends with the process, for which Stop and Close wait
		return c, nil
	}
	// The launcher has reported and is ending, or hangs.
	_ = c.cmd.Process.Kill()
	c.watch()
	if text := c.Tail(); text != "" {
		failed = fmt.Errorf("%w: %s", failed, text)
	}
	k.forget(c)
	return nil, failed
}

// fork starts the launcher and registers it. Both under the lock, so that the
// reaper, should it end at once, knows who waits for it.
func (k *Keeper) fork(c *Child, env []string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.usable(); err != nil {
		return err
	}
	k.serial++
	mark := childName + "=" + k.id + "." + strconv.Itoa(k.serial)
	c.cmd.Env = slices.Concat(os.Environ(), env, []string{k.Marker(), mark})
	err := c.cmd.Start()
	if errors.Is(err, unix.EAGAIN) {
		return fmt.Errorf("%w; too many processes: see `ulimit -u` and pids.max of the cgroup", err)
	}
	if err != nil {
		return err
	}
	pid := c.cmd.Process.Pid
	k.awaited[pid] = true
	s, err := new(reader).stat(pid) // there, even if it has ended: nobody has waited yet
	if err != nil {
		_ = c.cmd.Process.Kill() // the reason is err
		_ = c.cmd.Wait()
		delete(k.awaited, pid)
		return err
	}
	c.root = root{pid: pid, start: s.start, session: s.session}
	c.family = newFamily(mark, s.start)
	c.family.roots[pid] = c.root
	k.children[pid] = c
	k.tellGuard(c.registration())
	return nil
}

// registration is what the guard is told of the child.
func (c *Child) registration() string {
	return fmt.Sprintf("child %d %d %d\n", c.root.pid, c.root.start, c.root.session)
}

// openOutput opens the file and notes where this child's part begins.
func (c *Child) openOutput() (*os.File, error) {
	if c.output == "" {
		return nil, nil
	}
	f, err := os.OpenFile(c.output, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the file for its output: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open the file for its output: %w", err)
	}
	c.offset = info.Size()
	return f, nil
}

// lookUp finds the program; the path is absolute, since the child's working
// directory is another.
func lookUp(program string) (string, error) {
	path, err := exec.LookPath(program)
	if errors.Is(err, exec.ErrDot) {
		err = nil // the PATH says to look here, so here it is
	}
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("%s was not found on the PATH (%s): %w", program, os.Getenv("PATH"), err)
	}
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

// conditions checks what is asked and writes it for the launcher.
func (s *Spec) conditions() (string, error) {
	c := conditions{NofileSoft: s.NofileSoft, NofileHard: s.NofileHard, CPUs: s.CPUs, Nice: ordinaryNice(), Slice: s.Slice}
	if s.Nice != 0 {
		c.Nice = &s.Nice
	}
	if s.CPUs != "" {
		if _, err := ParseCPUs(s.CPUs); err != nil {
			return "", err
		}
	}
	if s.NofileSoft != 0 || s.NofileHard != 0 {
		soft, hard, err := inheritedNofile()
		if err != nil {
			return "", err
		}
		switch {
		case c.NofileHard == 0:
			c.NofileHard = max(hard, c.NofileSoft)
		case c.NofileSoft == 0:
			c.NofileSoft = min(soft, c.NofileHard)
		}
		if c.NofileSoft > c.NofileHard {
			return "", fmt.Errorf("a soft limit of %d open files is above the hard limit of %d", c.NofileSoft, c.NofileHard)
		}
	}
	text, err := json.Marshal(c)
	return string(text), err
}
