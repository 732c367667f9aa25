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
	"time"

	"wsgauge/echo"
	"wsgauge/internal/proc"
	"wsgauge/internal/tlsconn"
	"wsgauge/loadgen"
	"wsgauge/scenarios"
	"wsgauge/targets"
)

// up starts the backend, the target and the agents, each proved ready.
func (t *trial) up(ctx context.Context) error {
	r := t.run
	r.status(func(s *Status) { s.Step, s.Open = "starting", 0 })
	var err error
	if t.dir, err = r.keeper.TempDir(); err != nil {
		return err
	}
	if t.logDir, err = r.dir.LogDir(t.record.Block, t.target.Name); err != nil {
		return err
	}
	if err := t.certify(); err != nil {
		return err
	}
	backends := r.spread.backends
	if t.target.external() != nil {
		backends = 0 // it has its own behind it
	}
	for i := range backends {
		if err := t.startBackend(ctx, i); err != nil {
			return fmt.Errorf("backend: %w", err)
		}
	}
	if err := t.startTarget(ctx); err != nil {
		t.record.TargetEnded = context.Cause(ctx) == nil && t.instance != nil && len(t.instance.Argv) > 0
		return fmt.Errorf("target %s: %w", t.target.Name, err)
	}
	agents, _ := t.cpus().realtime(r.spread.agents*r.scenario.Agents.Workers, r.spread.backends)
	as := loadgen.Assignment{Realtime: agents,
		Agents: r.spread.agents, Workers: r.scenario.Agents.Workers,
		Seed: r.scenario.Seed, Nice: r.record.Placement.AgentsNice, Addrs: t.instance.Addrs, Sources: t.site.sources,
		Host: t.instance.Addrs[0].String(), Path: t.path()}
	if b := r.backend.remote; b != nil && t.direct() {
		as.Host = b.host
	}
	if reach := t.instance.Reach; reach != nil {
		as.Host, as.Path, as.Headers, as.Sources = reach.Host, reach.Path, reach.Headers, r.sourcesOf(t.target, t.site.sources)
		as.TLS = (*loadgen.Trust)(reach.TLS)
	} else if r.scenario.WSS(t.target.Target) {
		trust := *t.trust
		trust.Name = t.instance.Addrs[0].Addr().String()
		if b := r.backend.remote; b != nil && t.direct() {
			trust.Name = b.name
		}
		as.TLS = &trust
	}
	spec := proc.Spec{Output: filepath.Join(t.logDir, "agent.log"), CPUs: t.cpus().agents}
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

func (t *trial) startTarget(ctx context.Context) error {
	r := t.run
	if e := t.target.external(); e != nil {
		var err error
		if t.local, err = e.Local(); err != nil {
			return err
		}
		return t.meetExternal(ctx)
	}
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
			Dir: dir, LogDir: t.logDir, Certificates: t.files, Executable: r.Executable, Opened: r.scenario.MaxOpen()})
		if err != nil {
			return err
		}
		r.noteConfig(t.target, t.instance.Config)
		if t.instance.Config != "" {
			if err := os.WriteFile(filepath.Join(t.logDir, "target.conf"), []byte(t.instance.Config), 0o644); err != nil {
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
			Output: filepath.Join(t.logDir, targets.OutputFile), CPUs: cmp.Or(t.target.CPUs, t.cpus().target),
			NofileSoft: t.target.Nofile.Soft, NofileHard: t.target.Nofile.Hard}
		if t.target.Tunnel != nil && t.target.Nofile == (scenarios.Nofile{}) {
			r.raiseFiles(&spec)
		}
		child, err := r.keeper.Start(spec)
		if err != nil {
			return err
		}
		t.child, t.spec = child, spec
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

// echo has one message echoed through addr, within five seconds.
func (t *trial) echo(ctx context.Context, addr netip.AddrPort, wss bool) error {
	if t.instance != nil && t.instance.Reach != nil {
		return t.echoOutside(ctx, addr)
	}
	var config *tls.Config
	if wss {
		var err error
		if config, err = tlsconn.ClientConfig([]byte(t.trust.CA), addr.Addr().String(), tlsconn.Options{}); err != nil {
			return err
		}
	}
	ctx, done := context.WithTimeout(ctx, 5*time.Second)
	defer done()
	return echo.ProbeTLS(ctx, addr, addr.String(), t.path(), t.site.probe, config)
}

// ready waits for an echo through addr: an open port proves nothing.
func (t *trial) ready(ctx context.Context, child *proc.Child, addr netip.AddrPort, wss bool, within time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("no echo through it within %v", within))
	defer cancel()
	for {
		err := t.echo(ctx, addr, wss)
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
		front, back, err := connections(t.ours(t.everyLeg))
		if err != nil {
			return err
		}
		free := front+back == 0
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
