package runner

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"wsgauge/echo"
	"wsgauge/internal/proc"
	"wsgauge/internal/tlsconn"
	"wsgauge/loadgen"
	"wsgauge/results"
	"wsgauge/scenarios"
	"wsgauge/targets"
)

// trial is one pass of all steps over one target, with fresh processes.
type trial struct {
	run    *run
	number int // from 1, over the run
	target *chosen
	site   site
	start  time.Time
	record results.Trial

	dir      string
	backends []*proc.Child
	addrs    []netip.AddrPort // of the backends
	instance *targets.Instance
	files    *targets.Certificates // nil: nothing of the trial speaks TLS
	trust    *loadgen.Trust        // of whoever connects; nil likewise
	child    *proc.Child           // the target; nil for direct
	agents   *agents
	sampler  *sampler
	board    *scoreboard // nil: the target says nothing of its workers
	log      *targets.Tail
	sum      loadgen.Recorder
	passes   []*passes     // by step, in their order
	window   time.Duration // all send windows
	peak     int
}

// runTrial runs a trial to its record; an error is one of the run itself, after
// which no further trial makes sense. What goes wrong with the target or the load
// ends the trial and stands in its record.
func (r *run) runTrial(ctx context.Context, number, block int, target *chosen) error {
	t := &trial{run: r, number: number, target: target, start: time.Now(),
		site: r.network.site(number, r.scenario.MaxOpen(), portsPerPair(r.record.Host.Sysctls["net.ipv4.ip_local_port_range"])),
		record: results.Trial{Block: block, Target: target.Name,
			Resources: map[string]*results.Resources{}, Log: map[string]int64{}}}
	t.record.StartedS = t.start.Sub(r.start).Seconds()
	t.event(results.Event{Kind: "trial_start"})
	clock := newClockCheck()

	err := t.up(ctx)
	if err == nil {
		err = t.steps(ctx)
	}
	if cause := context.Cause(ctx); cause != nil {
		err = errInterrupted
	}
	// The way down must not be cut short by what cut the trial short.
	down, cancel := context.WithTimeout(context.WithoutCancel(ctx), 60*time.Second)
	defer cancel()
	closing := t.down(down)

	if err != nil {
		t.record.Error = err.Error()
	}
	t.finish(clock)
	if werr := r.dir.AppendTrial(&t.record); werr != nil {
		return errors.Join(werr, closing)
	}
	t.event(results.Event{Kind: "trial_end", Text: t.record.Error})
	r.trialDone(t)
	return closing
}

// up starts the backend, the target and the agents, each proved ready.
func (t *trial) up(ctx context.Context) error {
	r := t.run
	r.status(func(s *Status) { s.Step, s.Open = "starting", 0 })
	var err error
	if t.dir, err = r.keeper.TempDir(); err != nil {
		return err
	}
	logDir, err := r.dir.LogDir(t.record.Block, t.target.Name)
	if err != nil {
		return err
	}
	if err := t.certify(); err != nil {
		return err
	}
	for i := range r.spread.backends {
		if err := t.startBackend(ctx, logDir, i); err != nil {
			return fmt.Errorf("backend: %w", err)
		}
	}
	if err := t.startTarget(ctx, logDir); err != nil {
		t.record.TargetEnded = context.Cause(ctx) == nil && t.instance != nil && len(t.instance.Argv) > 0
		return fmt.Errorf("target %s: %w", t.target.Name, err)
	}
	agents, _ := t.cpus().realtime(r.spread.agents*r.scenario.Agents.Workers, r.spread.backends)
	as := loadgen.Assignment{Realtime: agents,
		Agents: r.spread.agents, Workers: r.scenario.Agents.Workers,
		Seed: r.scenario.Seed, Nice: r.record.Placement.AgentsNice, Addrs: t.instance.Addrs, Sources: t.site.sources,
		Host: t.instance.Addrs[0].String(), Path: "/"}
	if r.scenario.WSS(t.target.Target) {
		trust := *t.trust
		trust.Name = t.instance.Addrs[0].Addr().String()
		as.TLS = &trust
	}
	spec := proc.Spec{Output: filepath.Join(logDir, "agent.log"), CPUs: t.cpus().agents}
	r.raiseFiles(&spec)
	if t.agents, err = startAgents(ctx, r, rand.Text(), spec, as); err != nil {
		return err
	}
	t.readLog(false)
	if t.board, err = startScoreboard(t); err != nil {
		return err
	}
	t.sampler, err = startSampler(t)
	return err
}

