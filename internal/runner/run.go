package runner

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"time"

	"wsgauge/internal/bus"
	"wsgauge/internal/evloop"
	"wsgauge/internal/proc"
	"wsgauge/results"
	"wsgauge/scenarios"
	"wsgauge/targets"
)

// Options says what to run and where its records go.
type Options struct {
	Scenario *scenarios.Scenario
	// Out is the run's directory; it must not exist, or be empty.
	Out string
	// Executable is the wsgauge to start as agent, backend and tunnel.
	Executable string
	// Version of this wsgauge, for the record.
	Version string
	// Command is what the user typed, for the record.
	Command []string
	// NATS is the URL of a bus to use; empty: an embedded one.
	NATS string
	// RequireAll makes a target that cannot run here an error.
	RequireAll bool
	// Sources are the addresses of this machine that clients of targets which run already
	// dial from, in turn; empty: the kernel's choice, or loopback addresses of the run's own.
	Sources []netip.Addr
	// Realtime is how far agents and backend go before others; nil: as usual.
	Realtime *Realtime
	// MaxSteal is the share of the machine's time (0 to 1) that the hypervisor may take
	// before a trial is invalid; 0: as usual.
	MaxSteal float64
	Watcher  Watcher
}

// errInterrupted is why a trial ended when the run was told to stop.
var errInterrupted = errors.New("interrupted")

// run is one invocation: blocks × targets, and its directory.
type run struct {
	Options
	scenario     *scenarios.Scenario
	start        time.Time
	dir          *results.Dir
	record       results.Run
	keeper       *proc.Keeper
	bus          *bus.Conn
	busURL       string
	network      network
	layout       layout
	backend      backend
	targets      []*chosen
	limits       proc.ResourceLimits
	spread       spread
	tunnelsAdded int   // processes that tunnels have beyond what was asked; 0: none
	memory       int64 // bytes that are available

	mu   sync.Mutex // guards the watcher, now and end
	now  Status
	end  time.Time       // of the whole run, estimated when the present trial began
	took []time.Duration // of the trials done
	ioMu sync.Mutex
	ioe  error // the first failure to write a record
}

// chosen is a target that can run here.
type chosen struct {
	scenarios.Target
	impl    targets.Target
	version targets.Version
}

// Run runs the scenario and leaves its records in o.Out. An interrupted run (ctx
// ended) is no error: the record says so. The error is for a run that could not
// begin or go on; what was measured before is in the directory then, too.
func Run(ctx context.Context, o Options) (*results.Run, error) {
	r := &run{Options: o, scenario: o.Scenario, start: time.Now()}
	if err := r.choose(); err != nil {
		return nil, err
	}
	if err := r.plan(); err != nil {
		return nil, err
	}
	if err := r.reach(ctx); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, errInterrupted // nothing was begun: there is nothing to keep
	}
	var err error
	if r.dir, err = results.Create(o.Out); err != nil {
		return nil, err
	}
	defer r.dir.Close()
	if err := errors.Join(r.dir.ScenarioFile(o.Scenario.AsRun()), r.dir.WriteRun(&r.record)); err != nil {
		return nil, err
	}
	err = r.withParts(ctx, func() error { return r.trials(ctx) })
	r.record.EndedAt = time.Now().UTC()
	r.record.Status = "complete"
	if ctx.Err() != nil {
		r.record.Status = "interrupted"
	} else if err != nil {
		r.record.Status = "failed"
	}
	return &r.record, errors.Join(err, r.ioe, r.dir.WriteRun(&r.record))
}

// withParts runs f with the keeper of children and the bus, and takes both down
// again, however f ends.
func (r *run) withParts(ctx context.Context, f func() error) (err error) {
	if r.keeper, err = proc.NewKeeper(r.Executable); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.keeper.Close()) }()
	if r.network, err = newNetwork(); err != nil {
		return err
	}
	r.busURL = r.NATS
	if r.busURL == "" {
		server, err := bus.StartServer()
		if err != nil {
			return err
		}
		defer server.Close()
		r.busURL = server.URL()
	}
	if r.bus, err = bus.Connect(r.busURL, "wsgauge controller"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.bus.Close()) }()
	return f()
}

