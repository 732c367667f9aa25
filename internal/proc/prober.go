package proc

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"
)

// Usage is what a group of processes used. A figure that could not be read, or
// was not asked for, is -1.
type Usage struct {
	// CPU is the time that all members used since they started, ended ones
	// included. It never falls from one sample of a prober to the next.
	CPU time.Duration
	// User and System divide CPU in the proportion that the kernel's ticks of 10 ms
	// give; neither falls.
	User, System time.Duration
	// RSS is the sum of resident memory, in bytes: pages that processes share are
	// counted in each of them.
	RSS int64
	// PSS is the sum of proportional memory, in bytes: a shared page is divided
	// among those that share it. Swap is what lies in swap. Both only when asked for.
	PSS, Swap int64
	FDs       int // open descriptors
	Threads   int
	Processes int           // live ones: one that ended and was not waited for has no part
	Took      time.Duration // wall time of the sample itself
}

// strangerTurns is how many samples it takes to look again at every process that
// was found to be no member. Only a pid that was used again can have become one.
const strangerTurns = 16

// Prober samples one group of processes: the roots it is given and all that
// descends from them. It remembers what members had used, so that nothing is lost
// when they end; therefore each group needs a prober of its own. Its methods may
// be called from several goroutines.
type Prober struct {
	mu        sync.Mutex
	list      *listing
	reader    reader
	fdsBySize bool // whether the kernel tells the number of descriptors as a size

	roots     map[int]bool
	groups    map[int]root // those that roots lead
	members   map[int]*member
	strangers map[int]bool
	turn      int
	pids      []int
	ended     times // of members that ended and that no member waited for
	last      Usage

	alone     stat // whom Alone sampled, and what it said
	lastAlone Usage
}

// member is one process of the group.
type member struct {
	stat
	seen   bool          // in this sample
	cpu    time.Duration // its own
	waited time.Duration // of the children that it waited for, as far as we saw them
}

// total is the CPU time of the member and of the children that it waited for.
// The kernel's figure for those is complete, but only to the tick, and missing
// when the member ignores SIGCHLD; ours is exact as far as it goes.
func (m *member) total() time.Duration {
	return m.cpu + max(m.waited, m.waitedUser+m.waitedSystem)
}

// times are CPU times of a process that is gone.
type times struct{ total, user, system time.Duration }

// NewProber makes a prober for one group. Close it.
func NewProber() (*Prober, error) {
	list, err := newListing()
	if err != nil {
		return nil, err
	}
	info, err := os.Stat("/proc/self/fd")
	if err != nil {
		list.close()
		return nil, fmt.Errorf("look at our own descriptors: %w", err)
	}
	return &Prober{
		list:      list,
		fdsBySize: info.Size() > 0, // since Linux 6.2; before, it was 0
		roots:     map[int]bool{},
		groups:    map[int]root{},
		members:   map[int]*member{},
		strangers: map[int]bool{},
	}, nil
}

// Close releases the prober's descriptor.
func (p *Prober) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list.close()
}

// Usage samples the group: the roots, every process that descends from them and
// the members of process groups that they lead. A process that was a member once
// stays one. Roots may be added as time goes by; when all members have ended,
// Processes is 0 and CPU keeps what they used. PSS and swap are read only with
// pss: it takes a lock in each process that is looked at.
func (p *Prober) Usage(roots []int, pss bool) (Usage, error) {
	u, _, err := p.UsageBy(roots, pss, nil)
	return u, err
}

