package runner

import (
	"crypto/rand"
	"fmt"
	"net/netip"
)

// portsPerPair is how many connections we plan between two addresses: the usual
// ephemeral range has 28,232 ports, and what another program holds of it is not ours.
const portsPerPair = 25_000

// network gives each trial loopback addresses of its own, so that sockets in
// TIME_WAIT of one trial are never in the way of another, nor those of a run
// beside this one.
type network struct{ base uint16 }

func newNetwork() (network, error) {
	var b [2]byte
	if _, err := rand.Read(b[:]); err != nil {
		return network{}, fmt.Errorf("choosing loopback addresses: %w", err)
	}
	// 127.0.x.y stays free for people and their services.
	return network{base: 0x0100 + (uint16(b[0])<<8|uint16(b[1]))%0xfd00}, nil
}

// site is the addresses of one trial.
type site struct {
	target  netip.Addr
	backend netip.Addr
	probe   netip.Addr
	sources []netip.Addr // where clients dial from
	onward  []netip.Addr // where a tunnel dials its backends from
}

func (n network) site(trial, connections int) site {
	host := func(last int) netip.Addr {
		net := 0x0100 + (int(n.base)-0x0100+trial)%0xfe00
		return netip.AddrFrom4([4]byte{127, byte(net >> 8), byte(net), byte(last)})
	}
	s := site{target: host(1), backend: host(2), probe: host(3)}
	for i := range min(connections/portsPerPair+1, 48) {
		s.sources = append(s.sources, host(16+i))
		s.onward = append(s.onward, host(64+i))
	}
	return s
}