// choose finds what each target needs on this machine; what is not there is
// skipped and named.
func (r *run) choose() error {
	if err := r.findBackend(); err != nil {
		return err
	}
	for _, t := range r.scenario.Targets {
		impl, err := kind(t)
		if err != nil {
			return err
		}
		version, err := impl.Find()
		var missing *targets.MissingError
		switch {
		case errors.As(err, &missing):
			if r.RequireAll {
				return fmt.Errorf("target %s: %w", t.Name, err)
			}
			r.record.Skipped = append(r.record.Skipped, results.SkippedTarget{Name: t.Name,
				Reason: missing.Reason(), Remedy: missing.Remedy})
			r.note(fmt.Sprintf("target %s is skipped: %v", t.Name, err))
			continue
		case err != nil:
			return fmt.Errorf("target %s: %w", t.Name, err)
		}
		r.targets = append(r.targets, &chosen{t, impl, version})
	}
	if len(r.targets) == 0 {
		return errors.New("no target of this scenario can run here: " + r.skippedReasons())
	}
	return nil
}

func (r *run) skippedReasons() string {
	out := ""
	for i, s := range r.record.Skipped {
		if i > 0 {
			out += "; "
		}
		out += s.Name + ": " + s.Reason
		if s.Remedy != "" {
			out += " (" + s.Remedy + ")"
		}
	}
	return out
}

// plan surveys the machine and refuses what cannot work on it.
func (r *run) plan() error {
	if err := r.survey(); err != nil {
		return err
	}
	if text := r.spreadNote(); text != "" {
		r.note(text)
	}
	return r.preflight()
}

// survey fills the record with everything that is known before the first process
// starts.
func (r *run) survey() error {
	s := r.scenario
	var err error
	if r.limits, err = proc.Limits(); err != nil {
		return err
	}
	host, err := proc.Host()
	if err != nil {
		return err
	}
	r.memory = host.MemoryAvailableBytes
	r.spread = spreadOver(s.MaxOpen(), s.Agents.Count, s.Backend.Instances, 1, r.limits.NofileHard)
	r.spreadBackends()
	r.spreadTunnels()
	if !r.ownBackends() {
		r.spread.backends = 0
	}
	r.layout = place(s, proc.AvailableCPUs(), r.Realtime)
	sum, err := fileHash(r.Executable)
	if err != nil {
		return err
	}
	r.record.Format = results.Format
	r.record.Scenario, r.record.About, r.record.Command = s.Name, s.About, r.Command
	r.record.StartedAt, r.record.Status = r.start.UTC(), "running"
	r.record.Tool = results.Tool{Version: r.Version, Go: runtime.Version(), SHA256: sum}
	r.record.Host = results.Host{Name: host.Name, OS: host.OS, Kernel: host.Kernel, Arch: host.Arch,
		CPU: host.CPU, CPUs: host.CPUs, MemoryBytes: host.MemoryBytes, Sysctls: host.Sysctls}
	r.record.Limits = results.Limits{NofileSoft: r.limits.NofileSoft, NofileHard: r.limits.NofileHard,
		Nproc: r.limits.Nproc, PidMax: r.limits.PidMax}
	if n := s.Netns; n != nil && host.Sysctls["net.ipv4.ip_local_port_range"] != n.PortRange() {
		return fmt.Errorf("the scenario has a network namespace whose ephemeral ports are %s, and here they are %s: it was not entered (proc.EnterNetwork)",
			n.PortRange(), host.Sysctls["net.ipv4.ip_local_port_range"])
	}
	r.record.Placement = r.layout.record(r.targets)
	r.record.MaxSteal = r.MaxSteal
	if r.record.Backend = r.backendInfo(sum); r.backend.remote != nil {
		r.record.Placement.Backend = "" // nobody knows
	}
	r.record.Params = s.Params
	r.record.Seed, r.record.Agents, r.record.Blocks = s.Seed, r.spread.agents, s.Blocks
	r.record.Expect = s.Expect
	r.record.Claim = ClaimRecord(s.Claim)
	r.record.Order = order(s.Seed, s.Blocks, r.targets)
	for _, t := range r.targets {
		info := results.TargetInfo{Name: t.Name, Kind: t.Kind(), Version: t.version.Text,
			Path: t.version.Path, SHA256: t.version.SHA256}
		if t.Nofile != (scenarios.Nofile{}) {
			info.Nofile = fmt.Sprintf("%d:%d", t.Nofile.Soft, t.Nofile.Hard)
		}
		if e := t.external(); e != nil {
			local, err := e.Local()
			if err != nil {
				return fmt.Errorf("target %s: %w", t.Name, err)
			}
			info.Remote, info.Unwatched = !local, !e.Watched()
		}
		r.record.Targets = append(r.record.Targets, info)
	}
	return nil
}