// UsageBy is Usage, and besides what the members have that part gives the same name,
// but for their CPU time, which is not told apart (-1). Members without a name, and a
// part that is nil, give none.
func (p *Prober) UsageBy(roots []int, pss bool, part func(Process) string) (Usage, map[string]Usage, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	began := time.Now()
	if err := p.look(roots); err != nil {
		return Usage{}, nil, fmt.Errorf("sample processes %v: %w", roots, err)
	}
	// By age, and so parents before children. Were a child read first, it could be
	// waited for before its parent is read, and would count twice.
	members := slices.SortedFunc(maps.Values(p.members), func(a, b *member) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.pid, b.pid))
	})
	var sum gauges
	parts := map[string]*gauges{}
	for _, m := range members {
		var one gauges
		if err := p.measure(m, pss, &one); err != nil {
			return Usage{}, nil, fmt.Errorf("sample %s (pid %d): %w", m.name, m.pid, err)
		}
		sum.add(one)
		if part == nil {
			continue
		}
		if name := part(Process{m.pid, m.start}); name != "" {
			if parts[name] == nil {
				parts[name] = &gauges{}
			}
			parts[name].add(one)
		}
	}
	for _, m := range slices.Backward(members) { // children hand on before parents do
		if !m.seen {
			p.bequeath(m)
		}
	}
	u := sum.usage(pss)
	u.CPU, u.User, u.System = p.cpu()
	u.Took = time.Since(began)
	p.last = u
	apart := map[string]Usage{}
	for name, g := range parts {
		its := g.usage(pss)
		its.CPU, its.User, its.System = -1, -1, -1
		apart[name] = its
	}
	return u, apart, nil
}

// look finds new members. Only processes that were not there at the last sample
// are read: those known as strangers cost nothing but their name in the list.
func (p *Prober) look(roots []int) error {
	for _, pid := range roots {
		if !p.roots[pid] {
			p.roots[pid] = true
			clear(p.strangers) // what descends from it is none any more
		}
	}
	var err error
	if p.pids, err = p.list.pids(p.pids[:0]); err != nil {
		return err
	}
	p.turn++
	strangers := make(map[int]bool, len(p.strangers))
	var fresh []stat
	for _, pid := range p.pids {
		if p.members[pid] != nil {
			continue
		}
		if p.strangers[pid] && pid%strangerTurns != p.turn%strangerTurns {
			strangers[pid] = true
			continue
		}
		s, err := p.reader.stat(pid)
		if gone(err) {
			continue
		}
		if err != nil {
			return err
		}
		fresh = append(fresh, s)
	}
	for again := true; again; { // until nobody more is found through someone just found
		again = false
		fresh = slices.DeleteFunc(fresh, func(s stat) bool {
			if !p.belongs(&s) {
				return false
			}
			p.admit(s)
			again = true
			return true
		})
	}
	for _, s := range fresh {
		strangers[s.pid] = true
	}
	p.strangers = strangers
	return nil
}

func (p *Prober) belongs(s *stat) bool {
	if p.roots[s.pid] || p.members[s.parent] != nil {
		return true
	}
	g, ok := p.groups[s.group]
	return ok && g.session == s.session && s.start >= g.start
}

func (p *Prober) admit(s stat) {
	p.members[s.pid] = &member{stat: s, waited: s.waitedUser + s.waitedSystem}
	if p.roots[s.pid] && s.group == s.pid {
		p.groups[s.pid] = root{pid: s.pid, start: s.start, session: s.session}
	}
}

// bequeath accounts for a member that is gone: to its parent, which has waited
// for it, when that is a member too.
func (p *Prober) bequeath(m *member) {
	delete(p.members, m.pid)
	if parent := p.members[m.parent]; parent != nil && parent.start <= m.start {
		parent.waited += m.total()
		return
	}
	p.ended.total += m.total()
	p.ended.user += m.user + m.waitedUser
	p.ended.system += m.system + m.waitedSystem
}

// cpu sums the CPU times.
func (p *Prober) cpu() (total, user, system time.Duration) {
	sum := p.ended
	for _, m := range p.members {
		sum.total += m.total()
		sum.user += m.user + m.waitedUser
		sum.system += m.system + m.waitedSystem
	}
	return sum.since(p.last)
}

// since divides the total by the proportion of the ticks, with no part less than
// it was before.
func (t times) since(last Usage) (total, user, system time.Duration) {
	total = max(t.total, last.CPU)
	if ticks := t.user + t.system; ticks > 0 {
		user = time.Duration(float64(total) * (float64(t.user) / float64(ticks)))
	}
	// The parts of the last sample add up to its total, which is no more than this.
	user = min(max(user, last.User), total-last.System)
	return total, user, total - user
}
