package proc

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// firstPort is the lowest port that FreePort gives; those below are known by name
// to too many programs.
const firstPort = 10_000

// FreePort finds a TCP port to listen on that can be bound on addr now. It lies
// below the ephemeral range (net.ipv4.ip_local_port_range), so that no outgoing
// connection takes it meanwhile. Another program still may: who finds it in use
// asks again.
func FreePort(addr netip.Addr) (uint16, error) {
	low, high, err := portRange()
	if err != nil {
		return 0, err
	}
	first, count := listenPorts(low, high)
	if count == 0 {
		return 0, fmt.Errorf("find a port to listen on: the ephemeral range %d to %d leaves none; narrow it with "+
			"`sysctl -w net.ipv4.ip_local_port_range=\"32768 60999\"`", low, high)
	}
	// From a random place on, so that runs at the same time rarely meet.
	from := rand.IntN(count)
	for i := range count {
		port := uint16(first + (from+i)%count)
		err := bindable(netip.AddrPortFrom(addr, port))
		if err == nil {
			return port, nil
		}
		if !errors.Is(err, unix.EADDRINUSE) {
			return 0, fmt.Errorf("find a port to listen on: %w", err)
		}
	}
	return 0, fmt.Errorf("find a port to listen on: on %v all of %d to %d are in use", addr, first, first+count-1)
}

// listenPorts is the range to look in: below the ephemeral one, or where that
// leaves no room, above it.
func listenPorts(low, high uint16) (first, count int) {
	if low > firstPort {
		return firstPort, int(low) - firstPort
	}
	if high < 65535 && high >= firstPort {
		return int(high) + 1, 65535 - int(high)
	}
	return 0, 0
}

func bindable(addr netip.AddrPort) error {
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(addr))
	if err != nil {
		return err
	}
	return l.Close()
}
