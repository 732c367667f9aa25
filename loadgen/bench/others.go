package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"wsgauge/internal/proc"
)

//go:embed k6.js
var k6Script []byte

// tool is another load generator, run as its users run it.
type tool struct {
	name  string
	about string // what is to be known of the comparison
	// command returns the shell command that runs it for so long, whose output goes
	// to out, and counted reads from there how many messages were answered.
	command func(r *rig, addr netip.AddrPort, n int, window time.Duration, out string) (string, error)
	counted func(out string) (int64, error)
}

var tools = []tool{
	{"k6", "", k6Command, k6Counted},
	{"tcpkali", fmt.Sprintf("an open loop of %d messages a second: it has no closed one", 1000*tcpkaliRate), tcpkaliCommand, tcpkaliCounted},
}

// load runs the tool for next to no time and for a window: the difference is without
// what it takes to start and to connect.
func (t *tool) load(ctx context.Context, r *rig, addr netip.AddrPort, n int) (load, error) {
	var l [2]load
	for i := range l {
		var err error
		if l[i], err = t.once(ctx, r, addr, n, time.Duration(i)*r.window); err != nil {
			return load{}, err
		}
	}
	d := load{messages: l[1].messages - l[0].messages, cpu: l[1].cpu - l[0].cpu, wall: r.window}
	if d.messages <= 0 || d.cpu <= 0 {
		return load{}, fmt.Errorf("a window gave %d messages more for %v of CPU", d.messages, d.cpu)
	}
	return d, nil
}

func (t *tool) once(ctx context.Context, r *rig, addr netip.AddrPort, n int, window time.Duration) (l load, err error) {
	r.serial++
	out := filepath.Join(r.dir, fmt.Sprintf("%d-%s", r.serial, t.name))
	command, err := t.command(r, addr, n, window, out)
	if err != nil {
		return load{}, err
	}
	// The shell tells what its children used.
	times := out + ".times"
	child, err := r.keeper.Start(proc.Spec{Name: t.name, CPUs: clientCPU, Output: times,
		NofileSoft: r.limits.NofileHard, NofileHard: r.limits.NofileHard,
		Argv: []string{"sh", "-c", command + " >" + out + ".log 2>&1 && times && echo ended"}})
	if err != nil {
		return load{}, err
	}
	defer func() { err = errors.Join(err, stop(child)) }()
	line, err := said(ctx, child, times, 2, window+2*time.Minute)
	if err != nil {
		text, _ := os.ReadFile(out + ".log") // its absence says no more
		return load{}, fmt.Errorf("%w\n%s", err, text)
	}
	if l.cpu, err = shellTimes(line); err != nil {
		return load{}, err
	}
	l.messages, err = t.counted(out)
	return l, err
}

// shellTimes adds user and system time as `times` prints them: "0m1.230s 0m0.400s".
func shellTimes(line string) (sum time.Duration, err error) {
	fields := strings.Fields(line)
	if len(fields) != 2 {
		return 0, fmt.Errorf("`times` of the shell said %q", line)
	}
	for _, f := range fields {
		d, err := time.ParseDuration(f)
		if err != nil {
			return 0, fmt.Errorf("`times` of the shell said %q: %w", line, err)
		}
		sum += d
	}
	return sum, nil
}

func k6Command(r *rig, addr netip.AddrPort, n int, window time.Duration, out string) (string, error) {
	script := filepath.Join(r.dir, "k6.js")
	return fmt.Sprintf("k6 run --quiet --no-usage-report -e ADDR=%v -e CONNECTIONS=%d -e SIZE=%d -e SECONDS=%g -e SUMMARY=%s %s",
		addr, n, messageSize, window.Seconds(), out, script), os.WriteFile(script, k6Script, 0o644)
}

func k6Counted(out string) (int64, error) {
	text, err := os.ReadFile(out)
	if err != nil {
		return 0, err
	}
	var sent, received int64
	if _, err := fmt.Sscan(string(text), &sent, &received); err != nil || sent == 0 || sent != received {
		return 0, fmt.Errorf("k6 sent %d messages and received %d (%v)", sent, received, err)
	}
	return received, nil
}

// tcpkaliRate is messages a second on each connection.
const tcpkaliRate = 20

func tcpkaliCommand(_ *rig, addr netip.AddrPort, n int, window time.Duration, _ string) (string, error) {
	seconds := window.Seconds() + 1 // it takes no less than what connecting takes
	return fmt.Sprintf("tcpkali --ws -c %d --connect-rate %d -T %gs -r %d -m %s %v", n, connectRate, seconds,
		tcpkaliRate, strings.Repeat("x", messageSize), addr), nil
}

var tcpkaliReceived = regexp.MustCompile(`Total data received:.*\((\d+) bytes\)`)

// tcpkaliCounted divides what was received by the length of an answer; the answers to
// the upgrades drop out of the difference of two runs.
func tcpkaliCounted(out string) (int64, error) {
	text, err := os.ReadFile(out + ".log")
	if err != nil {
		return 0, err
	}
	found := tcpkaliReceived.FindSubmatch(text)
	if found == nil {
		return 0, fmt.Errorf("tcpkali does not say what it received:\n%s", text)
	}
	bytes, err := strconv.ParseInt(string(found[1]), 10, 64)
	return bytes / (messageSize + 2), err
}
