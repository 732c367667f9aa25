package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"wsgauge/loadgen"
)

const (
	busyConnections = 1000 // of the idleConnections, those that send
	equalLoad       = 5000 // messages a second, open loop
	proxyCPU        = "1"  // the agent and the backend share the other one
)

// proxy is a contender of the tunnel's benchmark, and its figures, one a round.
type proxy struct {
	name  string
	serve func(ctx context.Context, backend netip.AddrPort) (*server, error)

	memory, fds []float64 // a tunnel: bytes of PSS, descriptors
	steady      []float64 // CPU µs a message at the equal load
	p50, p99    []float64 // of response time then, ns
	full        []float64 // CPU µs a message in a closed loop
	rate        []float64 // messages a second in it
}

// tunnel prints what the reference tunnel costs beside other proxies: each confined
// to one CPU, with one worker, before an echo backend of its own.
func tunnel(ctx context.Context, r *rig) error {
	proxies := []*proxy{{name: "tunnel", serve: func(ctx context.Context, backend netip.AddrPort) (*server, error) {
		return r.tunnel(ctx, proxyCPU, backend)
	}}}
	for _, p := range findPeers() {
		if p.program == "" {
			fmt.Fprintf(r.out, "%s is not installed and not measured; `make setup-peers` installs it\n", p.name)
			continue
		}
		version, err := p.version(ctx)
		if err != nil {
			return err
		}
		proxies = append(proxies, &proxy{name: version, serve: func(ctx context.Context, backend netip.AddrPort) (*server, error) {
			return p.serve(ctx, r, proxyCPU, backend)
		}})
	}
	for round := range r.rounds {
		for i := range proxies {
			if round%2 == 1 { // every second round goes backwards, against drift
				i = len(proxies) - 1 - i
			}
			if err := proxyRound(ctx, r, proxies[i]); err != nil {
				return fmt.Errorf("round %d: %s: %w", round+1, proxies[i].name, err)
			}
		}
	}
	return printProxies(r, proxies)
}

// proxyRound measures a fresh process: first its idle tunnels, then load on some.
func proxyRound(ctx context.Context, r *rig, p *proxy) (err error) {
	backend, err := r.echo(ctx, clientCPU)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop(backend.Child)) }()
	s, err := p.serve(ctx, backend.addr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop(s.Child)) }()
	a, err := r.agent(ctx, clientCPU, s.addr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.stop()) }()
	idle, err := idleCost(ctx, a, idleRate, s.PID())
	if err != nil {
		return err
	}
	p.memory, p.fds = append(p.memory, idle[0].pss), append(p.fds, idle[0].fds)

	var members loadgen.Set
	for i := range busyConnections {
		members.Add(uint32(i))
	}
	plans := []*loadgen.SendPlan{
		{Rate: equalLoad, Arrivals: "poisson"},
		{Closed: true},
	}
	var costs [2]float64
	var loads [2]load
	for i, plan := range plans {
		plan.Seed, plan.Members, plan.For = 1, members, r.window
		before, err := usage(s.PID(), false)
		if err != nil {
			return err
		}
		if loads[i], err = a.load(ctx, plan); err != nil {
			return err
		}
		after, err := usage(s.PID(), false)
		if err != nil {
			return err
		}
		costs[i] = float64((after.CPU - before.CPU).Nanoseconds()) / 1e3 / float64(loads[i].messages)
	}
	response := loads[0].rec.Histogram(loadgen.ResponseTime)
	p.steady, p.full = append(p.steady, costs[0]), append(p.full, costs[1])
	p.p50 = append(p.p50, float64(response.ValueAtPercentile(50)))
	p.p99 = append(p.p99, float64(response.ValueAtPercentile(99)))
	p.rate = append(p.rate, loads[1].perSecond())
	return a.closeAll(ctx)
}

func printProxies(r *rig, proxies []*proxy) error {
	fmt.Fprintf(r.out, "%d tunnels, %d of them busy, %d B; proxy on CPU %s, agent and echo on CPU %s; median of %d rounds of %v\n\n",
		idleConnections, busyConnections, messageSize, proxyCPU, clientCPU, r.rounds, r.window)
	t := &table{}
	t.add("", "idle tunnel", "descriptors", fmt.Sprintf("CPU µs/message at %d/s", equalLoad), "response p50", "p99",
		"CPU µs/message, closed loop", "messages/s")
	for _, p := range proxies {
		t.add(p.name, fmt.Sprintf("%.0f B", median(p.memory)), fmt.Sprintf("%.2f", median(p.fds)),
			fmt.Sprintf("%.2f", median(p.steady)), micro(p.p50), micro(p.p99),
			fmt.Sprintf("%.2f", median(p.full)), fmt.Sprintf("%.0f", median(p.rate)))
	}
	if err := t.print(r.out); err != nil || len(proxies) == 1 {
		return err
	}
	fmt.Fprintln(r.out)
	t = &table{}
	t.add("ratio", "median", "least … greatest", "at most")
	own := proxies[0]
	for _, p := range proxies[1:] {
		t.ratio(fmt.Sprintf("tunnel / %s, CPU a message at %d/s", p.name, equalLoad), own.steady, p.steady, "1.0")
		t.ratio(fmt.Sprintf("tunnel / %s, CPU a message, closed loop", p.name), own.full, p.full, "1.0")
		t.ratio(fmt.Sprintf("tunnel / %s, response p99 at %d/s", p.name, equalLoad), own.p99, p.p99, "")
		t.ratio(fmt.Sprintf("tunnel / %s, memory a tunnel", p.name), own.memory, p.memory, "")
	}
	return t.print(r.out)
}

// micro writes the median of nanoseconds.
func micro(ns []float64) string { return time.Duration(median(ns)).Round(time.Microsecond).String() }
