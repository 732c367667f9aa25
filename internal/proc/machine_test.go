package proc

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestMachine(t *testing.T) {
	before, err := Machine()
	if err != nil {
		t.Fatal(err)
	}
	if before.Busy <= 0 || before.TCPInUse < 0 || before.PortLow == 0 || before.PortLow >= before.PortHigh {
		t.Errorf("%+v", before)
	}
	// Ten connections that are written to as far as they take it, and never read.
	held := connections(t, 10, loopback().String()+":0")
	for _, conn := range held {
		if err := conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		_, err := conn.Write(make([]byte, 1<<20)) // as much as the kernel takes
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
	}
	if err := busy("50"); err != nil {
		t.Fatal(err)
	}
	after, err := Machine()
	if err != nil {
		t.Fatal(err)
	}
	if after.Busy <= before.Busy {
		t.Errorf("busy %v after %v", after.Busy, before.Busy)
	}
	if after.SocketMemoryBytes < 1<<20 {
		t.Errorf("%d bytes in ten full sockets", after.SocketMemoryBytes)
	}
}

func TestSockstat(t *testing.T) {
	var m MachineUsage
	if err := m.sockstat([]byte("sockets: used 9\nTCP: inuse 5 orphan 1 tw 2 alloc 8 mem 3\nUDP: inuse 1 mem 7\n")); err != nil {
		t.Fatal(err)
	}
	if m.TCPOrphans != 1 || m.TCPTimeWait != 2 || m.TCPInUse < 5 || m.SocketMemoryBytes != int64(3*os.Getpagesize()) {
		t.Errorf("%+v", m)
	}
	for _, bad := range []string{"", "UDP: inuse 1\n", "TCP: inuse x\n", "TCP: inuse 1 orphan 1 tw 1\n"} {
		if err := m.sockstat([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestHost(t *testing.T) {
	h, err := Host()
	if err != nil {
		t.Fatal(err)
	}
	if h.Name == "" || h.OS == "" || h.Kernel == "" || h.Arch == "" || h.CPUs < 1 || h.MemoryBytes < 1<<20 {
		t.Errorf("%+v", h)
	}
	if low, high, found := strings.Cut(h.Sysctls["net.ipv4.ip_local_port_range"], " "); !found || low == "" || high == "" {
		t.Errorf("port range %q", h.Sysctls["net.ipv4.ip_local_port_range"])
	}
}

func TestLimits(t *testing.T) {
	l, err := Limits()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("sh", "-c", "ulimit -Hn").Output()
	if err != nil {
		t.Fatal(err)
	}
	if hard, err := parseLimit(strings.TrimSpace(string(out))); err != nil || hard != l.NofileHard {
		t.Errorf("hard limit %d, want %s (%v)", l.NofileHard, out, err)
	}
	if l.NofileSoft == 0 || l.NofileSoft > l.NofileHard || l.PidMax < 1000 || l.Nproc == 0 {
		t.Errorf("%+v", l)
	}
}

// The kernel holds what a user runs already against RLIMIT_NPROC.
func TestUserTasks(t *testing.T) {
	before, err := userTasks(os.Getuid())
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	// Go may have begun a thread since.
	if before < uint64(len(own))-1 {
		t.Errorf("%d tasks of the user, of which %d are this process's", before, len(own))
	}
	const nobody = 1<<31 - 2
	if n, err := userTasks(nobody); err != nil || n != 0 {
		t.Errorf("%d tasks of a user that is not there (%v)", n, err)
	}
}

func TestFreePort(t *testing.T) {
	low, _, err := portRange()
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range []netip.Addr{netip.MustParseAddr("127.0.0.1"), loopback()} {
		port, err := FreePort(addr)
		if err != nil {
			t.Fatal(err)
		}
		if low > firstPort && port >= low {
			t.Errorf("port %d is in the ephemeral range from %d", port, low)
		}
		l, err := net.Listen("tcp", netip.AddrPortFrom(addr, port).String())
		if err != nil {
			t.Fatal(err)
		}
		if err := bindable(netip.AddrPortFrom(addr, port)); err == nil {
			t.Errorf("port %d passes for free while it is in use", port)
		}
		l.Close()
	}
	if _, err := FreePort(netip.MustParseAddr("192.0.2.1")); err == nil || !strings.Contains(err.Error(), "cannot assign") {
		t.Errorf("a port on an address that is not here: %v", err)
	}
	for _, test := range [][4]int{{32768, 60999, 10000, 22768}, {1024, 60999, 61000, 4536}, {1024, 65535, 0, 0}, {10000, 65535, 0, 0}} {
		if first, count := listenPorts(uint16(test[0]), uint16(test[1])); first != test[2] || count != test[3] {
			t.Errorf("ephemeral %d to %d: %d ports from %d on, want %d from %d", test[0], test[1], count, first, test[3], test[2])
		}
	}
}

func TestLateness(t *testing.T) {
	var l Lateness
	if err := l.Start("1023"); err == nil {
		t.Error("started on CPU 1023")
	}
	cpus := AvailableCPUs()
	if err := l.Start(strconv.Itoa(cpus[0])); err != nil {
		t.Fatal(err)
	}
	if err := l.Start(""); err == nil {
		t.Error("started twice")
	}
	var greatest, p99 time.Duration
	total := 0
	eventually(t, "20 naps", 20*time.Second, func() bool {
		g, p, n, err := l.Take()
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 && (p <= 0 || p > g) {
			t.Errorf("99th percentile %v of %d naps, greatest %v", p, n, g)
		}
		greatest, p99, total = max(greatest, g), max(p99, p), total+n
		return total >= 20
	})
	if greatest <= 0 || greatest > 10*time.Second {
		t.Errorf("greatest lateness %v", greatest)
	}
	l.Stop()
	l.Stop()
	if _, _, _, err := l.Take(); err != nil {
		t.Error(err)
	}
	if g, p, n, err := l.Take(); g != 0 || p != 0 || n != 0 || err != nil {
		t.Errorf("after the end %v, %v, %d, %v", g, p, n, err)
	}
	if err := l.Start(""); err != nil {
		t.Errorf("start again: %v", err)
	}
	l.Stop()
}
