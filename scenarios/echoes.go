package scenarios

import "strings"

// echoes reads the echo servers.
func (b *builder) echoes() Backend {
	raw := b.backend
	x := raw.External
	if !x.given() {
		return Backend{Runtime: raw.Runtime.v, Instances: raw.Instances.v, TLS: raw.TLS.v}
	}
	for _, k := range []struct {
		key, why string
		at       mark
	}{
		{"runtime", "nobody asks what it is written in", raw.Runtime.mark},
		{"instances", "it is one address", raw.Instances.mark},
		{"tls", "its url says so: ws or wss", raw.TLS.mark},
	} {
		if k.at.given() {
			b.add(k.at, "remove it", "%s cannot stand beside external: %s", k.key, k.why)
		}
	}
	b.checkURL(x, "external")
	speaks, _ := b.backendTLS()
	return Backend{External: x.v, TLS: speaks}
}

// backendTLS tells whether the way to the backend is encrypted, and whether that is
// known.
func (b *builder) backendTLS() (speaks, known bool) {
	if x := b.backend.External; x.given() {
		return strings.HasPrefix(x.v, "wss:"), x.known
	}
	return b.backend.TLS.v, b.backend.TLS.known
}

// checkOrders refuses what the backend that was chosen cannot be asked for. An
// external one may be wsgauge's own; one that is not is found out by the first order.
func (b *builder) checkOrders(steps stepList) {
	runtime, instances := b.backend.Runtime, b.backend.Instances
	own := b.backend.External.given() || runtime.v == "go" || !runtime.known
	steps.each(func(s *rawStep) {
		pattern := s.Send.Pattern
		switch {
		case !own && (pattern.v == "push" || pattern.v == "broadcast"):
			b.add(pattern.mark, "write backend: go, or make the pattern echo", "pattern %s needs wsgauge's own backend, and this one is %s", pattern.v, runtime.v)
		case !own && s.Hold.Ping.From.v == "backend":
			b.add(s.Hold.Ping.From.mark, "write backend: go, or leave out from: backend", "pings from the backend need wsgauge's own, and this one is %s", runtime.v)
		case pattern.v == "broadcast" && instances.v > 1:
			// Each backend knows its own clients.
			b.add(instances.mark, "leave it out, or make the pattern echo or push", "instances: the broadcast on line %d needs one backend, which has every client", s.mark.line)
		}
	})
}

// each calls visit for every step, those inside others included.
func (l stepList) each(visit func(*rawStep)) {
	for i := range l {
		visit(&l[i])
		l[i].Repeat.Steps.each(visit)
		for _, branch := range l[i].Together.Branches {
			branch.steps.each(visit)
		}
	}
}
