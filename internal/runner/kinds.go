package runner

import (
	"fmt"

	"wsgauge/scenarios"
	"wsgauge/targets"
	"wsgauge/targets/apache"
	"wsgauge/targets/caddy"
	"wsgauge/targets/command"
	"wsgauge/targets/direct"
	"wsgauge/targets/external"
	"wsgauge/targets/haproxy"
	"wsgauge/targets/nginx"
	"wsgauge/targets/tunnel"
)

// kind makes the target that a scenario describes.
func kind(t scenarios.Target) (targets.Target, error) {
	switch {
	case t.Direct:
		return direct.Target{}, nil
	case t.Tunnel != nil:
		return tunnel.New(*t.Tunnel), nil
	case t.Apache != nil:
		return apache.New(*t.Apache), nil
	case t.Nginx != nil:
		return nginx.New(*t.Nginx), nil
	case t.HAProxy != nil:
		return haproxy.New(*t.HAProxy), nil
	case t.Caddy != nil:
		return caddy.New(*t.Caddy), nil
	case t.Command != nil:
		return command.New(*t.Command), nil
	case t.External != nil:
		return external.New(*t.External, apache.ParseStatus), nil
	}
	return nil, fmt.Errorf("target %s: of no kind that can be run", t.Name)
}

// Kind is a kind of target with its defaults, for listing what is installed.
type Kind struct {
	Name   string
	Target targets.Target
}

// Kinds returns every kind that can be measured.
func Kinds() []Kind {
	return []Kind{
		{"direct", direct.Target{}},
		{"tunnel", tunnel.New(scenarios.Tunnel{})},
		{"apache (event)", apache.New(scenarios.Apache{MPM: "event"})},
		{"apache (worker)", apache.New(scenarios.Apache{MPM: "worker"})},
		{"apache (prefork)", apache.New(scenarios.Apache{MPM: "prefork"})},
		{"nginx", nginx.New(scenarios.Peer{})},
		{"haproxy", haproxy.New(scenarios.Peer{})},
		{"caddy", caddy.New(scenarios.Peer{})},
	}
}