func (t *trial) startBackend(ctx context.Context, logDir string, index int) error {
	r := t.run
	spec := proc.Spec{Name: "backend", Output: filepath.Join(logDir, "backend.log"), CPUs: t.cpus().backend}
	if r.spread.backends > 1 {
		spec.Name = fmt.Sprintf("backend %d", index)
	}
	t.cpus().prompt(&spec, r.record.Placement.AgentsNice)
	r.raiseFiles(&spec)
	return r.onFreePort(t.site.backend, func(addr netip.AddrPort) error {
		spec.Argv = []string{r.Executable, "echo", "--listen", addr.String()}
		if _, share := t.cpus().realtime(r.spread.agents*r.scenario.Agents.Workers, r.spread.backends); share > 0 {
			spec.Argv = append(spec.Argv, "--realtime", strconv.FormatFloat(share, 'g', 3, 64))
		}
		if r.scenario.Backend.TLS {
			spec.Argv = append(spec.Argv, "--tls-cert", t.files.Cert, "--tls-key", t.files.Key)
		}
		child, err := r.keeper.Start(spec)
		if err != nil {
			return err
		}
		if err := t.ready(ctx, child, addr, r.scenario.Backend.TLS, readyWithin); err != nil {
			return errors.Join(err, child.Stop(context.WithoutCancel(ctx), time.Second))
		}
		t.backends, t.addrs = append(t.backends, child), append(t.addrs, addr)
		return nil
	})
}

func (t *trial) startTarget(ctx context.Context, logDir string) error {
	r := t.run
	return r.onFreePort(t.site.target, func(addr netip.AddrPort) error {
		// A second try gets a directory of its own: the first may have left files.
		dir, err := os.MkdirTemp(t.dir, "target-")
		if err != nil {
			return err
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			return err
		}
		t.instance, err = t.target.impl.Prepare(targets.Site{Listen: addr, Backends: t.addrs, Sources: t.site.onward, Probe: t.site.probe,
			Dir: dir, LogDir: logDir, Certificates: t.files, Executable: r.Executable, Opened: r.scenario.MaxOpen()})
		if err != nil {
			return err
		}
		r.noteConfig(t.target, t.instance.Config)
		if t.instance.Config != "" {
			if err := os.WriteFile(filepath.Join(logDir, "target.conf"), []byte(t.instance.Config), 0o644); err != nil {
				return err
			}
		}
		if len(t.instance.Argv) == 0 {
			return nil
		}
		if t.instance.ErrorLog != "" {
			t.log = &targets.Tail{Path: t.instance.ErrorLog, Code: t.instance.Code}
		}
		spec := proc.Spec{Name: t.target.Name, Argv: t.instance.Argv, Env: t.instance.Env, Dir: cmp.Or(t.instance.Dir, dir),
			Output: filepath.Join(logDir, targets.OutputFile), CPUs: cmp.Or(t.target.CPUs, t.cpus().target),
			NofileSoft: t.target.Nofile.Soft, NofileHard: t.target.Nofile.Hard}
		if t.target.Tunnel != nil && t.target.Nofile == (scenarios.Nofile{}) {
			r.raiseFiles(&spec)
		}
		child, err := r.keeper.Start(spec)
		if err != nil {
			return err
		}
		t.child = child
		err = t.ready(ctx, child, t.instance.Addrs[0], r.scenario.WSS(t.target.Target), time.Minute)
		if err == nil {
			err = t.settled(ctx)
		}
		if err != nil {
			t.child = nil
			return errors.Join(err, child.Stop(context.WithoutCancel(ctx), time.Second))
		}
		return nil
	})
}

