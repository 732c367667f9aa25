package scenarios

import (
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

// fromEnv is a header's value that stands in the environment.
var fromEnv = regexp.MustCompile(`^env:[A-Za-z_][A-Za-z0-9_]*$`)

func (b *builder) external(t *rawTarget) *External {
	raw := &t.External
	x := &External{URL: raw.URL.v, Status: raw.Status.v, PIDs: raw.PIDs.v, Unit: raw.Unit.v, Headers: raw.Headers.values(),
		TLS: ExternalTLS{CA: b.file(raw.TLS.CA), ServerName: raw.TLS.ServerName.v, Insecure: raw.TLS.Insecure.v}}
	b.checkURL(raw.URL, "url")
	if raw.TLS.given() && strings.HasPrefix(x.URL, "ws:") {
		b.add(raw.TLS.mark, "remove it, or begin the url with wss", "tls: clients connect to %s without TLS", x.URL)
	}
	if ca := raw.TLS.CA; ca.given() && x.TLS.Insecure {
		b.add(ca.mark, "remove one of the two", "tls: insecure believes anybody, and asks no ca")
	}
	if raw.PIDs.given() && raw.Unit.given() {
		b.add(raw.Unit.mark, "remove one of the two", "external has either pids or unit, not both")
	}
	for _, h := range raw.Headers {
		if strings.HasPrefix(h.value.v, "env:") && !fromEnv.MatchString(h.value.v) {
			b.add(h.value.mark, "such as env:TOKEN", "%s: %s names no variable of the environment", h.name, brief(h.value.v))
		}
	}
	for key, at := range map[string]mark{"nofile": t.Nofile.mark, "cpus": t.CPUs.mark} {
		if at.given() {
			b.add(at, "remove it, and set it where the proxy is started", "%s cannot be set on an external target: it runs already", key)
		}
	}
	return x
}

// checkURL finds what the form of a URL leaves open.
func (b *builder) checkURL(t text, key string) {
	if !t.known {
		return
	}
	u, err := url.Parse(t.v)
	if err != nil || !port(u.Host) {
		b.add(t.mark, "such as ws://127.0.0.1:8080/", "%s: %s is no address that clients can connect to", key, brief(t.v))
	}
}

// here tells whether the host of a URL is an address of this machine. A name other
// than localhost is not looked up, since reading a file should ask nobody.
func here(rawURL string) bool {
	u, err := url.Parse(rawURL)
	if err != nil {
		return false
	}
	if u.Hostname() == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return false
	}
	if addr.IsLoopback() {
		return true
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false // then it has to be allowed expressly
	}
	for _, a := range own {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr() == addr.Unmap() {
			return true
		}
	}
	return false
}

// checkChosen finds what the targets of this run cannot take, after the command line
// has had its say.
func (b *builder) checkChosen(s *Scenario, o Options) {
	signals := s.signalled()
	b.raw.Steps.each(func(step *rawStep) {
		if step.Signal.Action.known && len(s.Targets) > 0 && !signals {
			b.add(step.Signal.mark, "remove the step, or run another target", "signal: direct has no process, and there is no other target in this run")
		}
	})
	for _, t := range s.Targets {
		if x := t.External; x != nil && len(x.PIDs) == 0 && x.Unit == "" {
			b.raw.Steps.each(func(step *rawStep) {
				if step.Signal.Action.known {
					b.add(step.Signal.mark, "give it pids or a unit, or leave it out by --targets", "signal: of the external target %s no process is known that could get it", t.Name)
				}
			})
		}
	}
	if !o.AllowDisruptive {
		b.checkDisruptive(s)
	}
}

// signalled tells whether a target of this run has processes that get signals.
func (s *Scenario) signalled() bool {
	for _, t := range s.Targets {
		if !t.Direct {
			return true
		}
	}
	return false
}

// checkDisruptive reports steps that would disturb somebody else's machine.
func (b *builder) checkDisruptive(s *Scenario) {
	far := func(what, url string, signals bool) {
		if url == "" || here(url) {
			return
		}
		tell := func(at mark, step string) {
			b.add(at, "--allow-disruptive permits it, if it is yours to disturb",
				"%s would disturb %s at %s, which is no address of this machine", step, what, url)
		}
		b.raw.Steps.each(func(step *rawStep) {
			switch {
			case step.Connect.Until.known:
				tell(step.Connect.Until.mark, "until: failure")
			case step.Connect.Behave.known:
				tell(step.Connect.Behave.mark, "behave: "+step.Connect.Behave.v)
			case step.Close.How.v == "vanish":
				tell(step.Close.How.mark, "how: vanish")
			case signals && step.Signal.Action.known:
				tell(step.Signal.mark, "signal: "+step.Signal.Action.v)
			}
		})
	}
	far("the backend", s.Backend.External, false)
	for _, t := range s.Targets {
		if t.External != nil {
			far("target "+t.Name, t.External.URL, true)
		}
	}
}
