package runner

import (
	"crypto/rand"
	"fmt"
	"net/netip"
)

// usualPorts is the size of the ephemeral range where the kernel does not tell it:
// 32768 to 60999.
const usualPorts = 28_232

// portsPerPair is how many connections are planned between two addresses: not half of
// the ephemeral range. The kernel gives out the ports of one parity first (see
// __inet_hash_connect in net/ipv4/inet_hashtables.c) and, when those are taken, walks
// through all of them on every connect: with 60,000 connections from three addresses
// that was most of what the machine did. Some may also be held by another program.
func portsPerPair(ipLocalPortRange string) int {
	ports := usualPorts
	if low, high, ok := portRange(ipLocalPortRange); ok {
		ports = high - low + 1
	}
	return max(ports*4/10, 1)
}

// sourcesFor is how many addresses connections are dialled from, when a pair of
// addresses takes perPair of them. With the most, pairs take what is left: preflight
// knows whether the range suffices.
func sourcesFor(connections, perPair int) int { return min(connections/perPair+1, 48) }

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

// site returns the addresses of a trial with so many connections, of which a pair of
// addresses takes perPair.
func (n network) site(trial, connections, perPair int) site {
	host := func(last int) netip.Addr {
		net := 0x0100 + (int(n.base)-0x0100+trial)%0xfe00
		return netip.AddrFrom4([4]byte{127, byte(net >> 8), byte(net), byte(last)})
	}
	s := site{target: host(1), backend: host(2), probe: host(3)}
	for i := range sourcesFor(connections, perPair) {
		s.sources = append(s.sources, host(16+i))
		s.onward = append(s.onward, host(64+i))
	}
	return s
}
