// Package calibration holds what was measured against what was there: the reference
// tunnel adds a delay of known size to every message, or a random one of known
// distribution, and the shift of the response times that a run shows must be that.
//
// What is true for a fixed delay is the delay, at every quantile. For a random one it
// depends on the quantile and on the response times without it: the sample of the
// undelayed tunnel in the same block, convolved with the distribution.
package calibration

import (
	"math"

	"wsgauge/report/shift"
)

// The bounds that a calibration is judged by: the larger of a share of the truth,
// and so many nanoseconds.
const (
	share = 0.05
	least = 20_000
)

// minBlocks is how many blocks have to know a quantile in both samples for a
// verdict: the median of two is the whim of one.
const minBlocks = 3

// Quantiles are those that are judged.
func Quantiles() []float64 { return []float64{0.5, 0.9, 0.99, 0.999} }

// Injected is what was added to the response times, in nanoseconds: always Delay; a
// random time, uniform from 0 to Jitter; and, when a stall that begins once every
// StallEvery and lasts StallFor is in the way, what is left of it. The three are
// independent of each other and of the response time. That what waits behind a
// stall leaves one after the other is not in it: at a utilisation ρ that stretches
// the stall by about ρ.
type Injected struct {
	Delay, Jitter, StallFor, StallEvery float64
}

// Fixed tells that it is the same for every message.
func (i Injected) Fixed() bool { return i.Jitter == 0 && i.StallFor == 0 }

// CDF is the probability that no more than y is added.
func (i Injected) CDF(y float64) float64 {
	y -= i.Delay
	free := i.uniform(y)
	if i.StallFor == 0 {
		return free
	}
	stalled := i.StallFor / i.StallEvery
	return (1-stalled)*free + stalled*(i.ramp(y)-i.ramp(y-i.StallFor))/i.StallFor
}

// uniform is the distribution of the jitter, a step at 0 without one.
func (i Injected) uniform(y float64) float64 {
	switch {
	case y < 0:
		return 0
	case i.Jitter == 0:
		return 1
	}
	return min(y/i.Jitter, 1)
}

// ramp is the integral of uniform up to y.
func (i Injected) ramp(y float64) float64 {
	switch {
	case y <= 0:
		return 0
	case y < i.Jitter:
		return y * y / (2 * i.Jitter)
	}
	return y - i.Jitter/2
}

// most is the largest value that can be added.
func (i Injected) most() float64 { return i.Delay + i.Jitter + i.StallFor }

// Quantile is the quantile (0 to 1) of the sample convolved with what was injected,
// in nanoseconds.
func (i Injected) Quantile(s shift.Sample, quantile float64) float64 {
	if i.Fixed() {
		return s.At(quantile) + i.Delay
	}
	type bar struct{ value, weight float64 }
	var bars []bar
	for _, b := range s.Distribution() {
		if b.Count > 0 {
			// The upper end, as the histogram itself gives quantiles.
			bars = append(bars, bar{float64(b.To), float64(b.Count) / float64(s.TotalCount())})
		}
	}
	below := func(x float64) (p float64) {
		for _, b := range bars {
			p += b.weight * i.CDF(x-b.value)
		}
		return p
	}
	low, high := 0.0, float64(s.Max())+i.most()
	for high-low > 10 { // ns
		if middle := low + (high-low)/2; below(middle) < quantile {
			low = middle
		} else {
			high = middle
		}
	}
	return high
}

// Verdict is what a comparison came to.
type Verdict string

// The verdicts.
const (
	Within  Verdict = "within"
	Outside Verdict = "outside"
	// Unclear: the median is not within the bound, but the blocks differ by so much
	// that what is true may be.
	Unclear Verdict = "unclear"
	TooFew  Verdict = "too few" // blocks in which both samples know the quantile
)

// Row is the judgement of one quantile. Values are in nanoseconds; each is taken
// block by block first and then over the blocks.
type Row struct {
	Quantile  float64
	Truth     shift.Band // the shift that there was
	Measured  shift.Band // the shift that the run shows
	Error     shift.Band // the one less the other
	Tolerance float64
	Verdict   Verdict
}

// Judge compares the samples of a target with those of the reference, which differs
// from it by what was injected and by nothing else.
func Judge(target, reference map[int]shift.Sample, injected Injected, quantile float64) Row {
	var truths, shifts, errors []float64
	for block, s := range target {
		r, both := reference[block]
		if !both || !s.Known(quantile) || !r.Known(quantile) {
			continue
		}
		base := r.At(quantile)
		truth, measured := injected.Quantile(r, quantile)-base, s.At(quantile)-base
		truths, shifts, errors = append(truths, truth), append(shifts, measured), append(errors, measured-truth)
	}
	row := Row{Quantile: quantile, Truth: shift.Over(truths), Measured: shift.Over(shifts), Error: shift.Over(errors)}
	row.Tolerance = max(share*math.Abs(row.Truth.Median), least)
	switch {
	case len(errors) < minBlocks:
		row.Verdict = TooFew
	case math.Abs(row.Error.Median) <= row.Tolerance:
		row.Verdict = Within
	case row.Error.Low <= row.Tolerance && row.Error.High >= -row.Tolerance:
		row.Verdict = Unclear
	default:
		row.Verdict = Outside
	}
	return row
}
