package runner

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"wsgauge/internal/evloop"
	"wsgauge/internal/proc"
	"wsgauge/loadgen"
	"wsgauge/results"
)

// pssEvery is how often PSS is read besides the ends of steps: reading it takes a
// lock in the target.
const pssEvery = 10 * time.Second

// The groups of processes, as records name them.
var groupNames = []string{"target", "backend", "agents", "controller"}

// reading is what all groups used at one moment.
type reading struct {
	at     time.Time
	open   int
	groups map[string]proc.Usage // a group that could not be read is not there
	tasks  map[int]time.Duration // CPU time of everything that runs here, by CPU; nil: not known
}

// sampler watches the processes of a trial, once a second and when it is told to.
type sampler struct {
	trial    *trial
	roots    map[string][]int
	probers  map[string]*proc.Prober
	lateness map[string]*proc.Lateness // by CPU list
	behind   *proc.Background          // nil: it has not stepped back
	goBack   func() error              // ends that the controller is ahead; nil: it is not
	cancel   context.CancelFunc
	ended    chan struct{}

	mu       sync.Mutex
	base     reading // ready, with no tunnel open
	readings []reading
	step     string
	now      agentNow
	counts   loadgen.Counts // of the last second
	lastPSS  time.Time
	lastTick time.Time
	// socketsDue is the clock time before which sockets are not counted again.
	socketsDue int64
	longest    time.Duration
	stealAt    time.Duration
	steal      time.Duration
	began      time.Time
	failed     error
	others     map[string]othersTook // by step
}

// startSampler takes the first reading, before any tunnel is open, and begins.
func startSampler(t *trial) (*sampler, error) {
	s := &sampler{trial: t, roots: map[string][]int{"controller": {os.Getpid()}},
		probers: map[string]*proc.Prober{}, lateness: map[string]*proc.Lateness{}, others: map[string]othersTook{},
		ended: make(chan struct{}), began: time.Now()}
	for _, b := range t.backends {
		s.roots["backend"] = append(s.roots["backend"], b.PID())
	}
	if t.child != nil {
		s.roots["target"] = []int{t.child.PID()}
	}
	for _, c := range t.agents.children {
		s.roots["agents"] = append(s.roots["agents"], c.PID())
	}
	if err := s.open(); err != nil {
		s.release()
		return nil, err
	}
	if err := s.stepAhead(); err != nil {
		s.release()
		return nil, err
	}
	if m, err := proc.Machine(); err == nil {
		s.stealAt = m.Steal
	}
	s.mark(true, "")
	s.base = s.readings[0]
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	go func() {
		defer close(s.ended)
		s.loop(ctx)
	}()
	return s, nil
}

// stepAhead keeps the controller in time beside many agents and backends, which are
// raised as agentsNice says: with twelve loops on one CPU, beside which it was an ordinary
// process, it came to its samples six seconds late.
func (s *sampler) stepAhead() error {
	nice := s.trial.run.record.Placement.AgentsNice
	if len(s.roots["agents"]) == 1 || nice == 0 {
		return nil
	}
	back, err := proc.StepAhead(nice, slices.Collect(maps.Values(s.lateness))...)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	s.goBack = back
	return err
}

// stepBack lets the controller go behind everybody else for a step in which latency is
// measured: its own work comes in bursts of milliseconds and must not be what a target, a
// backend or an agent waits for. Steps that take all CPUs by their nature, and many agents
// on them, would leave it nothing.
func (s *sampler) stepBack(plan *loadgen.StepPlan) error {
	if plan.Hold == nil && (plan.Send == nil || plan.Send.Closed) || len(s.roots["agents"]) > 1 {
		return nil
	}
	behind, err := proc.StepBack(slices.Collect(maps.Values(s.lateness))...)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behind = behind
	return nil
}

// comeForward ends what stepBack began.
func (s *sampler) comeForward() error {
	s.mu.Lock()
	behind := s.behind
	s.behind = nil
	s.mu.Unlock()
	if behind == nil {
		return nil
	}
	return behind.Stop()
}

// open starts what measures; release ends it.
func (s *sampler) open() error {
	for name := range s.roots {
		p, err := proc.NewProber()
		if err != nil {
			return err
		}
		s.probers[name] = p
	}
	cpus := s.trial.cpus()
	for _, list := range []string{cpus.agents, cpus.target} {
		if s.lateness[list] != nil {
			continue
		}
		l := &proc.Lateness{}
		if err := l.Start(list); err != nil {
			return err
		}
		s.lateness[list] = l
	}
	return nil
}

