// Package direct is the target that is no proxy at all: clients dial the echo
// servers themselves. It is the floor under every other target's figures.
package direct

import (
	"errors"

	"wsgauge/targets"
)

// Target stands for the absence of a proxy.
type Target struct{}

var _ targets.Target = Target{}

// Find needs nothing and always succeeds.
func (Target) Find() (targets.Version, error) {
	return targets.Version{Text: "no proxy"}, nil
}

// Prepare gives an instance with nothing to start, whose addresses are the
// backends' own. It fails only when there is no backend.
func (Target) Prepare(site targets.Site) (*targets.Instance, error) {
	if len(site.Backends) == 0 {
		return nil, errors.New("direct: there is no backend to dial; start one first")
	}
	return &targets.Instance{
		Addrs:  append(site.Backends[:0:0], site.Backends...),
		Config: "clients dial the backend themselves\n",
	}, nil
}
