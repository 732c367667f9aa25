package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v3/cpu"
)

// MachineUsage is what the machine as a whole did, for everybody on it.
type MachineUsage struct {
	// Busy is the CPU time spent, of all CPUs together, since boot; Steal what a
	// hypervisor gave to others while we had work. Both in steps of 10 ms.
	Busy, Steal time.Duration
	// Tasks is the part of Busy that is not spent in interrupts, by the number of the CPU.
	Tasks map[int]time.Duration
	// SocketMemoryBytes is what TCP sockets hold in the kernel, sent and received
	// data that waits; whole pages.
	SocketMemoryBytes int64
	// TCPInUse, TCPTimeWait and TCPOrphans count sockets of this network namespace:
	// open ones, those in TIME_WAIT, and those that no process holds any more.
	TCPInUse, TCPTimeWait, TCPOrphans int
	// PortLow and PortHigh are the ephemeral port range, both included.
	PortLow, PortHigh uint16
}

// Machine reads the machine's figures.
func Machine() (MachineUsage, error) {
	var m MachineUsage
	all, err := cpu.Times(true)
	if err != nil {
		return m, fmt.Errorf("read the machine's CPU times: %w", err)
	}
	ours := map[string]int{}
	for _, n := range AvailableCPUs() {
		ours["cpu"+strconv.Itoa(n)] = n
	}
	m.Tasks = map[int]time.Duration{}
	for _, t := range all {
		n, is := ours[t.CPU]
		if !is {
			continue
		}
		// Guest time is a part of user time already.
		m.Busy += seconds(t.User + t.Nice + t.System + t.Irq + t.Softirq)
		m.Tasks[n] = seconds(t.User + t.Nice + t.System)
		m.Steal += seconds(t.Steal)
	}
	if len(m.Tasks) != len(ours) {
		return m, fmt.Errorf("read the machine's CPU times: /proc/stat has %d of the %d CPUs that this process may use", len(m.Tasks), len(ours))
	}
	text, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		return m, fmt.Errorf("read the kernel's socket figures: %w", err)
	}
	if err := m.sockstat(text); err != nil {
		return m, fmt.Errorf("read the kernel's socket figures: /proc/net/sockstat: %w", err)
	}
	if m.PortLow, m.PortHigh, err = portRange(); err != nil {
		return m, err
	}
	return m, nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// sockstat takes the line "TCP: inuse 5 orphan 0 tw 1 alloc 8 mem 2", whose last
// figure is in pages. IPv6 sockets have a line for those in use in another file,
// which is not there when IPv6 is turned off.
func (m *MachineUsage) sockstat(text []byte) error {
	for line := range bytes.Lines(text) {
		words := strings.Fields(string(line))
		if len(words) == 0 || words[0] != "TCP:" {
			continue
		}
		figures := map[string]int64{}
		for i := 1; i+1 < len(words); i += 2 {
			n, err := strconv.ParseInt(words[i+1], 10, 64)
			if err != nil {
				return err
			}
			figures[words[i]] = n
		}
		for _, name := range []string{"inuse", "orphan", "tw", "mem"} {
			if _, ok := figures[name]; !ok {
				return fmt.Errorf("no %s in %q", name, bytes.TrimSpace(line))
			}
		}
		m.TCPInUse, m.TCPOrphans, m.TCPTimeWait = int(figures["inuse"]), int(figures["orphan"]), int(figures["tw"])
		m.SocketMemoryBytes = figures["mem"] * int64(os.Getpagesize())
		return m.sockstat6()
	}
	return errors.New("no line TCP")
}

func (m *MachineUsage) sockstat6() error {
	text, err := os.ReadFile("/proc/net/sockstat6")
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for line := range bytes.Lines(text) {
		var n int
		if _, err := fmt.Sscanf(string(line), "TCP6: inuse %d", &n); err == nil {
			m.TCPInUse += n
		}
	}
	return nil
}

// portRange reads the ephemeral port range, both ends included.
func portRange() (low, high uint16, err error) {
	const file = "/proc/sys/net/ipv4/ip_local_port_range"
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, 0, fmt.Errorf("read the ephemeral port range: %w", err)
	}
	if _, err := fmt.Sscan(string(text), &low, &high); err != nil {
		return 0, 0, fmt.Errorf("read the ephemeral port range: %s: %w", file, err)
	}
	return low, high, nil
}
