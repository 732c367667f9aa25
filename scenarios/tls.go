package scenarios

// tls says how the legs of a target speak. The way to the backend is as the
// backend speaks.
func (b *builder) tls(raw *rawTLS) TLS {
	speaks, known := b.backendTLS()
	t := TLS{Backend: speaks, Min: raw.Min.v, Max: raw.Max.v}
	if !raw.given() {
		return t
	}
	t.Frontend = raw.Frontend.v
	b.versions(raw.Min, raw.Max)
	if s := raw.Backend; s.given() && s.known && known && s.v != t.Backend {
		hint := "write backend: {tls: true}, or leave this out"
		if b.backend.External.given() {
			hint = "leave this out, or begin the url of the backend with wss"
		}
		if t.Backend {
			hint = "leave this out"
		}
		b.add(s.mark, hint, "the backend would not understand: its own tls is %v", t.Backend)
	}
	return t
}

func (b *builder) clientTLS(raw *rawClientTLS) ClientTLS {
	if !raw.given() {
		return ClientTLS{}
	}
	b.versions(raw.Min, raw.Max)
	return ClientTLS{Resumption: raw.Resumption.v, Min: raw.Min.v, Max: raw.Max.v}
}

func (b *builder) versions(least, most word) {
	if least.known && most.known && least.v > most.v {
		b.add(least.mark, "", "min: TLS %s is above max: %s", least.v, most.v)
	}
}
