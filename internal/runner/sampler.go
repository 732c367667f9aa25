package runner

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"wsgauge/internal/evloop"
	"wsgauge/internal/proc"
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

// running is a step that runs, as the sampler sees it.
type running struct {
	serial int
	id     string // empty: none of the scenario's
	stance stance
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
	standing sync.Mutex // held while the controller steps back or comes forward

	mu       sync.Mutex
	base     reading // ready, with no tunnel open
	readings []reading
	running  []running // steps, in the order in which they began
	now      agentNow
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

	generations *generations // nil: the target has not been told to reload
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
	if now := t.instance.Processes; now != nil {
		pids, err := now()
		if err != nil {
			return nil, fmt.Errorf("target %s: %w", t.target.Name, err)
		}
		s.roots["target"] = pids
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
	s.mark(true)
	s.base = s.readings[0]
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	go func() {
		defer close(s.ended)
		s.loop(ctx)
	}()
	return s, nil
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
			s.mark(pss)
		}
	}
}

func (s *sampler) stop() {
	s.cancel()
	<-s.ended
	s.release()
}

// load notes what the agents said last.
func (s *sampler) load(now agentNow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = now
}

// begin is told of a step that is about to run, and end when it is over: samples name
// the steps that run, and some of these must not be disturbed.
func (s *sampler) begin(j *job) error {
	s.mu.Lock()
	s.running = append(s.running, running{j.plan.Serial, j.plan.ID, stanceIn(j)})
	s.mu.Unlock()
	return s.stand()
}

func (s *sampler) end(serial int) error {
	s.mu.Lock()
	s.running = slices.DeleteFunc(s.running, func(r running) bool { return r.serial == serial })
	s.mu.Unlock()
	return s.stand()
}

// step names the steps that run: "load", "load+4.2", or nothing between steps. The
// caller holds the lock.
func (s *sampler) step() string {
	var ids []string
	for _, r := range s.running {
		if r.id != "" {
			ids = append(ids, r.id)
		}
	}
	return strings.Join(ids, "+")
}

// add watches one more process of a group, which has been started in the place of one
// that ended: what that one had used is kept.
func (s *sampler) add(group string, pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roots[group] = append(s.roots[group], pid)
}

// mark takes a reading of all groups, and writes it.
func (s *sampler) mark(pss bool) reading {
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
		u, parts, err := s.usage(name, pids, pss)
		if err != nil {
			continue // it has ended; what is not measured is not shown as zero
		}
		r.groups[name] = u
		s.write(s.row(now, name, u))
		for _, part := range slices.Sorted(maps.Keys(parts)) {
			s.write(s.row(now, part, parts[part]))
		}
	}
	if s.trial.board != nil && len(s.roots["target"]) == 0 {
		// Its page is all that is seen of it.
		row := s.blank(now, "target")
		s.trial.board.fill(&row, now)
		s.write(row)
	}
	s.readings = append(s.readings, r)
	s.write(s.machine(now, m, err, began))
	return r
}

// usage samples a group. The controller's descendants are all the others, so of
// the controller only itself is counted. Of a target that has been told to reload the
// generations are told apart.
func (s *sampler) usage(name string, pids []int, pss bool) (proc.Usage, map[string]proc.Usage, error) {
	if name == "controller" {
		u, err := s.probers[name].Alone(pids[0], pss)
		return u, nil, err
	}
	if now := s.trial.instance.Processes; name == "target" && now != nil {
		var err error
		if pids, err = now(); err != nil { // a unit may have been started anew since
			return proc.Usage{}, nil, err
		}
	}
	var part func(proc.Process) string
	if name == "target" && s.generations != nil {
		part = s.generations.of
	}
	return s.probers[name].UsageBy(pids, pss, part)
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
