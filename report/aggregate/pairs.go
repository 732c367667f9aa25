package aggregate

import (
	"slices"

	"wsgauge/results"
)

// Ratio is the median, over the blocks, of a figure of one target over that of
// another in the same block, where both are valid, known and no lower bounds. Its
// State is Known or NotMeasured.
func Ratio(trials, yardstick []*results.Trial, name string) Aggregate {
	return pairs(trials, yardstick, name, "×", func(v, base float64) (float64, bool) { return v / base, base > 0 })
}

// Difference is as [Ratio] is, of the one less the other, in the figure's unit.
func Difference(trials, yardstick []*results.Trial, name string) Aggregate {
	info, err := results.LookFigure(name)
	if err != nil {
		return Aggregate{State: NotMeasured, Why: err.Error()}
	}
	return pairs(trials, yardstick, name, info.Unit, func(v, base float64) (float64, bool) { return v - base, true })
}

func pairs(trials, yardstick []*results.Trial, name, unit string, of func(v, base float64) (float64, bool)) Aggregate {
	a := Aggregate{State: NotMeasured, Trials: len(trials), Why: "no block has both"}
	a.Unit = unit
	byBlock := map[int]float64{}
	for _, t := range yardstick {
		if v, ok := exact(t, name); ok {
			byBlock[t.Block] = v
		}
	}
	var values []float64
	for _, t := range trials {
		v, ok := exact(t, name)
		base, both := byBlock[t.Block]
		if !ok || !both {
			continue
		}
		if v, ok := of(v, base); ok {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return a
	}
	a.State, a.Used, a.Why = Known, len(values), ""
	a.Value, a.Min, a.Max = results.Median(values), slices.Min(values), slices.Max(values)
	return a
}

// exact is a figure that can be divided: valid, known, and no lower bound.
func exact(t *results.Trial, name string) (float64, bool) {
	if _, spoiled := t.Spoiled("", name); spoiled || t.Censored("", name) {
		return 0, false
	}
	v, _, ok := t.Figure("", name)
	return v, ok
}
