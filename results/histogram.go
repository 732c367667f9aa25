package results

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Bounds of the histograms in nanoseconds, and their precision.
const (
	histogramLow      = int64(time.Microsecond)
	histogramHigh     = int64(time.Hour)
	histogramIdleLow  = int64(time.Millisecond)
	histogramIdleHigh = int64(7 * 24 * time.Hour)
	histogramDigits   = 3
	// unitShare is the share of the lower bound that the histogram still tells apart.
	// HdrHistogram's "lowest discernible value" is a unit, not a bound with three
	// digits: given 1 µs it would round 118 µs by half a per cent.
	unitShare = 1000
)

// metricIdle has bounds of its own.
const metricIdle = "idle_before_close"

// beyondMin is how many observations must lie beyond a quantile before it is
// given: with fewer it says more about chance than about the system.
const beyondMin = 20

// NewHistogram returns an empty histogram of nanoseconds with the bounds of the
// metric: 1 µs to 1 h with three digits, and 1 ms to 7 d for idle_before_close.
// Histograms of the same metric merge exactly, since they share their bounds.
func NewHistogram(metric string) *hdrhistogram.Histogram {
	if metric == metricIdle {
		return hdrhistogram.New(histogramIdleLow/unitShare, histogramIdleHigh, histogramDigits)
	}
	return hdrhistogram.New(histogramLow/unitShare, histogramHigh, histogramDigits)
}

// Record adds a value in nanoseconds. A value outside the histogram's bounds is
// moved to the nearer bound, and clamped tells so, for the caller to count. h was made
// by [NewHistogram], perhaps in another process.
func Record(h *hdrhistogram.Histogram, ns int64) (clamped bool) {
	low, high := h.LowestTrackableValue()*unitShare, h.HighestTrackableValue()
	v := min(max(ns, low), high)
	// Within the bounds RecordValue fails only when the total count overflows
	// int64, which takes longer than any run: 292 years at a billion a second.
	if err := h.RecordValue(v); err != nil {
		return true
	}
	return v != ns
}

// Summarise gives the quantiles of h, nil for one without values. A quantile with
// fewer than 20 observations beyond it is null. censoredFrom is the smallest value
// that is only a lower bound (the age of an unanswered message), 0 for none: what
// reaches it is named in Censored. clamped is how many values lay outside the
// bounds.
func Summarise(h *hdrhistogram.Histogram, censoredFrom, clamped int64) *Quantiles {
	if h == nil || h.TotalCount() == 0 {
		return nil
	}
	q := &Quantiles{Count: h.TotalCount(), Mean: h.Mean(), Max: float64(h.Max()), Clamped: clamped, Censored: []string{}}
	for _, p := range quantileFields {
		if p.permille > 0 && !enoughBeyond(q.Count, p.permille) {
			continue
		}
		var v float64
		if p.permille > 0 {
			v = float64(h.ValueAtPercentile(float64(p.permille) / 10))
			*p.of(q) = &v
		} else {
			v = q.Max
		}
		if censoredFrom > 0 && v >= float64(censoredFrom) {
			q.Censored = append(q.Censored, p.name)
		}
	}
	return q
}

// quantileFields names what Summarise fills in; the maximum has no quantile and
// is always known.
var quantileFields = []struct {
	name     string
	permille int64
	of       func(*Quantiles) **float64
}{
	{"p50", 500, func(q *Quantiles) **float64 { return &q.P50 }},
	{"p90", 900, func(q *Quantiles) **float64 { return &q.P90 }},
	{"p99", 990, func(q *Quantiles) **float64 { return &q.P99 }},
	{"p99.9", 999, func(q *Quantiles) **float64 { return &q.P999 }},
	{"max", 0, nil},
}

// enoughBeyond tells whether at least 20 of count observations rank above the
// quantile permille/1000. The rank is computed in integers: 0.99 × 2000 in floating
// point may come to a hair above 1980.
func enoughBeyond(count, permille int64) bool {
	rank := count/1000*permille + (count%1000*permille+999)/1000
	return count-rank >= beyondMin
}

// IsCensored tells whether the named quantile ("p99", "max") is a lower bound.
func (q *Quantiles) IsCensored(name string) bool {
	for _, c := range q.Censored {
		if c == name {
			return true
		}
	}
	return false
}
