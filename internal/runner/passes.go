package runner

import (
	"slices"

	"wsgauge/loadgen"
	"wsgauge/results"
)

// passes are all passes of a step; those of a repeat are judged together, as they are
// merged by whoever reads the step's histograms.
type passes struct {
	step results.Step // the first
	n    int
	sum  loadgen.Recorder
}

// passed keeps a pass of a step.
func (t *trial) passed(step results.Step, sum *loadgen.Recorder) {
	i := slices.IndexFunc(t.passes, func(p *passes) bool { return p.step.ID == step.ID })
	if i < 0 {
		i = len(t.passes)
		t.passes = append(t.passes, &passes{step: step})
	}
	t.passes[i].n++
	t.passes[i].sum.Merge(sum)
}

// merged are the steps as they are judged.
func (t *trial) merged() (steps []results.Step) {
	for _, p := range t.passes {
		step := p.step
		if p.n > 1 {
			step = results.Step{ID: step.ID, Pattern: step.Pattern, Figures: figures(&p.sum, 0, 0)}
		}
		step.SendLag = p.known(loadgen.SendLag, step.SendLag, step.ResponseTime)
		step.ReceiveLag = p.known(loadgen.ReceiveLag, step.ReceiveLag, step.ResponseTime)
		step.PingLag = p.known(loadgen.PingLag, step.PingLag, step.Ping)
		steps = append(steps, step)
	}
	return steps
}

// known are the quantiles of a lag with those that the response time has, as far as one
// observation lies beyond them. The receive lag is that of some connections only: what
// spoils a p99 of the response time would otherwise not be seen before it has one too.
func (p *passes) known(m loadgen.Metric, lag, response *results.Quantiles) *results.Quantiles {
	h := p.sum.Histogram(m)
	if lag == nil || response == nil || h == nil {
		return lag
	}
	out := *lag
	for _, q := range []struct {
		percent  int64
		lag      **float64
		response *float64
	}{{50, &out.P50, response.P50}, {90, &out.P90, response.P90}, {99, &out.P99, response.P99}} {
		if *q.lag == nil && q.response != nil && h.TotalCount()*(100-q.percent) >= 100 {
			v := float64(h.ValueAtPercentile(float64(q.percent)))
			*q.lag = &v
		}
	}
	return &out
}