func (s *sampler) release() {
	if s.goBack != nil {
		s.trial.run.keepError(s.goBack())
	}
	for _, l := range s.lateness {
		l.Stop()
	}
	for _, p := range s.probers {
		p.Close()
	}
}

func (s *sampler) loop(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.mu.Lock()
			pss := time.Since(s.lastPSS) >= pssEvery
			s.mu.Unlock()
			s.mark(pss, "")
		}
	}
}

func (s *sampler) stop() {
	s.cancel()
	<-s.ended
	s.release()
}

// load notes what the agents said last.
func (s *sampler) load(now agentNow, counts loadgen.Counts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now, s.counts = now, counts
}

// mark takes a reading of all groups, and writes it. step is the one that runs
// from now on; empty: as before.
func (s *sampler) mark(pss bool, step string) reading {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if !s.lastTick.IsZero() {
		s.longest = max(s.longest, now.Sub(s.lastTick))
	}
	s.lastTick = now
	if pss {
		s.lastPSS = now
	}
	began, cpu := evloop.Now(), evloop.ProcessCPU()
	defer func() { s.kept(evloop.Now()-began, evloop.ProcessCPU()-cpu) }()
	r := reading{at: now, open: s.now.open, groups: map[string]proc.Usage{}}
	m, err := proc.Machine()
	if err == nil {
		r.tasks = m.Tasks
	}
	for name, pids := range s.roots {
		u, err := s.usage(name, pids, pss)
		if err != nil {
			continue // it has ended; what is not measured is not shown as zero
		}
		r.groups[name] = u
		s.write(s.row(now, name, u))
	}
	s.readings = append(s.readings, r)
	s.write(s.machine(now, m, err, began))
	return r
}

// patience is how long a reading may wait for CPUs. What is read at its beginning and at
// its end no longer belongs together then, and the controller stops stepping back.
const patience = int64(20 * time.Millisecond)

// kept is told how long a reading took and how much CPU time the process had meanwhile.
func (s *sampler) kept(took, cpu int64) {
	if s.behind == nil || s.behind.Forward() || took-cpu < patience {
		return
	}
	if err := s.behind.ComeForward(); err != nil && s.failed == nil {
		s.failed = err
		s.trial.run.keepError(err)
	}
}

// usage samples a group. The controller's descendants are all the others, so of
// the controller only itself is counted.
func (s *sampler) usage(name string, pids []int, pss bool) (proc.Usage, error) {
	if name == "controller" {
		return s.probers[name].Alone(pids[0], pss)
	}
	return s.probers[name].Usage(pids, pss)
}

func (s *sampler) write(row results.Sample) {
	if err := s.trial.run.dir.AppendSample(row); err != nil && s.failed == nil {
		s.failed = err
		s.trial.run.keepError(err)
	}
}

func (s *sampler) blank(at time.Time, group string) results.Sample {
	return results.Sample{TS: at.Sub(s.trial.run.start).Seconds(), Block: s.trial.record.Block,
		Target: s.trial.target.Name, Step: s.step, Group: group}
}

func (s *sampler) row(at time.Time, group string, u proc.Usage) results.Sample {
	row := s.blank(at, group)
	if u.CPU >= 0 {
		row.CPUSeconds, row.CPUUserSeconds, row.CPUSystemSeconds = seconds(u.CPU), seconds(u.User), seconds(u.System)
	}
	row.RSSBytes, row.PSSBytes = measured(u.RSS), measured(u.PSS)
	row.FDs, row.Threads, row.Processes = measured(int64(u.FDs)), measured(int64(u.Threads)), measured(int64(u.Processes))
	if group == "target" {
		s.trial.board.fill(&row, at)
	}
	if group == "agents" {
		row.MessagesOutstanding, row.TunnelsOpen = measured(int64(s.now.outstanding)), measured(int64(s.now.open))
	}
	return row
}

// machine is the row of what belongs to no process.
func (s *sampler) machine(at time.Time, m proc.MachineUsage, err error, began int64) results.Sample {
	row := s.blank(at, results.Machine)
	if err == nil {
		row.StealSeconds, row.SocketMemoryBytes = seconds(m.Steal), measured(m.SocketMemoryBytes)
		s.steal = m.Steal - s.stealAt
	}
	s.sockets(&row)
	var worst, p99 time.Duration
	for _, l := range s.lateness {
		if a, b, naps, err := l.Take(); err == nil && naps > 0 {
			worst, p99 = max(worst, a), max(p99, b)
			row.LatenessMaxNs, row.LatenessP99Ns = measured(int64(worst)), measured(int64(p99))
		}
	}
	cost := float64(evloop.Now()-began) / 1e9
	row.SampleCostSeconds = &cost
	return row
}

