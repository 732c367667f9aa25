package runner

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"wsgauge/echo"
	"wsgauge/internal/proc"
	"wsgauge/targets"
	"wsgauge/targets/external"
)

const (
	reachWithin  = 10 * time.Second // for an echo through a target that runs already
	statusWithin = 5 * time.Second  // for its status page
)

// reach proves, before anything is started or recorded, that every target that runs
// already answers: an echo through each of its addresses. One that does not is left out,
// and said, as long as another does.
func (r *run) reach(ctx context.Context) error {
	for _, t := range r.targets {
		e := t.external()
		if e == nil {
			continue
		}
		in, err := e.Prepare(targets.Site{})
		if err != nil {
			return fmt.Errorf("target %s: %w", t.Name, err)
		}
		good, bad := r.probes(ctx, in)
		if ctx.Err() != nil {
			return errInterrupted
		}
		if len(good) == 0 {
			return fmt.Errorf("target %s cannot be used, and nothing was started:\n  %w", t.Name, errors.Join(bad...))
		}
		for _, err := range bad {
			r.note(fmt.Sprintf("target %s: an address is left out: %v", t.Name, err))
		}
		e.Keep(good)
		if in.Status != nil {
			if _, err := statusOf(ctx, in.Status); err != nil {
				return fmt.Errorf("target %s: nothing was started: status: %w; mend it, or leave status out", t.Name, err)
			}
		}
	}
	return nil
}

// probes has an echo come through every address that the sources can dial.
func (r *run) probes(ctx context.Context, in *targets.Instance) (good []netip.AddrPort, bad []error) {
	outcome := make([]error, len(in.Addrs))
	var all sync.WaitGroup
	for i, addr := range in.Addrs {
		var source netip.Addr
		if len(r.Sources) > 0 {
			source = r.Sources[0]
			if source.Is4() != addr.Addr().Is4() {
				outcome[i] = fmt.Errorf("%v cannot be dialled from --source %v", addr, source)
				continue
			}
		}
		all.Go(func() { outcome[i] = probe(ctx, in.Reach, addr, source) })
	}
	all.Wait()
	for i, err := range outcome {
		if err != nil {
			bad = append(bad, err)
			continue
		}
		good = append(good, in.Addrs[i])
	}
	return good, bad
}

// probe has one echo come through a target that runs already.
func probe(ctx context.Context, reach *targets.Reach, addr netip.AddrPort, source netip.Addr) error {
	config, err := external.TLS(reach.TLS)
	if err != nil {
		return err
	}
	host, header := reach.Host, http.Header{}
	for name, value := range reach.Headers {
		if strings.EqualFold(name, "Host") {
			host = value
			continue
		}
		header[http.CanonicalHeaderKey(name)] = []string{value}
	}
	ctx, cancel := context.WithTimeout(ctx, reachWithin)
	defer cancel()
	if err := echo.ProbeWith(ctx, addr, host, reach.Path, source, config, header); err != nil {
		return fmt.Errorf("%w; %s", err, advice(err, reach))
	}
	return nil
}

// advice is what to do about a probe that failed.
func advice(err error, reach *targets.Reach) string {
	var p *echo.ProbeError
	phase := ""
	if errors.As(err, &p) {
		phase = p.Phase
	}
	switch phase {
	case "address", "dial":
		return "is the proxy running, and may this machine connect to it?"
	case "tls":
		return "does it speak TLS there? tls: {ca: FILE, server_name: NAME} says whom to believe, {insecure: true} believes anybody"
	}
	return fmt.Sprintf("does it lead %s to an echo server? `wsgauge echo --listen ADDRESS:PORT` starts one to put behind it", reach.Path)
}

// statusOf fetches a status page once.
func statusOf(ctx context.Context, s *targets.Status) (targets.Workers, error) {
	ctx, cancel := context.WithTimeout(ctx, statusWithin)
	defer cancel()
	b := &scoreboard{status: s, client: outsideClient(s)}
	defer b.client.CloseIdleConnections()
	w, _, err := b.scrape(ctx)
	return w, err
}

// outsideClient asks a status page of a target that runs already: from whatever address
// the kernel chooses.
func outsideClient(s *targets.Status) *http.Client {
	var config *tls.Config
	if s.TLS != nil {
		config = s.TLS.Clone() // the transport changes it
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true, DisableCompression: true}}
}

