package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// gauges sums what is read of each member.
type gauges struct {
	rss, pss, swap              int64
	fds, threads, processes     int
	noRSS, noPSS, noSwap, noFDs bool // one member at least could not be read
}

func (g *gauges) add(o gauges) {
	g.rss, g.pss, g.swap = g.rss+o.rss, g.pss+o.pss, g.swap+o.swap
	g.fds, g.threads, g.processes = g.fds+o.fds, g.threads+o.threads, g.processes+o.processes
	g.noRSS, g.noPSS, g.noSwap, g.noFDs = g.noRSS || o.noRSS, g.noPSS || o.noPSS, g.noSwap || o.noSwap, g.noFDs || o.noFDs
}

func (g *gauges) usage(pss bool) Usage {
	u := Usage{RSS: g.rss, PSS: g.pss, Swap: g.swap, FDs: g.fds, Threads: g.threads, Processes: g.processes}
	if g.noRSS {
		u.RSS = -1
	}
	if g.noPSS || !pss {
		u.PSS = -1
	}
	if g.noSwap || !pss {
		u.Swap = -1
	}
	if g.noFDs {
		u.FDs = -1
	}
	return u
}

// measure reads one member and adds it to the sum. It is marked as seen unless it
// is gone.
func (p *Prober) measure(m *member, pss bool, sum *gauges) error {
	m.seen = false
	now, err := p.reader.stat(m.pid)
	if gone(err) || (err == nil && now.start != m.start) {
		return nil
	}
	if err != nil {
		return err
	}
	m.stat, m.seen = now, true
	m.cpu = max(m.cpu, cpuTime(&m.stat))
	if m.ended() {
		return nil
	}
	sum.processes++
	sum.threads += m.threads
	if pages, err := p.residentPages(m.pid); err == nil {
		sum.rss += pages * int64(os.Getpagesize())
	} else if !gone(err) {
		sum.noRSS = true
	}
	if n, err := p.descriptors(m.pid); err == nil {
		sum.fds += n
	} else if !gone(err) {
		sum.noFDs = true
	}
	if !pss {
		return nil
	}
	bytes, swap, err := p.proportional(m.pid)
	switch {
	case err == nil:
		sum.pss += bytes
		sum.swap += swap
	case !gone(err):
		sum.noPSS, sum.noSwap = true, true
	}
	return nil
}

// cpuTime is the CPU time of a process with all its threads, in nanoseconds from
// its CPU clock (clock_getcpuclockid(3)): the ticks of /proc/PID/stat are of
// 10 ms, and 400 workers may use less than one each. An ended process that has not
// been waited for still has its clock.
func cpuTime(s *stat) time.Duration {
	const threadGroup = 2 // CPUCLOCK_SCHED: the scheduler's own account
	var ts unix.Timespec
	if err := unix.ClockGettime(^int32(s.pid)<<3|threadGroup, &ts); err != nil {
		return s.user + s.system // coarse, but it is what there is
	}
	return time.Duration(ts.Nano())
}

// residentPages reads /proc/PID/statm; the figure in stat is a sum that each CPU
// brings up to date only now and then.
func (p *Prober) residentPages(pid int) (int64, error) {
	text, err := p.reader.read(procPath(pid, "statm"), 4096)
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(text, []byte(" "))
	word, _, _ := bytes.Cut(rest, []byte(" "))
	n, ok := number(word)
	if !ok {
		return 0, fmt.Errorf("%s: %q is not its format", procPath(pid, "statm"), text)
	}
	return n, nil
}

// descriptors counts the open descriptors of a process.
func (p *Prober) descriptors(pid int) (int, error) {
	path := procPath(pid, "fd")
	if p.fdsBySize {
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil {
			return 0, err
		}
		return int(st.Size), nil
	}
	return countEntries(path)
}

// countEntries counts the entries of a directory of descriptors.
func countEntries(path string) (int, error) {
	dir, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	return len(names), err
}

// proportional reads PSS and swap, in bytes, from /proc/PID/smaps_rollup.
func (p *Prober) proportional(pid int) (pss, swap int64, err error) {
	text, err := p.reader.read(procPath(pid, "smaps_rollup"), 16<<10)
	if err != nil {
		return 0, 0, err
	}
	if pss, err = kilobytes(text, "\nPss:"); err == nil {
		swap, err = kilobytes(text, "\nSwap:")
	}
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w", procPath(pid, "smaps_rollup"), err)
	}
	return pss, swap, nil
}

// kilobytes finds a line "Name:   123 kB" and returns it in bytes.
func kilobytes(text []byte, name string) (int64, error) {
	_, rest, found := bytes.Cut(text, []byte(name))
	if !found {
		return 0, errors.New("no line " + strconv.Quote(name[1:]))
	}
	words := bytes.Fields(rest[:min(len(rest), 40)])
	if len(words) < 2 || string(words[1]) != "kB" {
		return 0, errors.New("line " + strconv.Quote(name[1:]) + " is not in kB")
	}
	n, ok := number(words[0])
	if !ok {
		return 0, errors.New("line " + strconv.Quote(name[1:]) + " has no number")
	}
	return n << 10, nil
}

// Alone samples one process without what descends from it, as is wanted for the
// controller, from which everything descends. Children
// that ended have no part in CPU. The CPU figures do not fall from one call to the
// next for the same process.
func (p *Prober) Alone(pid int, pss bool) (Usage, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	began := time.Now()
	s, err := p.reader.stat(pid)
	if err != nil {
		return Usage{}, fmt.Errorf("sample process %d: %w", pid, err)
	}
	m := &member{stat: s}
	var sum gauges
	if err := p.measure(m, pss, &sum); err != nil {
		return Usage{}, fmt.Errorf("sample process %d: %w", pid, err)
	}
	u := sum.usage(pss)
	if p.alone.pid != s.pid || p.alone.start != s.start {
		p.alone, p.lastAlone = s, Usage{}
	}
	u.CPU, u.User, u.System = times{m.cpu, m.user, m.system}.since(p.lastAlone)
	u.Took = time.Since(began)
	p.lastAlone = u
	return u, nil
}
