package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"wsgauge/loadgen"
)

const (
	idleConnections = 5000
	idleRate        = 2500 // a second; how fast they come is not what is measured
	secureRate      = 1000 // … with handshakes
)

// idleFigures are what idle connections added to a process.
type idleFigures struct{ pss, fds float64 } // bytes, descriptors; each

// memory prints what an idle connection adds to the agent and an idle tunnel to the
// tunnel: PSS with 5,000 against PSS when ready with none, by the processes of a run.
// Nothing is asked to clean up before it is looked at; garbage counts.
func memory(ctx context.Context, r *rig) error {
	var agents, secure, tunnels, fds []float64
	for round := range r.rounds {
		ofAgent, ofTunnel, err := idleRound(ctx, r)
		if err != nil {
			return fmt.Errorf("round %d: %w", round+1, err)
		}
		ofSecure, err := secureRound(ctx, r)
		if err != nil {
			return fmt.Errorf("round %d, wss: %w", round+1, err)
		}
		secure = append(secure, ofSecure.pss)
		agents, tunnels, fds = append(agents, ofAgent.pss), append(tunnels, ofTunnel.pss), append(fds, ofTunnel.fds)
	}
	fmt.Fprintf(r.out, "PSS at %d idle connections against 0, each; median of %d rounds\n\n", idleConnections, r.rounds)
	t := &table{}
	t.add("", "median", "least … greatest", "at most", "wanted")
	t.add("agent, a ws connection", fmt.Sprintf("%.0f B", median(agents)), spread(agents, "%.0f"), "1024 B", "512 B")
	t.add("agent, a wss connection", fmt.Sprintf("%.0f B", median(secure)), spread(secure, "%.0f"), "", "12288 B")
	t.add("tunnel, a tunnel", fmt.Sprintf("%.0f B", median(tunnels)), spread(tunnels, "%.0f"), "2048 B", "512 B")
	t.add("tunnel, descriptors", fmt.Sprintf("%.2f", median(fds)), spread(fds, "%.2f"), "2", "2")
	return t.print(r.out)
}

// idleRound opens the connections through a tunnel and looks at both processes.
func idleRound(ctx context.Context, r *rig) (ofAgent, ofTunnel idleFigures, err error) {
	backend, err := r.echo(ctx, "")
	if err != nil {
		return ofAgent, ofTunnel, err
	}
	defer func() { err = errors.Join(err, stop(backend.Child)) }()
	tunnel, err := r.tunnel(ctx, "", backend.addr)
	if err != nil {
		return ofAgent, ofTunnel, err
	}
	defer func() { err = errors.Join(err, stop(tunnel.Child)) }()
	a, err := r.agent(ctx, "", tunnel.addr)
	if err != nil {
		return ofAgent, ofTunnel, err
	}
	defer func() { err = errors.Join(err, a.stop()) }()

	cost, err := idleCost(ctx, a, idleRate, a.PID(), tunnel.PID())
	if err != nil {
		return ofAgent, ofTunnel, err
	}
	return cost[0], cost[1], a.closeAll(ctx)
}

// secureRound opens them over wss, straight to the backend.
func secureRound(ctx context.Context, r *rig) (f idleFigures, err error) {
	backend, trust, err := r.secureEcho(ctx, "")
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, stop(backend.Child)) }()
	a, err := r.trustingAgent(ctx, "", backend.addr, trust)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, a.stop()) }()
	cost, err := idleCost(ctx, a, secureRate, a.PID())
	if err != nil {
		return f, err
	}
	return cost[0], a.closeAll(ctx)
}

// idleCost opens the connections and returns what each of them added to processes.
func idleCost(ctx context.Context, a *agent, rate float64, pids ...int) ([]idleFigures, error) {
	time.Sleep(200 * time.Millisecond) // the probe's tunnel has gone by then
	before, err := look(pids)
	if err != nil {
		return nil, err
	}
	if _, _, err := a.connect(ctx, 0, idleConnections, rate); err != nil {
		return nil, err
	}
	// A hold proves that they stay, and lets the agent report as it does when idle.
	sum, _, err := a.step(ctx, loadgen.StepPlan{ID: "hold", Hold: &loadgen.HoldPlan{For: 1500 * time.Millisecond}})
	if err != nil {
		return nil, err
	}
	if len(sum.Counts.Closures) > 0 {
		return nil, fmt.Errorf("idle connections ended: %v", sum.Counts.Closures)
	}
	after, err := look(pids)
	if err != nil {
		return nil, err
	}
	for i := range after {
		after[i].pss = (after[i].pss - before[i].pss) / idleConnections
		after[i].fds = (after[i].fds - before[i].fds) / idleConnections
	}
	return after, nil
}

// look reads what processes hold.
func look(pids []int) (f []idleFigures, err error) {
	for _, pid := range pids {
		u, err := usage(pid, true)
		if err != nil {
			return nil, err
		}
		f = append(f, idleFigures{float64(u.PSS), float64(u.FDs)})
	}
	return f, nil
}
