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
		steps = append(steps, step)
	}
	return steps
}
