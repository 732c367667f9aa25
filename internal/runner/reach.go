package runner

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"wsgauge/echo"
	"wsgauge/targets"
	"wsgauge/targets/external"
)

const (
	reachWithin  = 10 * time.Second // for an echo through a target that runs already
	statusWithin = 5 * time.Second  // for its status page
	statusLimit  = 1 << 20          // bytes of that page
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
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		return targets.Workers{}, err
	}
	for name, value := range s.Headers {
		if strings.EqualFold(name, "Host") {
			request.Host = value
			continue
		}
		request.Header.Set(name, value)
	}
	var config *tls.Config
	if s.TLS != nil {
		config = s.TLS.Clone() // the transport changes it
	}
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return targets.Workers{}, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return targets.Workers{}, fmt.Errorf("%s answered with %s", s.URL, answer.Status)
	}
	page, err := io.ReadAll(io.LimitReader(answer.Body, statusLimit))
	if err != nil {
		return targets.Workers{}, fmt.Errorf("reading %s: %w", s.URL, err)
	}
	w, err := s.Parse(page)
	if err != nil {
		return targets.Workers{}, fmt.Errorf("%s: %w", s.URL, err)
	}
	return w, nil
}

// meetExternal stands in for the start of a target that runs already.
func (t *trial) meetExternal(ctx context.Context) error {
	var err error
	if t.instance, err = t.target.impl.Prepare(targets.Site{}); err != nil {
		return err
	}
	t.run.noteConfig(t.target, t.instance.Config)
	source := netip.Addr{}
	if s := t.run.sourcesOf(t.target, t.site.sources); len(s) > 0 {
		source = s[0]
	}
	for _, addr := range t.instance.Addrs {
		if err := probe(ctx, t.instance.Reach, addr, source); err != nil {
			return err
		}
	}
	t.drained(ctx)
	return nil
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