// socketsShare bounds what counting sockets may take of the time. The kernel walks
// through all of the machine's, half a microsecond each, in stretches that nothing
// interrupts: with 400,000 that every second would be what is measured.
const socketsShare = 0.05

// sockets counts the sockets of both legs, when it is time to again.
func (s *sampler) sockets(row *results.Sample) {
	began := evloop.Now()
	if began < s.socketsDue {
		return
	}
	defer func() { s.socketsDue = began + int64(float64(evloop.Now()-began)/socketsShare) }()
	t := s.trial
	low, high, ranged := portRange(t.run.record.Host.Sysctls["net.ipv4.ip_local_port_range"])
	ephemeral := 0
	legs, err := proc.Sockets(func(local, remote netip.AddrPort) string {
		if p := int(local.Port()); p >= low && p <= high {
			ephemeral++
		}
		return t.leg(local, remote)
	})
	if err != nil {
		return // not measured
	}
	if ranged {
		row.EphemeralPorts = count(ephemeral)
	}
	front, back := legs["front"], legs["back"]
	row.FrontEstablished, row.FrontTimeWait = count(front["ESTABLISHED"]), count(front["TIME_WAIT"])
	row.FrontCloseWait = count(front["CLOSE_WAIT"])
	row.FrontFinWait = count(front["FIN_WAIT1"] + front["FIN_WAIT2"])
	if t.child != nil {
		row.BackEstablished, row.BackTimeWait = count(back["ESTABLISHED"]), count(back["TIME_WAIT"])
		row.BackCloseWait = count(back["CLOSE_WAIT"])
		row.BackFinWait = count(back["FIN_WAIT1"] + back["FIN_WAIT2"])
	}
}

// targetNow is the target's use of CPUs and memory in the last second; negative:
// not measured.
func (s *sampler) targetNow() (cpus float64, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.readings)
	if n < 2 {
		return -1, -1
	}
	last, there := s.readings[n-1].groups["target"]
	before, too := s.readings[n-2].groups["target"]
	if !there || !too {
		return -1, -1
	}
	span := s.readings[n-1].at.Sub(s.readings[n-2].at).Seconds()
	bytes = -1
	for i := n - 1; i >= 0 && bytes < 0; i-- {
		if u, ok := s.readings[i].groups["target"]; ok {
			bytes = u.PSS
		}
	}
	return (last.CPU - before.CPU).Seconds() / max(span, 1e-3), bytes
}

// gap is the longest time between two samples.
func (s *sampler) gap() time.Duration { return s.longest }

// stolen is the share of the machine's time that the hypervisor gave away.
func (s *sampler) stolen() float64 {
	span := s.lastTick.Sub(s.began).Seconds() * float64(len(proc.AvailableCPUs()))
	if span <= 0 {
		return 0
	}
	return s.steal.Seconds() / span
}

// edge is the pair of readings around a send window.
type edge struct {
	from, to reading
	whole    bool
	ended    chan struct{}
}

// edges reads all groups at both ends of a send window, so that what a message
// costs is counted over the messages that are counted.
func (s *sampler) edges(ctx context.Context, plan *loadgen.StepPlan) *edge {
	s.mu.Lock()
	s.step = plan.ID
	s.mu.Unlock()
	e := &edge{ended: make(chan struct{})}
	if plan.Send == nil {
		close(e.ended)
		return e
	}
	from := time.Unix(0, plan.StartAt).Add(plan.Send.Warmup)
	go func() {
		defer close(e.ended)
		if !sleepUntil(ctx, from) {
			return
		}
		e.from = s.mark(false, "")
		if !sleepUntil(ctx, from.Add(plan.Send.For)) {
			return
		}
		e.to, e.whole = s.mark(false, ""), true
	}()
	return e
}

// wait returns the edges once the window is over, or cut short.
func (e *edge) wait() *edge {
	<-e.ended
	return e
}

func sleepUntil(ctx context.Context, at time.Time) bool {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func seconds(d time.Duration) *float64 {
	v := d.Seconds()
	return &v
}

// measured is nil for the negative values that stand for "not measured".
func measured(n int64) *float64 {
	if n < 0 {
		return nil
	}
	v := float64(n)
	return &v
}

func count(n int) *float64 {
	v := float64(n)
	return &v
}
