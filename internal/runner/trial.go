package runner

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"wsgauge/internal/proc"
	"wsgauge/loadgen"
	"wsgauge/results"
	"wsgauge/targets"
)

// trial is one pass of all steps over one target, with fresh processes.
type trial struct {
	run    *run
	number int // from 1, over the run
	target *chosen
	site   site
	start  time.Time
	record results.Trial

	dir      string
	addrs    []netip.AddrPort // of the backends
	instance *targets.Instance
	local    bool                  // the target's addresses are this machine's
	ended    atomic.Bool           // a step has ended the target's processes, which were not ours
	files    *targets.Certificates // nil: nothing of the trial speaks TLS
	trust    *loadgen.Trust        // of whoever connects; nil likewise
	spec     proc.Spec             // how the target was started
	watches  *watches              // while the steps run
	agents   *agents
	sampler  *sampler
	board    *scoreboard // nil: the target says nothing of its workers
	logDir   string

	// mu guards what follows: branches of a together step act and end at the same time.
	mu       sync.Mutex
	child    *proc.Child // the target; nil for direct
	backends []*proc.Child
	helpers  []*proc.Child // commands that were run beside the target
	log      *targets.Tail
	sum      loadgen.Recorder
	besides  besides
	passes   []*passes // by step, in their order
	windows  []span    // in which messages were sent
	peak     int
	open     int     // connections, as last told
	live     []*live // steps under way, in the order in which they began
}

// runTrial runs a trial to its record; an error is one of the run itself, after
// which no further trial makes sense. What goes wrong with the target or the load
// ends the trial and stands in its record.
func (r *run) runTrial(ctx context.Context, number, block int, target *chosen) error {
	t := &trial{run: r, number: number, target: target, start: time.Now(),
		site: r.network.site(number, r.scenario.MaxOpen(), portsPerPair(r.record.Host.Sysctls["net.ipv4.ip_local_port_range"])),
		record: results.Trial{Block: block, Target: target.Name,
			Resources: map[string]*results.Resources{}, Log: map[string]int64{}}}
	t.placeRemote()
	t.record.StartedS = t.start.Sub(r.start).Seconds()
	t.event(results.Event{Kind: "trial_start"})
	clock := newClockCheck()

	err := t.up(ctx)
	if err == nil {
		err = t.steps(ctx)
	}
	if cause := context.Cause(ctx); cause != nil {
		err = errInterrupted
	}
	// The way down must not be cut short by what cut the trial short.
	down, cancel := context.WithTimeout(context.WithoutCancel(ctx), 60*time.Second)
	defer cancel()
	closing := t.down(down)

	if err != nil {
		t.record.Error = err.Error()
	}
	t.finish(clock)
	if werr := r.dir.AppendTrial(&t.record); werr != nil {
		return errors.Join(werr, closing)
	}
	t.event(results.Event{Kind: "trial_end", Text: t.record.Error})
	r.trialDone(t)
	return closing
}

// finish turns what was gathered into the trial's record.
func (t *trial) finish(clock clockCheck) {
	t.sum.Merge(t.besides.settle(t.record.Steps))
	slices.SortStableFunc(t.record.Steps, func(a, b results.Step) int { return cmp.Compare(a.StartedS, b.StartedS) })
	t.record.EndedS = time.Since(t.run.start).Seconds()
	t.record.Figures = figures(&t.sum, t.peak, covered(t.windows))
	c := circumstances{clockDrift: clock.drift(), maxSteal: t.run.MaxSteal}
	if t.sampler != nil {
		t.record.Resources = t.sampler.total(&t.record)
		c.longestGap, c.stolen, c.others = t.sampler.gap(), t.sampler.stolen(), t.sampler.others
	}
	t.record.Invalid = judge(t.record.Error, t.merged(), c)
	t.record.Valid = true
	for _, i := range t.record.Invalid {
		for _, f := range i.Figures {
			t.record.Valid = t.record.Valid && f != "all"
		}
	}
}

func (t *trial) event(e results.Event) { t.eventAt(time.Now(), e) }

func (t *trial) eventAt(at time.Time, e results.Event) {
	e.AtS = at.Sub(t.run.start).Seconds()
	e.Block, e.Target = t.record.Block, t.target.Name
	t.run.event(e)
}

func (t *trial) cpus() layout { return t.run.layout.with(t.target.CPUs) }
