// Package shift tells how much later the answers of one target come than those of
// another: the difference between their response times at equal quantiles, block by
// block, and over the blocks its median with a band.
//
// A single percentile of each target, taken over all trials, would not do: the
// machine differs from block to block by more than a good proxy adds, and such a
// difference has no error that anyone could state. Within a block it is the same
// machine minutes apart, and how the blocks spread is the error.
//
// The band assumes that the blocks are independent and nothing else: it lies between
// two of the blocks' own values, so chosen that it holds the true median with the
// probability stated (from the binomial distribution; no normal law, no random
// resampling). Five blocks give min to max at 94%, three only at 75%.
package shift

import (
	"fmt"
	"math"
	"slices"

	"github.com/HdrHistogram/hdrhistogram-go"
	"wsgauge/results"
)

// wanted is the probability that a band is to have; where the blocks do not
// suffice for it, the band is from their least to their most.
const wanted = 0.95

// beyond is how many observations must lie above a quantile for it to be stated.
const beyond = 20

// Metric is the histogram that is compared.
const Metric = "response_time"

// Sample is the response times of one trial.
type Sample struct {
	*hdrhistogram.Histogram
	// Exact is the highest quantile that unanswered messages do not reach; 1 when
	// all were answered.
	Exact float64
}

// Known tells whether the sample can state a quantile (0 to 1).
func (s Sample) Known(quantile float64) bool {
	return s.Histogram != nil && quantile <= s.Exact && Enough(s.TotalCount(), quantile)
}

// Enough tells whether at least 20 of so many observations lie above a quantile.
func Enough(count int64, quantile float64) bool {
	return float64(count)*(1-quantile) >= beyond-1e-6
}

// At is the value at a quantile (0 to 1), in nanoseconds.
func (s Sample) At(quantile float64) float64 { return float64(s.ValueAtQuantile(100 * quantile)) }

// Samples gathers, by block, the response times of a target in a step, or in all of
// them when step is empty: from those trials in which latency is valid. The problems
// say, in sentences, what could not be read.
func Samples(d *results.RunData, target, step string) (samples map[int]Sample, problems []string) {
	samples = map[int]Sample{}
	for i := range d.Trials {
		t := &d.Trials[i]
		if t.Target != target {
			continue
		}
		if _, spoiled := t.Spoiled(step, Metric+".p99"); !spoiled {
			samples[t.Block] = Sample{Exact: exact(t, step)}
		}
	}
	for i := range d.Intervals {
		v := &d.Intervals[i]
		s, wanted := samples[v.Block]
		if !wanted || v.Target != target || v.Metric != Metric || step != "" && v.Step != step {
			continue
		}
		h, err := v.Histogram()
		if err != nil {
			problems = append(problems, err.Error())
			delete(samples, v.Block) // a trial with a hole is no sample of it
			continue
		}
		if s.Histogram == nil {
			s.Histogram = h
		} else if dropped := s.Merge(h); dropped > 0 {
			problems = append(problems, fmt.Sprintf("%d response times of %s in block %d did not fit their histogram", dropped, target, v.Block))
		}
		samples[v.Block] = s
	}
	for block, s := range samples {
		if s.Histogram == nil || s.TotalCount() == 0 {
			delete(samples, block)
		}
	}
	return samples, problems
}

// exact is the highest quantile of those that the records name which is no lower
// bound.
func exact(t *results.Trial, step string) float64 {
	if !t.Censored(step, Metric+".max") {
		return 1
	}
	for _, q := range []struct {
		name string
		at   float64
	}{{"p99.9", 0.999}, {"p99", 0.99}, {"p90", 0.9}, {"p50", 0.5}} {
		if _, _, ok := t.Figure(step, Metric+"."+q.name); ok && !t.Censored(step, Metric+"."+q.name) {
			return q.at
		}
	}
	return 0
}

// Band is the median of a figure over blocks, and between which values the true one
// lies with the probability Level. Without a second block Level is 0, and Low and
// High are the value itself.
type Band struct {
	Median, Low, High float64
	Level             float64
	Blocks            int // that have it; 0: it is not known
}

// Over takes the values of blocks together.
func Over(values []float64) Band {
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	if n == 0 {
		return Band{Median: math.NaN(), Low: math.NaN(), High: math.NaN()}
	}
	b := Band{Median: results.Median(v), Low: v[0], High: v[n-1], Blocks: n}
	// A block is above the true median like a coin is heads: ways is the probability
	// that k of n are, tail that at most k are. The true median lies outside of
	// v[k] … v[n-1-k] when at most k blocks are on one side of it.
	ways := math.Pow(0.5, float64(n))
	tail := 0.0
	for k := 0; k < n/2; k++ {
		tail += ways
		ways *= float64(n-k) / float64(k+1)
		if level := 1 - 2*tail; k == 0 || level >= wanted {
			b.Low, b.High, b.Level = v[k], v[n-1-k], level
		}
	}
	return b
}

// Between is the shift from the reference to the target at a quantile (0 to 1), in
// nanoseconds, over the blocks in which both know it.
func Between(target, reference map[int]Sample, quantile float64) Band {
	var shifts []float64
	for block, s := range target {
		if r, both := reference[block]; both && s.Known(quantile) && r.Known(quantile) {
			shifts = append(shifts, s.At(quantile)-r.At(quantile))
		}
	}
	return Over(shifts)
}
