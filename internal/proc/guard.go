package proc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	dirPrefix = "wsgauge-" // of every directory that may be removed
	markName  = "WSGAUGE_RUN"
	childName = "WSGAUGE_CHILD"

	guardReady    = "ready\n"
	guardStart    = 10 * time.Second // until it says so; usually some milliseconds
	guardEnd      = 30 * time.Second // how long it tries to end what is left
	maxRegistered = 100_000          // children and directories told to one guard
)

// ward is what a guard has been told to clean up.
type ward struct {
	family *family
	dirs   []string
	bye    bool
}

// Guard is the body of the hidden verb `guard`. It reads from in what the
// controller registers, and returns when told goodbye. When in ends without one,
// the controller is dead: it kills, with SIGKILL, every registered process group,
// their descendants and every process with the run's mark in its environment, then
// removes the registered directories. If in is also a writer, it is told when the
// guard is ready. The signals that end a terminal's programs are ignored.
func Guard(in io.Reader) error {
	signal.Ignore(unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGPIPE)
	if w, ok := in.(io.Writer); ok {
		if _, err := io.WriteString(w, guardReady); err != nil {
			return fmt.Errorf("guard: tell the controller: %w", err)
		}
	}
	w := &ward{family: newFamily("", 0)}
	heard := w.listen(in)
	if w.bye {
		return heard
	}
	return errors.Join(heard, w.clean())
}

// listen takes registrations until the end. A line that is not understood is
// remembered as an error and passed over: what was understood is still cleaned.
func (w *ward) listen(in io.Reader) error {
	var bad error
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if err := w.take(lines.Text()); err != nil {
			bad = fmt.Errorf("guard: %q: %w", lines.Text(), err)
		}
	}
	if err := lines.Err(); err != nil && !errors.Is(err, unix.ECONNRESET) {
		bad = errors.Join(bad, fmt.Errorf("guard: %w", err))
	}
	return bad
}

// take understands one line: see the methods of keeper that write them.
func (w *ward) take(line string) error {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "run":
		mark, since, _ := strings.Cut(rest, " ")
		n, err := strconv.ParseUint(since, 10, 64)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(mark, markName+"=") || len(mark) < len(markName)+9 {
			return errors.New("not a run's mark")
		}
		w.family.mark, w.family.since = mark, n
	case "child":
		var r root
		if _, err := fmt.Sscanf(rest, "%d %d %d", &r.pid, &r.start, &r.session); err != nil {
			return err
		}
		if r.pid <= 1 || len(w.family.roots) >= maxRegistered {
			return errors.New("refused")
		}
		w.family.roots[r.pid] = r
	case "gone":
		pid, err := strconv.Atoi(rest)
		if err != nil {
			return err
		}
		delete(w.family.roots, pid)
	case "dir", "nodir":
		dir, err := strconv.Unquote(rest)
		if err != nil {
			return err
		}
		if !removable(dir) || len(w.dirs) >= maxRegistered {
			return errors.New("refused")
		}
		w.dirs = slices.DeleteFunc(w.dirs, func(d string) bool { return d == dir })
		if verb == "dir" {
			w.dirs = append(w.dirs, dir)
		}
	case "bye":
		w.bye = true
	default:
		return errors.New("unknown")
	}
	return nil
}

func (w *ward) clean() error {
	var errs []error
	if w.family.mark != "" {
		_, err := w.family.end(guardEnd, quiet, nil)
		errs = append(errs, err)
	}
	for _, dir := range w.dirs {
		errs = append(errs, removeDir(dir))
	}
	return errors.Join(errs...)
}

// removable tells whether dir has a name that only we give.
func removable(dir string) bool {
	return filepath.IsAbs(dir) && filepath.Clean(dir) == dir && strings.HasPrefix(filepath.Base(dir), dirPrefix)
}

// removeDir removes a directory with everything in it. It tries again for a
// while, since a process that is just being ended may still make a file.
func removeDir(dir string) error {
	var err error
	for range 20 {
		if err = os.RemoveAll(dir); err == nil {
			return nil
		}
		time.Sleep(25 * time.Millisecond)
	}
	return fmt.Errorf("remove the temporary directory: %w", err)
}

// guardProcess is the controller's side of a guard.
type guardProcess struct {
	cmd  *exec.Cmd
	conn *os.File // a stream socket to its standard input
}

// newGuard starts a guard and waits until it is ready.
func newGuard(command []string, started func(pid int)) (*guardProcess, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("start the guard: socketpair: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "guard")
	defer theirs.Close()
	if err := unix.SetNonblock(pair[0], true); err != nil { // for deadlines
		unix.Close(pair[0])
		return nil, fmt.Errorf("start the guard: %w", err)
	}
	g := &guardProcess{conn: os.NewFile(uintptr(pair[0]), "guard")}
	g.cmd = exec.Command(command[0], append(slices.Clone(command[1:]), "guard")...)
	g.cmd.Stdin, g.cmd.Stderr = theirs, theirs
	g.cmd.Dir = "/" // it may outlive the directory we are in
	g.cmd.Env = plainEnv()
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := g.cmd.Start(); err != nil {
		g.conn.Close()
		return nil, fmt.Errorf("start the guard: %w", err)
	}
	started(g.cmd.Process.Pid)
	theirs.Close() // so that its end shows when it dies at once
	if err := g.awaitReady(); err != nil {
		g.kill()
		_ = g.cmd.Wait() // it was killed; the reason is err
		g.conn.Close()
		return nil, fmt.Errorf("start the guard (%s guard): %w", strings.Join(command, " "), err)
	}
	return g, nil
}

func (g *guardProcess) awaitReady() error {
	if err := g.conn.SetReadDeadline(time.Now().Add(guardStart)); err != nil {
		return err
	}
	said := make([]byte, 0, 512)
	for !strings.HasSuffix(string(said), guardReady) && len(said) < cap(said) {
		n, err := g.conn.Read(said[len(said):cap(said)])
		said = said[:len(said)+n]
		if err != nil {
			return fmt.Errorf("it did not get ready: %w %s", err, strings.TrimSpace(string(said)))
		}
	}
	if string(said) != guardReady {
		return fmt.Errorf("it answered %q", said)
	}
	return nil
}

// tell sends lines. A guard that does not take them is killed, since it would
// clean up by an old list; the keeper then starts another.
func (g *guardProcess) tell(lines string) {
	err := g.conn.SetWriteDeadline(time.Now().Add(2 * time.Second))
	if err == nil {
		_, err = io.WriteString(g.conn, lines)
	}
	if err != nil {
		g.kill()
	}
}

func (g *guardProcess) kill() {
	// It fails only for a process that has ended, which is what is wanted.
	_ = g.cmd.Process.Kill()
}

// plainEnv is our environment without the marks of a run that we ourselves may be
// a part of.
func plainEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, markName+"=") || strings.HasPrefix(e, childName+"=")
	})
}
