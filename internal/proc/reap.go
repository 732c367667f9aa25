package proc

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	reapGap    = 100 * time.Millisecond // between two sweeps, however many children end
	reapPeriod = time.Second            // until a doubtful one is looked at again
)

// reap collects orphans that came to us when their parent died, and then ended.
// Waiting for any child would steal the status that os/exec waits for, so each is
// waited for by its pid, and only when it is certain that nobody else does.
func (k *Keeper) reap() {
	doubtful := map[int]uint64{}
	for {
		var again <-chan time.Time
		if len(doubtful) > 0 {
			again = time.After(reapPeriod)
		}
		select {
		case <-k.endReaper:
			return
		case <-k.childEnds:
			doubtful = k.sweep(doubtful, false)
		case <-again:
			doubtful = k.sweep(doubtful, true)
		}
		select {
		case <-k.endReaper:
			return
		case <-time.After(reapGap):
		}
	}
}

// sweep collects the ended processes whose parent we are and which belong to a
// child's process group. Of others, one in a session that is not ours is an
// orphan too, unless some other part of the program started it that way: it is
// doubtful, and collected when nobody else has done so a second later.
func (k *Keeper) sweep(doubtful map[int]uint64, late bool) map[int]uint64 {
	var r reader
	all, err := everyone(&r)
	if err != nil {
		return doubtful // an ended process that stays does no harm; the next one may
	}
	self := os.Getpid()
	still := map[int]uint64{}
	for _, s := range all {
		if !s.ended() || s.parent != self {
			continue
		}
		switch {
		case k.inGroupOfChild(s):
			k.collect(s)
		case s.session == k.session:
		case late && doubtful[s.pid] == s.start:
			k.collect(s)
		default:
			still[s.pid] = s.start
		}
	}
	return still
}

func (k *Keeper) inGroupOfChild(s stat) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	c, ok := k.children[s.group]
	return ok && c.root.session == s.session && s.start >= c.root.start
}

// collect waits for an ended child that nobody else waits for.
func (k *Keeper) collect(s stat) {
	if s.parent != os.Getpid() {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.awaited[s.pid] {
		return
	}
	// An error means that it is no longer there to be collected.
	_, _ = unix.Wait4(s.pid, nil, unix.WNOHANG, nil)
}
