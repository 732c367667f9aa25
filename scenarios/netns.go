package scenarios

import (
	"fmt"
	"strconv"
	"strings"
)

// Netns is a network namespace of the run's own.
type Netns struct {
	PortLow, PortHigh int // the ephemeral ports inside
}

// PortRange is the value of net.ipv4.ip_local_port_range inside.
func (n Netns) PortRange() string { return fmt.Sprintf("%d %d", n.PortLow, n.PortHigh) }

// lowestPort leaves room below the range for the ports that a run listens on.
const lowestPort = 10_002

// netns reads the namespace; nil: none is asked for.
func (b *builder) netns() *Netns {
	raw := &b.raw.Netns
	if !raw.given() {
		return nil
	}
	if x := b.raw.Backend.External; x.given() {
		b.add(x.mark, "let wsgauge start the backend, or leave out netns", "netns: an external backend cannot be reached from within")
	}
	for i := range b.raw.Targets {
		if x := &b.raw.Targets[i].External; x.given() {
			b.add(x.mark, "leave out netns, or the target", "netns: an external target cannot be reached from within")
		}
	}
	if !raw.Ports.known {
		return &Netns{}
	}
	words := strings.Fields(raw.Ports.v)
	n, ok := Netns{}, len(words) == 2
	if ok {
		low, err1 := strconv.Atoi(words[0])
		high, err2 := strconv.Atoi(words[1])
		n, ok = Netns{low, high}, err1 == nil && err2 == nil && lowestPort <= low && low < high && high <= 65535
	}
	if !ok {
		b.add(raw.Ports.mark, `such as "20000 20199"`, "ip_local_port_range: %q is not two ports from %d to 65535, the first less than the second", raw.Ports.v, lowestPort)
	}
	return &n
}
