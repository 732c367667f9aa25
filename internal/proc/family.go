package proc

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// root is a process that was started for the run, and by that the leader of a
// process group.
type root struct {
	pid     int
	start   uint64 // ticks after boot
	session int
}

// family tells which processes descend from a run, or from one child of it.
type family struct {
	mark  string       // an entry of the environment that only they carry
	since uint64       // ticks after boot; nothing that started before belongs
	roots map[int]root // by pid
	// known are processes that belonged at an earlier look, by pid, with their
	// start. One that left group and tree since then is known by it.
	known map[int]uint64
	// segments are the named shared memory of members that were killed.
	segments map[string]bool

	reader reader
}

func newFamily(mark string, since uint64) *family {
	return &family{mark: mark, since: since, roots: map[int]root{}, known: map[int]uint64{}, segments: map[string]bool{}}
}

// find looks through all processes for members, ended ones that nobody has
// collected included, and remembers them.
func (f *family) find() ([]stat, error) {
	all, err := everyone(&f.reader)
	if err != nil {
		return nil, err
	}
	byPID := make(map[int]*stat, len(all))
	for i := range all {
		byPID[all[i].pid] = &all[i]
	}
	self := os.Getpid()
	verdict := make(map[int]bool, len(all))
	// Environments are read last, and only of those that nothing else shows to be
	// members: it is the dear part.
	for i := range all {
		s := &all[i]
		if s.pid != self && s.start >= f.since && (f.remembered(s) || f.inGroup(s, byPID)) {
			verdict[s.pid] = true
		}
	}
	for i := range all {
		s := &all[i]
		if s.pid == self || s.start < f.since || verdict[s.pid] || s.ended() {
			continue
		}
		if !f.descends(s, byPID, verdict) && f.reader.hasEnv(s.pid, f.mark) {
			verdict[s.pid] = true
		}
	}
	clear(f.known)
	var members []stat
	for i := range all {
		s := &all[i]
		if s.pid != self && s.start >= f.since && f.descends(s, byPID, verdict) {
			members = append(members, *s)
			f.known[s.pid] = s.start
		}
	}
	return members, nil
}

// remembered tells whether s is a root, or belonged at an earlier look.
func (f *family) remembered(s *stat) bool {
	if r, ok := f.roots[s.pid]; ok && r.start == s.start {
		return true
	}
	start, ok := f.known[s.pid]
	return ok && start == s.start
}

// inGroup tells whether s is in the process group of a root. The kernel gives no
// new process a pid that is still the number of a group; so while members live,
// the number stays the root's, unless the group died out and the pid was used
// again, which the leader's start time, or else the session, shows.
func (f *family) inGroup(s *stat, all map[int]*stat) bool {
	r, ok := f.roots[s.group]
	if !ok || s.session != r.session {
		return false
	}
	leader, there := all[s.group]
	return !there || leader.start == r.start
}

// descends tells whether s or one of its ancestors is a member, and notes the
// answer of all on the way, so that each is looked at once.
func (f *family) descends(s *stat, all map[int]*stat, verdict map[int]bool) bool {
	const undecided = 64 // deeper trees than that are decided in steps
	var way [undecided]int
	n, member := 0, false
	for s != nil && n < undecided {
		if v, ok := verdict[s.pid]; ok {
			member = v
			break
		}
		way[n] = s.pid
		n++
		s = all[s.parent]
	}
	if n == undecided {
		member = s != nil && f.descends(s, all, verdict)
	}
	if member {
		for _, pid := range way[:n] {
			verdict[pid] = true
		}
	}
	return member
}

// quiet is how long no member may be seen before the family counts as gone, when
// one may just be between fork and exec, where nothing shows yet whose it is.
const quiet = 150 * time.Millisecond

// end kills every member with SIGKILL until none is left, for at most within.
// Collect, unless nil, is given members that have ended, so that they can be
// waited for; without it an ended member counts as gone, and so does one whose
// parent is a stranger. With linger, nothing may be seen for a while before it
// believes that nothing is left. Shared memory that they had by name is removed. The
// error names those that could not be ended.
func (f *family) end(within, linger time.Duration, collect func(stat)) (killed bool, err error) {
	deadline := time.Now().Add(within)
	lastSeen := time.Now()
	pause := 2 * time.Millisecond
	for {
		members, err := f.find()
		if err != nil {
			return killed, err
		}
		left := slices.DeleteFunc(members, func(s stat) bool {
			if s.ended() && collect != nil {
				collect(s)
			}
			return s.ended() && (collect == nil || s.parent != os.Getpid())
		})
		now := time.Now()
		if len(left) > 0 {
			lastSeen = now
		} else if now.Sub(lastSeen) >= linger {
			return killed, f.dropSegments()
		}
		f.noteSegments(left)
		failed := f.kill(left)
		killed = killed || slices.ContainsFunc(left, func(s stat) bool { return !s.ended() })
		if now.After(deadline) && len(left) > 0 {
			return killed, &LeftError{Processes: describe(left), Err: failed}
		}
		time.Sleep(pause)
		pause = min(2*pause, 50*time.Millisecond)
	}
}

// kill sends SIGKILL: to whole groups first, which is one step for the kernel, so
// that no member forks another out of reach meanwhile.
func (f *family) kill(members []stat) error {
	var failed error
	groups := map[int]bool{}
	for i := range members {
		s := &members[i]
		if r, ok := f.roots[s.group]; ok && s.session == r.session && !groups[s.group] {
			groups[s.group] = true
			if err := unix.Kill(-s.group, unix.SIGKILL); err != nil && err != unix.ESRCH {
				failed = err
			}
		}
	}
	for i := range members {
		if err := signalExactly(&f.reader, &members[i], unix.SIGKILL); err != nil {
			failed = err
		}
	}
	return failed
}

// signalExactly sends a signal to the process that s describes and to no other
// that may have got its pid since: the pid is pinned (pidfd_open(2)) before its
// start time is compared. A process that is gone needs no signal.
func signalExactly(r *reader, s *stat, sig unix.Signal) error {
	fd, err := unix.PidfdOpen(s.pid, 0)
	pinned := err == nil
	if pinned {
		defer unix.Close(fd)
	} else if errors.Is(err, unix.ESRCH) {
		return nil
	}
	now, err := r.stat(s.pid)
	if gone(err) || (err == nil && (now.start != s.start || now.ended())) {
		return nil
	}
	if err != nil {
		return err
	}
	if pinned {
		err = unix.PidfdSendSignal(fd, sig, nil, 0)
	} else { // an old kernel, or no descriptor left: the moment of doubt is short
		err = unix.Kill(s.pid, sig)
	}
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("send %s to %s (pid %d): %w", unix.SignalName(sig), s.name, s.pid, err)
	}
	return nil
}

// LeftError names processes that could not be ended.
type LeftError struct {
	Processes []string // "apache2 (pid 123, state D)"
	Err       error    // why a signal could not be sent; nil when it was sent in vain
}

// Error lists a few of them; state D is one that waits in the kernel, which no
// signal ends.
func (e *LeftError) Error() string {
	shown := e.Processes[:min(len(e.Processes), 5)]
	text := fmt.Sprintf("%d processes could not be ended: %s", len(e.Processes), strings.Join(shown, ", "))
	if len(shown) < len(e.Processes) {
		text += ", ..."
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap gives the reason.
func (e *LeftError) Unwrap() error { return e.Err }

func describe(processes []stat) []string {
	var texts []string
	for _, s := range processes {
		texts = append(texts, fmt.Sprintf("%s (pid %d, state %c)", s.name, s.pid, s.state))
	}
	return texts
}
