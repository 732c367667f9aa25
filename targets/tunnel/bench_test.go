package tunnel

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkMemoryPerIdleTunnel prints what a tunnel costs its process: 5,000
// tunnels, idle after one message each way, against none (PSS).
func BenchmarkMemoryPerIdleTunnel(b *testing.B) {
	const tunnels = 5000
	for b.Loop() {
		far := listenBackend(b)
		c := startChild(b, childPlan{Options: Options{Backends: backends(far)}})
		client, server := open(b, c.addr, far)
		before := pss(b, c.pid)
		base := len(c.descriptors()) - 2
		peers := []*peer{client, server}
		for range tunnels - 1 {
			client, server := open(b, c.addr, far)
			client.send("ping")
			server.expect("ping")
			server.send("pong")
			client.expect("pong")
			peers = append(peers, client, server)
		}
		b.ReportMetric(float64(pss(b, c.pid)-before)/(tunnels-1), "B/tunnel")
		b.ReportMetric(float64(len(c.descriptors())-base)/tunnels, "fd/tunnel")
		for _, p := range peers {
			p.Close()
		}
	}
}

// pss is the process's share of memory in bytes.
func pss(t testing.TB, pid int) int64 {
	t.Helper()
	file, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if kib, ok := strings.CutPrefix(lines.Text(), "Pss:"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(kib), " kB"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatal("smaps_rollup has no Pss line")
	return 0
}

// BenchmarkPingPong is one message to the backend and back, through a tunnel in a
// process of its own and without; the tunnel's CPU time is printed beside.
func BenchmarkPingPong(b *testing.B) {
	far := listenBackend(b)
	far.echo()
	c := startChild(b, childPlan{Options: Options{Backends: backends(far)}})
	b.Run("direct", func(b *testing.B) { pingPong(b, far.addr) })
	b.Run("tunnel", func(b *testing.B) {
		before := cpu(b, c.pid)
		pingPong(b, c.addr)
		b.ReportMetric(float64(cpu(b, c.pid)-before)/float64(b.N), "tunnel-cpu-ns/op")
	})
}

func pingPong(b *testing.B, addr netip.AddrPort) {
	client := dial(b, addr)
	if err := client.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		b.Fatal(err)
	}
	client.send(upgradeRequest)
	client.expect(switching)
	message, got := make([]byte, 64), make([]byte, 64)
	for b.Loop() {
		if _, err := client.Write(message); err != nil {
			b.Fatal(err)
		}
		if n, err := client.Read(got); n != len(message) || err != nil {
			b.Fatal(n, err)
		}
	}
}

// cpu is the CPU time that a process has used, in ns, to its clock's 10 ms.
func cpu(t testing.TB, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	field := strings.Fields(rest)
	var ticks int64
	for _, i := range []int{11, 12} { // utime, stime
		n, err := strconv.ParseInt(field[i], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return ticks * int64(10*time.Millisecond)
}
