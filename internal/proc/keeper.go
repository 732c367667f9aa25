package proc

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	closeGrace   = 2 * time.Second  // for children that nobody stopped before Close
	killTimeout  = 10 * time.Second // from SIGKILL until a process is really gone
	guardGoodbye = 5 * time.Second  // until the guard has ended after its goodbye
	maxGuards    = 4                // the first one, and those that replace a killed one
)

// ErrClosed says that a keeper was asked for something after its Close.
var ErrClosed = errors.New("the keeper of this run's processes is closed")

// Keeper owns everything of a run that could outlive it: children and temporary
// directories. Its methods may be called from several goroutines. Make one with
// [NewKeeper].
type Keeper struct {
	command []string // the executable, and the arguments before its verb
	id      string
	since   uint64 // when the first guard started, in ticks after boot
	session int

	mu       sync.Mutex
	closed   bool
	serial   int
	children map[int]*Child  // by pid: started, and not known to be gone with all kin
	awaited  map[int]bool    // pids that os/exec waits for
	dirs     map[string]bool // registered
	guard    *guardProcess
	guards   int   // started so far
	lost     error // why there is no guard any more

	guarding sync.WaitGroup // the watcher of the present guard

	reaping   sync.WaitGroup
	childEnds chan os.Signal
	endReaper chan struct{}

	closing  sync.Once
	closeErr error
}

// NewKeeper makes this process the parent of all orphans among its descendants
// (which stays so) and starts a guard: executable with the arguments leading,
// then `guard`. The same executable is asked to `launch` children.
func NewKeeper(executable string, leading ...string) (*Keeper, error) {
	path, err := filepath.Abs(executable)
	if err != nil {
		return nil, fmt.Errorf("find the executable: %w", err)
	}
	var id [12]byte
	rand.Read(id[:]) // never fails
	k := &Keeper{
		command:   append([]string{path}, leading...),
		id:        hex.EncodeToString(id[:]),
		children:  map[int]*Child{},
		awaited:   map[int]bool{},
		dirs:      map[string]bool{},
		childEnds: make(chan os.Signal, 1),
		endReaper: make(chan struct{}),
	}
	if k.session, err = unix.Getsid(0); err != nil {
		return nil, fmt.Errorf("find the session: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become the parent of orphans (PR_SET_CHILD_SUBREAPER): %w", err)
	}
	k.mu.Lock()
	err = k.startGuard()
	k.mu.Unlock()
	if err != nil {
		return nil, err
	}
	signal.Notify(k.childEnds, unix.SIGCHLD)
	k.reaping.Go(k.reap)
	return k, nil
}

// Marker is the entry in the environment of every process of this run.
func (k *Keeper) Marker() string { return markName + "=" + k.id }

// startGuard starts a guard and tells it everything. The lock is held, so that
// nothing is registered meanwhile.
func (k *Keeper) startGuard() error {
	k.guards++
	g, err := newGuard(k.command, func(pid int) { k.awaited[pid] = true })
	if err != nil {
		return err
	}
	if k.since == 0 {
		s, err := new(reader).stat(g.cmd.Process.Pid)
		if err != nil {
			g.kill()
			_ = g.cmd.Wait() // it was killed
			return fmt.Errorf("look at the guard: %w", err)
		}
		k.since = s.start
	}
	lines := "run " + k.Marker() + " " + strconv.FormatUint(k.since, 10) + "\n"
	for _, c := range k.children {
		lines += c.registration()
	}
	for dir := range k.dirs {
		lines += "dir " + strconv.Quote(dir) + "\n"
	}
	g.tell(lines)
	k.guard = g
	k.guarding.Go(func() { k.watchGuard(g) })
	return nil
}

// watchGuard waits for the guard's end and replaces one that was killed.
func (k *Keeper) watchGuard(g *guardProcess) {
	err := g.cmd.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.awaited, g.cmd.Process.Pid)
	g.conn.Close()
	if k.closed {
		return
	}
	k.guard = nil
	if k.guards >= maxGuards {
		k.lost = fmt.Errorf("the guard was ended %d times, at last by: %v", k.guards, err)
		return
	}
	if err := k.startGuard(); err != nil {
		k.lost = fmt.Errorf("the guard was ended and could not be replaced: %w", err)
	}
}

// tellGuard passes a registration on. When there is no guard at the moment, the
// next one is told everything at its start.
func (k *Keeper) tellGuard(line string) {
	if k.guard != nil {
		k.guard.tell(line)
	}
}

// GuardPID is the guard's pid; 0 when none runs.
func (k *Keeper) GuardPID() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.guard == nil {
		return 0
	}
	return k.guard.cmd.Process.Pid
}

// usable says why nothing may be started now; the lock is held.
func (k *Keeper) usable() error {
	if k.closed {
		return ErrClosed
	}
	if k.lost != nil {
		return fmt.Errorf("nothing more is started, since it might be left behind: %w", k.lost)
	}
	return nil
}

