package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"wsgauge/internal/proc"
	"wsgauge/loadgen"
)

// load is what a client did in a closed loop: every message was answered.
type load struct {
	messages int64
	cpu      time.Duration
	wall     time.Duration
	calls    int64             // system calls, when they were counted
	rec      *loadgen.Recorder // the agent's
}

// cost is CPU in µs a message.
func (l load) cost() float64 { return float64(l.cpu.Nanoseconds()) / 1e3 / float64(l.messages) }

func (l load) perSecond() float64 { return float64(l.messages) / l.wall.Seconds() }

func (l load) callsEach() float64 { return float64(l.calls) / float64(l.messages) }

// closedLoop has an agent keep one message in flight on each of its first n connections.
func (a *agent) closedLoop(ctx context.Context, n, size int, window time.Duration) (load, error) {
	var members loadgen.Set
	for i := range n {
		members.Add(uint32(i))
	}
	return a.load(ctx, &loadgen.SendPlan{Seed: 1, Members: members, Closed: true, For: window})
}

// load has an agent execute a send step and counts what it used for it.
func (a *agent) load(ctx context.Context, p *loadgen.SendPlan) (load, error) {
	p.Drain, p.Fragments, p.Size = 5*time.Second, 1, loadgen.Size{Min: messageSize, Max: messageSize}
	before, err := usage(a.PID(), false)
	if err != nil {
		return load{}, err
	}
	rec, took, err := a.step(ctx, loadgen.StepPlan{ID: "send", Send: p})
	if err != nil {
		return load{}, err
	}
	after, err := usage(a.PID(), false)
	if err != nil {
		return load{}, err
	}
	c := &rec.Counts
	if c.Answered == 0 || c.Answered != c.Sent || c.Sent != c.Scheduled {
		return load{}, fmt.Errorf("agent: %d messages scheduled, %d sent (not: %v), %d answered", c.Scheduled, c.Sent, c.NotSent, c.Answered)
	}
	return load{messages: c.Answered, cpu: after.CPU - before.CPU, wall: took, rec: rec}, nil
}

// agentLoad is one closed loop of a fresh agent. Whatever tool may be, it counts
// system calls.
func agentLoad(ctx context.Context, r *rig, addr netip.AddrPort, n int, window time.Duration, tool *counter) (l load, err error) {
	a, err := r.agent(ctx, clientCPU, addr)
	if err != nil {
		return load{}, err
	}
	defer func() { err = errors.Join(err, a.stop()) }()
	if _, _, err := a.connect(ctx, 0, n, connectRate); err != nil {
		return load{}, err
	}
	counted, err := tool.start(r, a.PID())
	if err != nil {
		return load{}, err
	}
	if l, err = a.closedLoop(ctx, n, messageSize, window); err == nil {
		l.calls, err = counted.stop()
	}
	return l, err
}

// buildLimit compiles the bare client.
func buildLimit(ctx context.Context, r *rig) (string, error) {
	compiler, err := exec.LookPath("gcc")
	if err != nil {
		return "", errors.New("no gcc on the PATH, which builds the bare C client: run `make setup-bench`")
	}
	path := filepath.Join(r.dir, "limit")
	out, err := exec.CommandContext(ctx, compiler, "-O2", "-o", path, limitSource).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s -O2 %s: %w\n%s", compiler, limitSource, err, out)
	}
	return path, nil
}

// limitLoad is one closed loop of the bare C client.
func limitLoad(ctx context.Context, r *rig, path string, addr netip.AddrPort, n int, window time.Duration, tool *counter) (l load, err error) {
	read, write, err := os.Pipe()
	if err != nil {
		return load{}, err
	}
	defer write.Close()
	defer read.Close()
	r.serial++
	out := filepath.Join(r.dir, strconv.Itoa(r.serial)+"-limit.out")
	child, err := r.keeper.Start(proc.Spec{Name: "limit", CPUs: clientCPU, Stdin: read, Output: out,
		NofileSoft: r.limits.NofileHard, NofileHard: r.limits.NofileHard,
		Argv: []string{path, addr.Addr().String(), strconv.Itoa(int(addr.Port())), strconv.Itoa(n),
			strconv.Itoa(messageSize), strconv.Itoa(int(window.Seconds()))}})
	if err != nil {
		return load{}, err
	}
	defer func() { err = errors.Join(err, stop(child)) }()
	if _, err := said(ctx, child, out, 1, 30*time.Second); err != nil {
		return load{}, err
	}
	counted, err := tool.start(r, child.PID())
	if err != nil {
		return load{}, err
	}
	if _, err := io.WriteString(write, "go\n"); err != nil {
		return load{}, err
	}
	line, err := said(ctx, child, out, 2, window+20*time.Second)
	if err != nil {
		return load{}, err
	}
	if l.calls, err = counted.stop(); err != nil {
		return load{}, err
	}
	var waits, reads, writes int64
	if _, err := fmt.Sscan(line, &l.messages, &l.cpu, &l.wall, &waits, &reads, &writes); err != nil {
		return load{}, fmt.Errorf("limit said %q: %w", line, err)
	}
	if l.messages == 0 || writes != l.messages || reads < l.messages {
		return load{}, fmt.Errorf("limit: %d messages answered with %d writes and %d reads", l.messages, writes, reads)
	}
	return l, nil
}

// said waits for a line of a process's output, counted from 1.
func said(ctx context.Context, child *proc.Child, file string, number int, within time.Duration) (string, error) {
	for limit := time.Now().Add(within); ; {
		ended := child.Err() // before its output is looked at, which is whole then
		gone := false
		select {
		case <-child.Done():
			gone = true
		default:
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		lines := bufio.NewScanner(strings.NewReader(string(text)))
		for i := 1; lines.Scan(); i++ {
			if i == number && strings.Count(string(text), "\n") >= number {
				return lines.Text(), nil
			}
		}
		switch {
		case ctx.Err() != nil:
			return "", context.Cause(ctx)
		case gone:
			return "", fmt.Errorf("%s ended and did not say what it should: %w", child.Name(), ended)
		case time.Now().After(limit):
			return "", fmt.Errorf("%s: silent for %v", child.Name(), within)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
