package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"

	"wsgauge/loadgen"
)

const (
	messageSize = 64
	connectRate = 2500 // a second, for connections that are not what is measured
	openings    = 16000
	limitSource = "loadgen/bench/c/limit.c"

	// The client has a CPU to itself, so that what it is charged with is its own.
	clientCPU, serverCPU = "0", "1"
)

// engine prints what a message costs the generator, against the least that it can
// cost, and how fast it opens connections.
func engine(ctx context.Context, r *rig) error {
	limit, err := buildLimit(ctx, r)
	if err != nil {
		return err
	}
	tool := findCounter()
	ofAgent := func(n int, tool *counter) func(*server) (load, error) {
		return func(s *server) (load, error) { return agentLoad(ctx, r, s.addr, n, r.window, tool) }
	}
	ofLimit := func(n int, tool *counter) func(*server) (load, error) {
		return func(s *server) (load, error) { return limitLoad(ctx, r, limit, s.addr, n, r.window, tool) }
	}
	contenders := []contender{
		{name: "wsgauge agent, 1000 connections", run: ofAgent(1000, nil)},
		{name: "limit.c, 1000 connections", run: ofLimit(1000, nil)},
		{name: "wsgauge agent, 100 connections", run: ofAgent(100, nil)},
		{name: "wsgauge agent, 10000 connections", run: ofAgent(10000, nil)},
		{name: "limit.c, 100 connections", run: ofLimit(100, nil)},
		{name: "limit.c, 10000 connections", run: ofLimit(10000, nil)},
	}
	own := len(contenders)
	for _, t := range tools {
		if _, err := exec.LookPath(t.name); err == nil {
			contenders = append(contenders, contender{name: t.name + ", 1000 connections", about: t.about,
				run: func(s *server) (load, error) { return t.load(ctx, r, s.addr, 1000) }})
		}
	}
	if err := alternate(ctx, r, contenders); err != nil {
		return err
	}
	calls := []string{"", ""}
	if tool != nil {
		for i, run := range []func(*server) (load, error){ofAgent(1000, tool), ofLimit(1000, tool)} {
			l, err := fresh(ctx, r, run)
			if err != nil {
				return err
			}
			calls[i] = fmt.Sprintf("%.3f", l.callsEach())
		}
	}

	fmt.Fprintf(r.out, "Closed loop, %d B, client on CPU %s, echo on CPU %s; median of %d rounds of %v\n\n",
		messageSize, clientCPU, serverCPU, r.rounds, r.window)
	t := &table{}
	t.add("", "CPU µs/message", "least … greatest", "messages/s", "calls/message")
	for i, c := range contenders {
		calls := append(calls, make([]string, len(contenders))...)
		t.add(c.name, fmt.Sprintf("%.2f", median(c.costs)), spread(c.costs, "%.2f"), fmt.Sprintf("%.0f", median(c.rates)), calls[i])
	}
	if err := t.print(r.out); err != nil {
		return err
	}
	switch {
	case tool == nil:
		fmt.Fprintln(r.out, "\nSystem calls were not counted: neither perf nor strace works here.")
	case tool.tool == "strace":
		fmt.Fprintln(r.out, "\nSystem calls were counted by strace in a round of their own, which slows the client.")
	default:
		fmt.Fprintln(r.out, "\nSystem calls were counted by perf in a round of their own.")
	}
	fmt.Fprintln(r.out)
	t = &table{}
	t.add("ratio", "median", "least … greatest", "at most")
	t.ratio("agent / limit.c, 1000 connections", contenders[0].costs, contenders[1].costs, "1.15")
	t.ratio("agent / limit.c, 100 connections", contenders[2].costs, contenders[4].costs, "")
	t.ratio("agent / limit.c, 10000 connections", contenders[3].costs, contenders[5].costs, "")
	t.ratio("agent, 10000 connections / 100", contenders[3].costs, contenders[2].costs, "1.25")
	t.ratio("limit.c, 10000 connections / 100", contenders[5].costs, contenders[4].costs, "")
	for _, c := range contenders[own:] {
		t.ratio("agent / "+c.name, contenders[0].costs, c.costs, "0.125")
	}
	if err := t.print(r.out); err != nil {
		return err
	}
	for _, c := range contenders[own:] {
		if c.about != "" {
			fmt.Fprintf(r.out, "%s: %s.\n", c.name, c.about)
		}
	}
	fmt.Fprintln(r.out)
	return opening(ctx, r)
}

// opening prints how fast connections open: at the rate that is wanted, and as fast
// as they will.
func opening(ctx context.Context, r *rig) error {
	fmt.Fprintf(r.out, "Opening %d connections, direct; median of %d rounds\n\n", openings, r.rounds)
	t := &table{}
	t.add("asked for", "opened/s", "at least", "upgrade p50", "upgrade p99", "dial lag p99", "agent CPU µs each")
	for _, rate := range []float64{8000, 100000} {
		var figures [5][]float64
		for range r.rounds {
			f, err := openingRound(ctx, r, rate)
			if err != nil {
				return err
			}
			for i := range f {
				figures[i] = append(figures[i], f[i])
			}
		}
		asked, least := fmt.Sprintf("%.0f/s", rate), "8000"
		if rate > 8000 {
			asked = "all at once"
		}
		t.add(asked, fmt.Sprintf("%.0f", median(figures[0])), least, micro(figures[1]), micro(figures[2]), micro(figures[3]), fmt.Sprintf("%.1f", median(figures[4])))
	}
	return t.print(r.out)
}

func openingRound(ctx context.Context, r *rig, rate float64) (f [5]float64, err error) {
	backend, err := r.echo(ctx, serverCPU)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, stop(backend.Child)) }()
	a, err := r.agent(ctx, clientCPU, backend.addr)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, a.stop()) }()
	before, err := usage(a.PID(), false)
	if err != nil {
		return f, err
	}
	rec, took, err := a.connect(ctx, 0, openings, rate)
	if err != nil {
		return f, err
	}
	after, err := usage(a.PID(), false)
	if err != nil {
		return f, err
	}
	f[0] = openings / took.Seconds()
	f[1] = float64(rec.Histogram(loadgen.Upgrade).ValueAtPercentile(50))
	f[2] = float64(rec.Histogram(loadgen.Upgrade).ValueAtPercentile(99))
	f[3] = float64(rec.Histogram(loadgen.DialLag).ValueAtPercentile(99))
	f[4] = float64((after.CPU - before.CPU).Microseconds()) / openings
	return f, a.closeAll(ctx)
}
