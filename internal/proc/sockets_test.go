package proc

import (
	"bytes"
	"encoding/hex"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// loopback is an address that no earlier run has left sockets in TIME_WAIT on.
func loopback() netip.Addr {
	return netip.AddrFrom4([4]byte{127, 93, byte(rand.IntN(256)), byte(1 + rand.IntN(254))})
}

// connections opens n connections from one address to another, both ends held.
func connections(t *testing.T, n int, address string) (accepted []net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	for range n {
		dialed, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { dialed.Close() })
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		accepted = append(accepted, conn)
	}
	return accepted
}

func TestSockets(t *testing.T) {
	where := loopback()
	match := func(local, remote netip.AddrPort) bool { return local.Addr() == where }
	accepted := connections(t, 5, where.String()+":0")
	want := map[string]int{"LISTEN": 1, "ESTABLISHED": 5}
	count := func() map[string]int {
		named, err := Sockets(func(local, remote netip.AddrPort) string {
			if match(local, remote) {
				return "here"
			}
			return ""
		})
		if err != nil || len(named) > 1 {
			t.Fatal(named, err)
		}
		return named["here"]
	}
	if got := count(); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	// The other end of each is a socket of its own.
	sides, err := Sockets(func(local, remote netip.AddrPort) string {
		switch where {
		case local.Addr():
			return "server"
		case remote.Addr():
			return "client"
		}
		return ""
	})
	if err != nil || !maps.Equal(sides["server"], want) || !maps.Equal(sides["client"], States{"ESTABLISHED": 5}) {
		t.Errorf("%v (%v), want %v at the server and 5 at the client", sides, err, want)
	}
	for _, conn := range accepted[:2] {
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	want = map[string]int{"LISTEN": 1, "ESTABLISHED": 3, "FIN_WAIT2": 2}
	eventually(t, "two half-closed", 5*time.Second, func() bool { return maps.Equal(count(), want) })

	listedStates := map[string]int{}
	err = listed(func(state int, local, remote netip.AddrPort) {
		if match(local, remote) {
			listedStates[stateName(state)]++
		}
	})
	if err != nil || !maps.Equal(listedStates, want) {
		t.Errorf("by /proc/net/tcp %v (%v), want %v", listedStates, err, want)
	}
}

func TestSocketsOfIPv6(t *testing.T) {
	// A socket of both families holds IPv4 addresses in IPv6 form.
	l, err := net.Listen("tcp", "[::]:0")
	if err != nil {
		t.Skipf("no IPv6 here: %v", err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).AddrPort().Port()
	want := netip.AddrPortFrom(loopback(), port)
	dialed, err := net.Dial("tcp", want.String())
	if err != nil {
		t.Fatal(err)
	}
	defer dialed.Close()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for name, dump := range map[string]func(func(int, netip.AddrPort, netip.AddrPort)) error{"netlink": diagnosed, "proc": listed} {
		// Neither is a snapshot: while other programs open and close sockets, one of ours
		// may be passed over. So what several looks have seen is put together.
		ends := map[[2]netip.AddrPort]bool{}
		for range 5 {
			if err := dump(func(state int, local, remote netip.AddrPort) {
				if stateName(state) == "ESTABLISHED" && (local == want || remote == want) {
					ends[[2]netip.AddrPort{local, remote}] = true
				}
			}); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if len(ends) != 2 {
			t.Errorf("%s: %d ends, want 2: %v", name, len(ends), ends)
		}
	}
}

func FuzzParseDiag(f *testing.F) {
	add := func(text string) {
		b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	add("14000000 0300 0000 00000000 00000000 00000000")                                        // the end
	add("14000000 0200 0000 00000000 00000000 feffffff")                                        // ENOENT
	add("58000000 1400 0200 00000000 00000000 02010000 1f90 9c40 7f000001" + zeros(12+4+12+28)) // a socket
	add("58000000 1400 0200 00000000 00000000")
	add("ffffffff 1400")
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		_, _ = parseDiag(b, func(state int, local, remote netip.AddrPort) {
			n++
			if stateName(state) == "" {
				t.Error("a state without a name")
			}
		})
		if n > len(b)/(16+diagAnswerLen)+1 {
			t.Errorf("%d sockets in %d bytes", n, len(b))
		}
	})
}

func zeros(bytes int) string { return strings.Repeat("00", bytes) }

func FuzzParseListed(f *testing.F) {
	f.Add([]byte("  sl  local_address\n   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000\n"))
	f.Add([]byte("  sl\n   0: 0000000000000000FFFF00000100007F:1F90 00000000000000000000000000000000:0000 01 0\n"))
	f.Add([]byte("x\n0: :\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = parseListed(bytes.NewReader(b), func(state int, local, remote netip.AddrPort) {
			if !local.IsValid() || !remote.IsValid() || stateName(state) == "" {
				t.Errorf("%d %v %v", state, local, remote)
			}
		})
	})
}

// BenchmarkSockets prints what one count costs with the sockets that are there.
func BenchmarkSockets(b *testing.B) {
	sum := 0
	for b.Loop() {
		named, err := Sockets(func(_, _ netip.AddrPort) string { return "all" })
		if err != nil {
			b.Fatal(err)
		}
		sum = 0
		for _, n := range named["all"] {
			sum += n
		}
	}
	b.ReportMetric(float64(sum), "sockets")
}
