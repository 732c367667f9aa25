package scenarios

import (
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// peer reads nginx and HAProxy.
func (b *builder) peer(raw *rawPeer) *Peer {
	if b.ownConfig(raw, raw.Config, raw.Listen, &raw.TLS) {
		return &Peer{Config: b.file(raw.Config), Listen: raw.Listen.v, Server: b.file(raw.Server), TLS: b.frontend(&raw.TLS)}
	}
	return &Peer{Timeout: raw.Timeout.v, Limit: raw.Limit.v, Workers: raw.Workers.v,
		TLS: b.tls(&raw.TLS), Extra: raw.Extra.v, Server: b.file(raw.Server)}
}

// caddy is a peer that has fewer words.
func (b *builder) caddy(raw *rawPeer) *Peer {
	for _, k := range []struct {
		key, has string
		at       mark
	}{
		{"timeout", "Caddy ends no tunnel for being idle", raw.Timeout.mark},
		{"limit", "Caddy has no limit on connections but that of open files, which is nofile", raw.Limit.mark},
		{"workers", "Caddy is one process with as many threads as it likes; cpus bounds it", raw.Workers.mark},
	} {
		if k.at.given() && !raw.Config.given() { // beside config no key of this kind may stand
			b.add(k.at, "remove it", "caddy has no %s: %s", k.key, k.has)
		}
	}
	return b.peer(raw)
}

// ownConfig tells whether a target has a configuration file of the user's own. Then
// keys that would have gone into the file that wsgauge writes are mistakes.
func (b *builder) ownConfig(raw any, config, listen text, tls *rawTLS, also ...string) bool {
	switch {
	case !config.given() && !listen.given():
		return false
	case !listen.given():
		b.add(config.mark, "such as listen: 127.0.0.1:8080", "config needs the key listen beside it: where clients connect")
	case !config.given():
		b.add(listen.mark, "leave it out: the trial has addresses of its own", "listen goes with config, and there is none")
		return false
	}
	if at, err := netip.ParseAddrPort(listen.v); listen.known && (err != nil || at.Port() == 0 || at.Addr().IsUnspecified()) {
		b.add(listen.mark, "such as 127.0.0.1:8080", "listen: %s is no address that clients can connect to", listen.v)
	}
	const why = "config: your own file is left as it is, so %s cannot go into it"
	allowed := append([]string{"config", "listen", "server", "tls"}, also...)
	v := reflect.ValueOf(raw).Elem()
	keys, _ := keysOf(v.Type())
	for _, f := range keys {
		at := v.Field(f.index).Interface().(interface{ place() mark }).place()
		if at.given() && !slices.Contains(allowed, f.name) {
			b.add(at, "write it there, and remove the key", why, f.name)
		}
	}
	for key, at := range map[string]mark{"tls: backend": tls.Backend.mark, "tls: min": tls.Min.mark, "tls: max": tls.Max.mark} {
		if at.given() {
			b.add(at, "write it there, and remove the key", why, key)
		}
	}
	return true
}

// frontend is the one thing about TLS that has to be known of a configuration that
// wsgauge does not write: whether clients speak it.
func (b *builder) frontend(raw *rawTLS) TLS {
	speaks, _ := b.backendTLS()
	return TLS{Frontend: raw.given() && raw.Frontend.v, Backend: speaks}
}

// port tells whether the last number of a host and port can be one.
func port(hostPort string) bool {
	n, err := strconv.Atoi(hostPort[strings.LastIndex(hostPort, ":")+1:])
	return err == nil && n > 0 && n < 1<<16
}