// ready waits for an echo through addr: an open port proves nothing.
func (t *trial) ready(ctx context.Context, child *proc.Child, addr netip.AddrPort, wss bool, within time.Duration) error {
	var config *tls.Config
	if wss {
		var err error
		if config, err = tlsconn.ClientConfig([]byte(t.trust.CA), addr.Addr().String(), tlsconn.Options{}); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("no echo through it within %v", within))
	defer cancel()
	for {
		one, done := context.WithTimeout(ctx, 5*time.Second)
		err := echo.ProbeTLS(one, addr, addr.String(), "/", t.site.probe, config)
		done()
		if err == nil {
			return nil
		}
		select {
		case <-child.Done():
			return child.Err()
		case <-ctx.Done():
			if tail := child.Tail(); tail != "" {
				return fmt.Errorf("%w (last: %v); its output ends:\n%s", context.Cause(ctx), err, tail)
			}
			return fmt.Errorf("%w (last: %v)", context.Cause(ctx), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// settled waits until everything that is started beforehand stands, and until
// the probe's connection is gone and its worker free again.
func (t *trial) settled(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("it did not start all its workers within 1m"))
	defer cancel()
	prober, err := proc.NewProber()
	if err != nil {
		return err
	}
	defer prober.Close()
	for {
		free, err := idle(t.everyLeg)
		if err != nil {
			return err
		}
		if free && t.instance.Settled != nil {
			u, err := prober.Usage([]int{t.child.PID()}, false)
			if err != nil {
				return err
			}
			free = t.instance.Settled(u.Processes, u.Threads)
		}
		if free {
			return nil
		}
		select {
		case <-t.child.Done():
			return t.child.Err()
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// idle tells whether no connection is left on either leg, TIME_WAIT apart.
func (t *trial) idle() (bool, error) { return idle(t.leg) }

func idle(leg func(local, remote netip.AddrPort) string) (bool, error) {
	legs, err := proc.Sockets(leg)
	if err != nil {
		return false, err
	}
	for _, states := range legs {
		for state, n := range states {
			if n > 0 && state != "TIME_WAIT" && state != "LISTEN" {
				return false, nil
			}
		}
	}
	return true, nil
}

// leg names the side of the target that a socket serves, by the listener's end. The
// runner's own questions (readiness, the scoreboard) are not of the load.
func (t *trial) leg(local, remote netip.AddrPort) string {
	if remote.Addr() == t.site.probe {
		return ""
	}
	return t.everyLeg(local, remote)
}

// everyLeg is leg with the runner's own questions.
func (t *trial) everyLeg(local, _ netip.AddrPort) string {
	switch {
	case slices.Contains(t.instance.Addrs, local):
		return "front"
	case slices.Contains(t.addrs, local):
		return "back"
	}
	return ""
}

// steps walks the scenario's steps; the target's death ends them.
func (t *trial) steps(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := make(chan struct{})
	defer func() { cancel(nil); <-watched }()
	go func() {
		defer close(watched)
		t.watch(ctx, cancel)
	}()
	c := newCourse(t)
	err := c.steps(ctx, t.run.scenario.Steps)
	if err == nil {
		t.run.status(func(s *Status) {
			s.Step = "closing"
			s.PerSecond, s.P50, s.P99 = 0, 0, 0
		})
		err = c.finish(ctx)
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		var died *targetError
		t.record.TargetEnded = errors.As(cause, &died)
		return cause
	}
	return err
}

// targetError says that the target ended while it was needed.
type targetError struct {
	name string
	err  error
}

func (e *targetError) Error() string { return fmt.Sprintf("target %s: %v", e.name, e.err) }

func (e *targetError) Unwrap() error { return e.err }

// watch ends the steps when a process that they need has ended by itself.
func (t *trial) watch(ctx context.Context, cancel context.CancelCauseFunc) {
	var target <-chan struct{}
	if t.child != nil {
		target = t.child.Done()
	}
	ended := make(chan *proc.Child, len(t.backends))
	for _, b := range t.backends {
		go func() {
			select {
			case <-b.Done():
				ended <- b
			case <-ctx.Done():
			}
		}()
	}
	var backend *proc.Child
	select {
	case <-ctx.Done():
		return
	case <-target:
	case backend = <-ended:
	}
	// The agents see the ends of their connections and report within a second;
	// those closures belong to the record.
	select {
	case <-ctx.Done():
		return
	case <-time.After(1200 * time.Millisecond):
	}
	if backend != nil {
		cancel(fmt.Errorf("backend: %w", backend.Err()))
		return
	}
	cancel(&targetError{t.target.Name, t.child.Err()})
}

// down ends everything of the trial, clients first: a target that is told to stop
// with live tunnels may take its time.
func (t *trial) down(ctx context.Context) error {
	var errs []error
	if t.sampler != nil {
		t.sampler.stop()
	}
	t.board.stop()
	if t.agents != nil {
		errs = append(errs, t.agents.stop(ctx))
	}
	if t.child != nil {
		t.drained(ctx)
		t.readLog(true)
		errs = append(errs, t.child.Stop(ctx, t.instance.StopGrace))
	}
	for _, b := range t.backends {
		errs = append(errs, b.Stop(ctx, 2*time.Second))
	}
	t.closeLog()
	if t.dir != "" {
		errs = append(errs, t.run.keeper.RemoveDir(t.dir))
	}
	return errors.Join(errs...)
}

// drained waits, for a while, until the target has let go of the clients that
// have just left: Apache that is told to stop before takes ten seconds.
func (t *trial) drained(ctx context.Context) {
	for limit := time.Now().Add(3 * time.Second); time.Now().Before(limit) && ctx.Err() == nil; {
		if free, err := t.idle(); err != nil || free {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// finish turns what was gathered into the trial's record.
func (t *trial) finish(clock clockCheck) {
	t.record.EndedS = time.Since(t.run.start).Seconds()
	t.record.Figures = figures(&t.sum, t.peak, t.window)
	c := circumstances{clockDrift: clock.drift()}
	if t.sampler != nil {
		t.record.Resources = t.sampler.total(&t.record)
		c.longestGap, c.stolen, c.others = t.sampler.gap(), t.sampler.stolen(), t.sampler.others
	}
	t.record.Invalid = judge(t.record.Error, t.merged(), c)
	t.record.Valid = true
	for _, i := range t.record.Invalid {
		for _, f := range i.Figures {
			t.record.Valid = t.record.Valid && f != "all"
		}
	}
}

func (t *trial) event(e results.Event) { t.eventAt(time.Now(), e) }

func (t *trial) eventAt(at time.Time, e results.Event) {
	e.AtS = at.Sub(t.run.start).Seconds()
	e.Block, e.Target = t.record.Block, t.target.Name
	t.run.event(e)
}

func (t *trial) cpus() layout { return t.run.layout.with(t.target.CPUs) }