// TempDir makes a directory "wsgauge-*" below [os.TempDir], to be removed with
// everything in it by RemoveDir, by Close or by the guard. Other users may pass
// through it (mode 0711), as the workers of a server that drops its rights must,
// but not list it.
func (k *Keeper) TempDir() (string, error) {
	base, err := filepath.Abs(os.TempDir())
	if err != nil {
		return "", fmt.Errorf("make a temporary directory: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.usable(); err != nil {
		return "", err
	}
	var name [8]byte
	rand.Read(name[:]) // never fails; 64 bits do not collide
	dir := filepath.Join(base, dirPrefix+hex.EncodeToString(name[:]))
	// Registered first: whenever we are killed, the guard knows of it.
	k.dirs[dir] = true
	k.tellGuard("dir " + strconv.Quote(dir) + "\n")
	err = os.Mkdir(dir, 0o711)
	if err == nil {
		if err = os.Chmod(dir, 0o711); err == nil { // whatever the umask
			return dir, nil
		}
		err = errors.Join(err, os.Remove(dir))
	}
	k.forgetDir(dir)
	return "", fmt.Errorf("make a temporary directory: %w; TMPDIR names another place", err)
}

// RemoveDir removes a directory of TempDir with everything in it.
func (k *Keeper) RemoveDir(dir string) error {
	k.mu.Lock()
	known := k.dirs[dir]
	k.mu.Unlock()
	if !known {
		return fmt.Errorf("remove %s: it is no temporary directory of this run, or was removed already", dir)
	}
	if err := removeDir(dir); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.forgetDir(dir)
	return nil
}

func (k *Keeper) forgetDir(dir string) {
	delete(k.dirs, dir)
	k.tellGuard("nodir " + strconv.Quote(dir) + "\n")
}

// forget ends the registration of a child that is gone with all its kin.
func (k *Keeper) forget(c *Child) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.children[c.root.pid] == c {
		delete(k.children, c.root.pid)
		k.tellGuard("gone " + strconv.Itoa(c.root.pid) + "\n")
	}
}

// Close ends what is left (children get two seconds after SIGTERM), removes the
// directories, and ends the guard. The error names what could not be ended or
// removed; the guard is then left to try on. Further calls return the same.
func (k *Keeper) Close() error {
	k.closing.Do(func() { k.closeErr = k.close() })
	return k.closeErr
}

func (k *Keeper) close() error {
	k.mu.Lock()
	k.closed = true
	var children []*Child
	for _, c := range k.children {
		children = append(children, c)
	}
	k.mu.Unlock()

	errs := make([]error, len(children))
	var stopping sync.WaitGroup
	for i, c := range children {
		stopping.Go(func() { errs[i] = c.Stop(context.Background(), closeGrace) })
	}
	stopping.Wait()
	_, err := k.kin().end(killTimeout, 5*time.Millisecond, k.collect)
	errs = append(errs, err)

	k.mu.Lock()
	dirs := k.dirs
	k.dirs = map[string]bool{}
	k.mu.Unlock()
	for dir := range dirs {
		errs = append(errs, removeDir(dir))
	}
	signal.Stop(k.childEnds)
	close(k.endReaper)
	k.reaping.Wait()
	err = errors.Join(errs...)
	return errors.Join(err, k.dismissGuard(err == nil))
}

// kin is the family of the whole run.
func (k *Keeper) kin() *family {
	k.mu.Lock()
	defer k.mu.Unlock()
	f := newFamily(k.Marker(), k.since)
	for pid, c := range k.children {
		f.roots[pid] = c.root
	}
	return f
}

// dismissGuard says goodbye when everything is clean; otherwise the guard finds
// its socket closed, and tries on its own.
func (k *Keeper) dismissGuard(clean bool) error {
	k.mu.Lock()
	g, lost := k.guard, k.lost
	k.mu.Unlock()
	if g == nil {
		return lost
	}
	if clean {
		g.tell("bye\n")
	}
	// Shut down, not closed: the watcher closes, and the descriptor's number must
	// not be someone else's by then.
	if err := k.hangUp(g); err != nil {
		g.kill()
	}
	ended := make(chan struct{})
	go func() { k.guarding.Wait(); close(ended) }()
	select {
	case <-ended:
		return nil
	case <-time.After(guardGoodbye):
	}
	if !clean {
		return nil // it still tries; the caller has the errors
	}
	g.kill()
	<-ended
	return errors.New("the guard did not end after its goodbye and was killed")
}

func (k *Keeper) hangUp(g *guardProcess) error {
	raw, err := g.conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.Shutdown(int(fd), unix.SHUT_RDWR) })
	if errors.Is(failed, unix.ENOTCONN) { // it has hung up first
		failed = nil
	}
	return errors.Join(err, failed)
}

// Survivors lists the processes that carry the mark of a run ([Keeper.Marker]) in
// their environment and have not ended, each as "name (pid 123, state S)".
func Survivors(mark string) ([]string, error) {
	var r reader
	all, err := everyone(&r)
	if err != nil {
		return nil, err
	}
	var left []stat
	for _, s := range all {
		if !s.ended() && r.hasEnv(s.pid, mark) {
			left = append(left, s)
		}
	}
	return describe(left), nil
}