// meetExternal stands in for the start of a target that runs already.
func (t *trial) meetExternal(ctx context.Context) error {
	var err error
	if t.instance, err = t.target.impl.Prepare(targets.Site{}); err != nil {
		return err
	}
	t.run.noteConfig(t.target, t.instance.Config)
	for _, addr := range t.instance.Addrs {
		if err := t.echoOutside(ctx, addr); err != nil {
			return err
		}
	}
	t.drained(ctx)
	return nil
}

// echoOutside has one message echoed through a target that runs already.
func (t *trial) echoOutside(ctx context.Context, addr netip.AddrPort) error {
	var source netip.Addr
	if s := t.run.sourcesOf(t.target, t.site.sources); len(s) > 0 {
		source = s[0]
	}
	return probe(ctx, t.instance.Reach, addr, source)
}

// signalExternal does what a signal step says to processes that are not ours: nothing is
// waited for but the next handshake, and nothing is started anew.
func (t *trial) signalExternal(ctx context.Context, step, name string, d *deed) error {
	at := time.Now()
	text, err := t.signalledOutside(ctx, name, at, d)
	if err != nil {
		return fmt.Errorf("%s of target %s: %w", name, t.target.Name, err)
	}
	d.note("%s", text)
	t.acted(at, "signal", step, name, text, d)
	return nil
}

func (t *trial) signalledOutside(ctx context.Context, name string, at time.Time, d *deed) (string, error) {
	sig, err := t.target.external().Signal(name)
	if err != nil {
		return "", err
	}
	if name == "stop" || name == "kill" || name == "graceful_stop" {
		t.ended.Store(true)
	}
	kin := proc.Strangers(t.instance.Processes)
	if name == "pause" || name == "resume" || name == "kill" {
		n, err := kin.SignalAll(sig)
		d.timed(at)
		return fmt.Sprintf("%s to all its %d processes", proc.SignalName(sig), n), err
	}
	before, err := kin.Members()
	if err != nil {
		return "", err
	}
	pid, err := kin.Signal(sig)
	if err != nil {
		return "", err
	}
	d.timed(at)
	text := fmt.Sprintf("%s to process %d", proc.SignalName(sig), pid)
	if name == "stop" || name == "graceful_stop" {
		return text, nil
	}
	told := make(chan struct{})
	close(told)
	return text, t.nextHandshake(ctx, kin, before, at, told, d)
}

const (
	lookOutsideEvery = 500 * time.Millisecond // for whether the processes still live
	lastClosures     = 1200 * time.Millisecond
)

// watchOutside ends the steps when the processes of a target that runs already, of which
// some are known, have ended by themselves.
func (t *trial) watchOutside() {
	w := t.watches
	w.ending.Go(func() {
		for sleepUntil(w.ctx, time.Now().Add(lookOutsideEvery)) {
			pids, err := t.instance.Processes()
			if err == nil && slices.ContainsFunc(pids, func(pid int) bool {
				_, err := proc.ProcessName(pid)
				return !errors.Is(err, os.ErrProcessDone)
			}) {
				continue
			}
			// The agents see the ends of their connections and report within a second;
			// those closures belong to the record.
			if !t.ended.Load() && sleepUntil(w.ctx, time.Now().Add(lastClosures)) {
				w.fail(&targetError{t.target.Name, errors.Join(errors.New("its processes, which ran before, have ended"), err)})
			}
			return
		}
	})
}

// outerLeg names the sockets of a target that runs already which are this trial's, by
// the listener's end where it is here, or else by the clients'. Where the kernel chose
// the clients' addresses, other clients of the same target cannot be told apart.
func (t *trial) outerLeg(local, remote netip.AddrPort) string {
	ours := func(a netip.Addr) bool {
		sources := t.run.sourcesOf(t.target, t.site.sources)
		return len(sources) == 0 || slices.Contains(sources, a)
	}
	switch {
	case t.local && slices.Contains(t.instance.Addrs, local) && ours(remote.Addr()):
		return "front"
	case !t.local && slices.Contains(t.instance.Addrs, remote) && ours(local.Addr()):
		return "front"
	}
	return ""
}
