package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// contender is one of those that take turns, and what came of it, a figure a round.
type contender struct {
	name  string
	about string                      // what is to be known of it, if anything
	run   func(*server) (load, error) // against an echo backend of its own
	costs []float64
	rates []float64
}

// fresh runs against a backend that nobody has used.
func fresh(ctx context.Context, r *rig, run func(*server) (load, error)) (l load, err error) {
	backend, err := r.echo(ctx, serverCPU)
	if err != nil {
		return load{}, err
	}
	defer func() { err = errors.Join(err, stop(backend.Child)) }()
	return run(backend)
}

// alternate has every contender run once a round. Every second round goes backwards,
// so that a drift of the machine favours nobody.
func alternate(ctx context.Context, r *rig, contenders []contender) error {
	for round := range r.rounds {
		order := make([]int, len(contenders))
		for i := range order {
			order[i] = i
		}
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, i := range order {
			c := &contenders[i]
			l, err := fresh(ctx, r, c.run)
			if err != nil {
				return fmt.Errorf("round %d: %s: %w", round+1, c.name, err)
			}
			c.costs = append(c.costs, l.cost())
			c.rates = append(c.rates, l.perSecond())
		}
	}
	return errors.Join(context.Cause(ctx))
}

// ratio adds a line of the ratios of two figures, round by round.
func (t *table) ratio(name string, of, to []float64, atMost string) {
	ratios := make([]float64, len(of))
	for i := range of {
		ratios[i] = of[i] / to[i]
	}
	t.add(name, fmt.Sprintf("%.3g", median(ratios)), spread(ratios, "%.3g"), atMost)
}
