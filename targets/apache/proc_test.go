package apache

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What /proc tells of a server's processes. The runner's own sampler is not used
// here, so that one mistake cannot hide in both.

const (
	established = "01"
	closeWait   = "08"
	listening   = "0A"
)

// socket is one TCP socket of this machine.
type socket struct {
	local netip.AddrPort // zero: not IPv4
	state string
}

// socketTable maps "socket:[inode]", as a descriptor links to it, to the socket.
func socketTable(t *testing.T) map[string]socket {
	t.Helper()
	all := map[string]socket{}
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile("/proc/net/" + table)
		if err != nil {
			continue // no IPv6 here
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) < 10 || f[0] == "sl" {
				continue
			}
			s := socket{state: f[3]}
			var a, p uint32
			if _, err := fmt.Sscanf(f[1], "%08X:%04X", &a, &p); err == nil && table == "tcp" {
				ip := netip.AddrFrom4([4]byte{byte(a), byte(a >> 8), byte(a >> 16), byte(a >> 24)})
				s.local = netip.AddrPortFrom(ip, uint16(p))
			}
			all["socket:["+f[9]+"]"] = s
		}
	}
	return all
}

// held are the sockets of one process.
func held(t *testing.T, pid string, table map[string]socket) []socket {
	t.Helper()
	var all []socket
	for _, to := range links(t, pid) {
		if s, ok := table[to]; ok {
			all = append(all, s)
		}
	}
	return all
}

// clients counts a process's connections with clients, in any of the states.
func (r *running) clients(t *testing.T, pid string, table map[string]socket, states ...string) int {
	t.Helper()
	n := 0
	for _, s := range held(t, pid, table) {
		if s.local == r.Addrs[0] && slices.Contains(states, s.state) {
			n++
		}
	}
	return n
}

func userOf(t *testing.T, pid string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", pid, "status"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); f[0] == "Uid:" {
			return f[2] // the effective one
		}
	}
	t.Fatalf("process %s has no user", pid)
	return ""
}

func links(t *testing.T, pid string) []string {
	t.Helper()
	var all []string
	fds, err := filepath.Glob(filepath.Join("/proc", pid, "fd", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil { // it may be closed by now
			all = append(all, to)
		}
	}
	return all
}

func openFiles(t *testing.T, pid string) []string {
	return slices.DeleteFunc(links(t, pid), func(to string) bool {
		return !strings.HasPrefix(to, "/") || to == os.DevNull || to == "/dev/urandom"
	})
}
