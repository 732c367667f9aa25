package apache

import (
	"slices"

	"wsgauge/scenarios"
)

// fallback is the first version whose mod_proxy_http serves ws:// itself, and looks
// for the backend's 101 before it opens the tunnel; mod_proxy_wstunnel has to be told
// to go on doing it.
var fallback = version{2, 4, 48}

// gate is a version that something needs, and what.
type gate struct {
	least version
	why   string
}

// gateOf is the oldest version that has everything a scenario asks for.
func gateOf(a scenarios.Apache) gate {
	if a.Config != "" {
		// The file's business, which the server itself reads first.
		return gate{version{2, 4, 10}, "its configuration is another before"}
	}
	gates := []gate{{fallback, "mod_proxy_http serves ws:// only from there on"}}
	switch routeOf(a) {
	case "upgrade":
		gates[0] = gate{version{2, 4, 47}, "route: upgrade, the upgrade= of ProxyPass, is there only from there on"}
	case "legacy":
		gates[0] = gate{version{2, 4, 10}, "mod_proxy_wstunnel is usable only from there on"}
	}
	if a.TLS.Frontend || a.TLS.Backend {
		gates = append(gates, gate{version{2, 4, 37}, "tls: TLS 1.3 is there only from there on"})
	}
	return slices.MaxFunc(gates, func(a, b gate) int { return slices.Compare(a.least[:], b.least[:]) })
}

// admits tells whether a version is new enough.
func (g gate) admits(v version) bool { return slices.Compare(v[:], g.least[:]) >= 0 }