// order puts every target once in every block, each block shuffled by the seed.
func order(seed uint64, blocks int, list []*chosen) [][]string {
	random := rand.New(rand.NewPCG(seed, 0x0bde))
	out := make([][]string, blocks)
	for b := range out {
		for _, i := range random.Perm(len(list)) {
			out[b] = append(out[b], list[i].Name)
		}
	}
	return out
}

func (r *run) trials(ctx context.Context) error {
	number, total := 0, r.scenario.Blocks*len(r.targets)
	for b, names := range r.record.Order {
		for _, name := range names {
			if ctx.Err() != nil {
				return nil
			}
			number++
			r.status(func(s *Status) {
				r.end = time.Now().Add(r.left(total - number + 1))
				*s = Status{Trial: number, Trials: total, Block: b + 1, Blocks: r.scenario.Blocks,
					Target: name, TargetCPU: -1, TargetBytes: -1}
			})
			begun := time.Now()
			if err := r.runTrial(ctx, number, b+1, r.byName(name)); err != nil {
				return err
			}
			r.took = append(r.took, time.Since(begun))
		}
	}
	return nil
}

func (r *run) byName(name string) *chosen {
	for _, t := range r.targets {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// left estimates the time for n more trials: from those that are done, and from
// the scenario's own times before.
func (r *run) left(n int) time.Duration {
	if len(r.took) == 0 {
		return times(n, r.scenario.Duration()+startUp)
	}
	var sum time.Duration
	for _, d := range r.took {
		sum += d
	}
	return times(n, sum/time.Duration(len(r.took)))
}

// times is n times d, the longest duration at most: many trials of a year would not
// fit.
func times(n int, d time.Duration) time.Duration {
	if d > 0 && time.Duration(n) > math.MaxInt64/d {
		return math.MaxInt64
	}
	return time.Duration(n) * d
}

// startUp is what starting and stopping the processes of a trial takes, roughly.
const startUp = 1500 * time.Millisecond

// onFreePort calls start with ports until one is not taken by someone else in
// the moment between choosing and binding.
func (r *run) onFreePort(host netip.Addr, start func(netip.AddrPort) error) error {
	for try := 1; ; try++ {
		port, err := proc.FreePort(host)
		if err != nil {
			return err
		}
		err = start(netip.AddrPortFrom(host, port))
		if err == nil || try == 3 || !portTaken(host, port, err) {
			return err
		}
	}
}

// portTaken tells whether a start failed because someone else listens there.
func portTaken(host netip.Addr, port uint16, err error) bool {
	fd, _, lerr := evloop.Listen(netip.AddrPortFrom(host, port), 1, false)
	if lerr == nil {
		evloop.CloseSocket(fd)
		return false
	}
	return errors.Is(lerr, evloop.ErrInUse)
}

// raiseFiles gives a part of wsgauge itself all the descriptors that it may have.
func (r *run) raiseFiles(s *proc.Spec) {
	s.NofileSoft, s.NofileHard = r.limits.NofileHard, r.limits.NofileHard
}

// noteConfig keeps the configuration of a target's first trial for the record.
func (r *run) noteConfig(t *chosen, config string) {
	for i := range r.record.Targets {
		if info := &r.record.Targets[i]; info.Name == t.Name && info.Config == "" && config != "" {
			info.Config = config
			r.keepError(r.dir.WriteRun(&r.record))
		}
	}
}

func (r *run) event(e results.Event) { r.keepError(r.dir.AppendEvent(e)) }

// keepError remembers the first failure to write; the run goes on, since what it
// shows on the terminal is worth having, and ends with that error.
func (r *run) keepError(err error) {
	if err == nil {
		return
	}
	r.ioMu.Lock()
	defer r.ioMu.Unlock()
	if r.ioe == nil {
		r.ioe = err
	}
}

func (r *run) status(change func(*Status)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.now)
	r.now.Left = max(0, time.Until(r.end))
	if r.Watcher != nil {
		r.Watcher.Status(r.now)
	}
}

func (r *run) note(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Watcher != nil {
		r.Watcher.Note(text)
	}
}

func (r *run) trialDone(t *trial) {
	s := TrialSummary{Trial: t.number, Trials: r.now.Trials, Block: t.record.Block, Target: t.target.Name,
		Took: time.Since(t.start), Opened: t.record.Connections.Opened, Answered: t.record.Messages.Through(),
		Error: t.record.Error, Record: &t.record}
	for _, n := range t.record.Failures {
		s.Failures += n
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Watcher != nil {
		r.Watcher.TrialDone(s)
	}
}

func fileHash(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("hashing the executable: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("hashing %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
