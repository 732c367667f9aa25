package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"wsgauge/echo"
)

// part starts a part alone and gives the address that it prints, and its pid.
func part(t *testing.T, a ...string) (netip.AddrPort, *exec.Cmd) {
	t.Helper()
	cmd := exec.Command(binary, a...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%q prints no address: %v", a, err)
	}
	_, text, _ := strings.Cut(strings.TrimSpace(line), "listening on ")
	text, _, _ = strings.Cut(text, ",")
	addr, err := netip.ParseAddrPort(text)
	if err != nil {
		t.Fatalf("%q prints %q", a, line)
	}
	return addr, cmd
}

// living lists processes that have not ended, with their parents.
func living(t *testing.T) map[int]int {
	t.Helper()
	parents := map[int]int{}
	list, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range list {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has just ended
		}
		var state string
		var parent int
		// The name may hold anything, and ends with the last bracket.
		if _, err := fmt.Sscan(string(text[bytes.LastIndexByte(text, ')')+1:]), &state, &parent); err == nil && state != "Z" {
			parents[atoi(filepath.Base(filepath.Dir(path)))] = parent
		}
	}
	return parents
}

func children(t *testing.T, pid int) []int {
	t.Helper()
	var out []int
	for child, parent := range living(t) {
		if parent == pid {
			out = append(out, child)
		}
	}
	return out
}

func sockets(pid int) int {
	n := 0
	list, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, path := range list {
		if to, err := os.Readlink(path); err == nil && strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}

// Several processes share an address and the connections to it, and none of them
// is left, however the one that owns them ends.
func TestTunnelProcesses(t *testing.T) {
	const processes = 4
	backend, _ := part(t, "echo", "--listen", "127.0.0.1:0")
	for name, end := range map[string]func(*exec.Cmd, []int) error{
		"terminated": func(c *exec.Cmd, _ []int) error { return c.Process.Signal(syscall.SIGTERM) },
		"killed":     func(c *exec.Cmd, _ []int) error { return c.Process.Kill() },
		"one dies":   func(_ *exec.Cmd, list []int) error { return syscall.Kill(list[2], syscall.SIGKILL) },
	} {
		t.Run(name, func(t *testing.T) {
			addr, cmd := part(t, "tunnel", "--listen", "127.0.0.1:0", "--backend", backend.String(), "--processes", fmt.Sprint(processes))
			list := children(t, cmd.Process.Pid)
			if len(list) != processes {
				t.Fatalf("%d processes, want %d", len(list), processes)
			}
			base := sockets(list[0])
			const each = 60
			for range each * processes {
				c, err := net.DialTimeout("tcp", addr.String(), 5*time.Second)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
			}
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			for range 8 {
				if err := echo.Probe(ctx, addr, addr.String(), "/", netip.Addr{}); err != nil {
					t.Fatal(err)
				}
			}
			for _, pid := range list {
				// Six standard deviations.
				if n := sockets(pid) - base; n < each-41 || n > each+41 {
					t.Errorf("process %d has %d connections of %d, want a fourth", pid, n, each*processes)
				}
			}
			if err := end(cmd, list); err != nil {
				t.Fatal(err)
			}
			err := cmd.Wait()
			if name == "terminated" && err != nil || name != "terminated" && err == nil {
				t.Errorf("it ended with %v", err)
			}
			gone := func() bool {
				parents := living(t)
				return !slices.ContainsFunc(list, func(pid int) bool { return parents[pid] != 0 })
			}
			for deadline := time.Now().Add(5 * time.Second); !gone(); time.Sleep(10 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("some of %v still live", list)
				}
			}
		})
	}
}

func TestTunnelProcessesInARun(t *testing.T) {
	r := start(t, `
name: several
about: Several tunnel processes, as many tunnels as they let in.
targets:
  - {name: tunnel, tunnel: {processes: 3, max_tunnels: 3000}}
blocks: 1
steps:
  - connect: {connections: 300, rate: 1000/s}
  - id: load
    send: {rate: 500/s, for: 1s, warmup: 200ms, arrivals: constant}
  - close: {}
expect: ["failures == 0"]
`)
	r.passed(time.Minute)
	trial := r.records().Trials[0]
	checkSmall(t, &trial, 300, 500)
	if p := trial.Resources["target"].ProcessesPeak; p == nil || *p != 4 {
		t.Errorf("%v processes at most, want three and the one that owns them", p)
	}
}
