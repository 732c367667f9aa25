package plot

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"wsgauge/results"
)

// marksApart is how far apart the same step may begin in two trials that have their marks
// in common, as a share of the axis: about the width of a line.
const marksApart = 0.02

// marks are the starts of the steps in the trials that stand for the targets by a figure,
// and what is to be said about them. They mark one trial's lines as well as another's, so
// there are none where the trials differ.
func (s *source) marks(figure string) (list []Mark, about string) {
	var trials []*results.Trial
	axis := 0.0
	for _, t := range s.targets {
		if trial := example(t, figure); trial != nil && len(trial.Steps) > 0 {
			trials = append(trials, trial)
			axis = max(axis, trial.EndedS-origin(trial))
		}
	}
	if len(trials) == 0 {
		return nil, ""
	}
	first := starts(trials[0])
	for _, trial := range trials[1:] {
		other := starts(trial)
		if len(other) != len(first) {
			return nil, unmarked
		}
		for step, at := range first {
			if o, there := other[step]; !there || math.Abs(o-at) > marksApart*axis {
				return nil, unmarked
			}
		}
	}
	return marksOf(trials[0]), " Dotted lines: where a step begins."
}

// marksOf are the starts of a trial's steps.
func marksOf(trial *results.Trial) (list []Mark) {
	first := starts(trial)
	for _, step := range trial.Steps {
		text := step.Step
		if strings.ContainsFunc(step.ID, func(r rune) bool { return r >= 'a' && r <= 'z' }) && step.ID != step.Step {
			text = step.ID
		}
		list = append(list, Mark{first[pass{step.ID, step.Iteration}], text})
	}
	slices.SortStableFunc(list, func(a, b Mark) int { return cmp.Compare(a.X, b.X) })
	return list
}

const unmarked = " Steps begin at other times for one target than for another, so that none is marked."

// origin is when the first step of a trial began, in seconds after the run's start: until
// then the target was started, which takes one longer than another.
func origin(t *results.Trial) float64 { return t.StartedS + firstStart(t) }

// firstStart is the same after the trial's start.
func firstStart(t *results.Trial) float64 {
	if len(t.Steps) == 0 {
		return 0
	}
	first := math.Inf(1)
	for _, s := range t.Steps {
		first = min(first, s.StartedS)
	}
	return first
}

// starts are when the passes of a trial's steps began, in seconds after the first.
func starts(t *results.Trial) map[pass]float64 {
	out, from := map[pass]float64{}, firstStart(t)
	for _, s := range t.Steps {
		out[pass{s.ID, s.Iteration}] = s.StartedS - from
	}
	return out
}

type pass struct {
	id        string
	iteration int
}
