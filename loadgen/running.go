package loadgen

import (
	"fmt"
	"slices"
	"strings"

	"wsgauge/internal/evloop"
)

// running is a step on one worker. Several may run at once, each with the groups that
// are its own for the time; what happens to their connections is booked to it. Of what
// it does exactly one is set, none once it is over here.
type running struct {
	worker *worker
	plan   *StepPlan
	rec    Recorder
	tell   teller
	over   bool // the worker's part is done; the groups are still its own

	connecting  *connecting
	joining     *joining
	sending     *sending
	holding     *holding
	closing     *closing
	requesting  *requesting
	peak        int // most open connections of the worker meanwhile
	outstanding int // messages, or requests, that it still waits for
	draining    bool
	lost        []message
}

// teller is how a worker's part of a step speaks to the agent; from the worker's
// thread, which it must not keep waiting.
type teller interface {
	done()   // the part is over; said once
	failed() // the first failure of a connect step that ends with it
}

// begin starts a step, which the agent ends by [worker.leave].
func (w *worker) begin(p *StepPlan, t teller) (*running, error) {
	r := &running{worker: w, plan: p, tell: t, peak: w.opened}
	w.steps = append(w.steps, r)
	var g *group
	if p.Connect != nil || p.Join != nil || p.Send != nil {
		g = w.group(p.Group)
	}
	for _, of := range w.groups {
		if p.touches(of.name) {
			r.take(of)
		}
	}
	start := evloop.FromWall(p.StartAt)
	switch {
	case p.Connect != nil:
		if b := p.Connect.Behave; b != "" && !slices.Contains(Behaviours(), b) {
			return r, fmt.Errorf("clients that behave as %q; they can %s", b, strings.Join(Behaviours(), ", "))
		}
		r.startConnect(p.Connect, g, start)
	case p.Join != nil:
		r.startJoin(p.Join, g, start)
	case p.Send != nil:
		return r, r.startSend(p.Send, g, start)
	case p.Hold != nil:
		r.startHold(p.Hold, p.Group, start)
	case p.Close != nil:
		r.startClose(p.Close, start)
	case p.HTTP != nil:
		return r, r.startHTTP(p.HTTP, start)
	default:
		return r, fmt.Errorf("step %s: of no kind that this agent knows", p.ID)
	}
	return r, nil
}

// touches tells whether the group is the step's own while it runs.
func (p *StepPlan) touches(group string) bool {
	return p.HTTP == nil && (p.Group == "" || p.Group == group)
}

// meets tells whether two steps have a group in common.
func (p *StepPlan) meets(o *StepPlan) bool {
	return p.HTTP == nil && o.HTTP == nil && (p.Group == "" || o.Group == "" || p.Group == o.Group)
}

// take makes a group the step's own, with what has happened to it since it was another's.
func (r *running) take(g *group) {
	r.rec.Merge(&g.between.rec)
	g.between.rec.Reset()
	g.step = r
}

// leave ends what begin has begun: the groups are nobody's.
func (w *worker) leave(r *running) {
	for _, g := range w.groups {
		if g.step == r {
			g.step = &g.between
		}
	}
	for i, s := range w.steps {
		if s == r {
			w.steps = append(w.steps[:i:i], w.steps[i+1:]...)
			break
		}
	}
}

// each calls f for every connection of the step's groups.
func (r *running) each(f func(*conn)) {
	for _, g := range r.worker.groups {
		if g.step != r {
			continue
		}
		for _, c := range g.conns {
			if c != nil {
				f(c)
			}
		}
	}
}

// check tells the agent when the step is done here.
func (r *running) check() {
	if r.plan == nil || r.over {
		return
	}
	switch {
	case r.connecting != nil && !r.connecting.done(),
		r.joining != nil && !r.joining.done(),
		r.sending != nil && !r.sending.done(),
		r.holding != nil && !r.holding.done(),
		r.closing != nil && !r.closing.done(),
		r.requesting != nil && !r.requesting.done():
		return
	}
	r.connecting, r.joining, r.sending, r.holding, r.closing, r.requesting = nil, nil, nil, nil, nil, nil
	r.over = true
	r.tell.done()
}

// openedOne counts a connection that has opened.
func (w *worker) openedOne() {
	w.opened++
	for _, r := range w.steps {
		r.peak = max(r.peak, w.opened)
	}
}
