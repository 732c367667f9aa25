package runner

import (
	"cmp"
	"slices"
	"time"
)

// span is a stretch of time, by the wall clock in nanoseconds.
type span struct{ from, to int64 }

// covered is how much time lies in any of the spans: of those that ran at the same time
// no moment counts twice.
func covered(spans []span) time.Duration {
	sorted := slices.SortedFunc(slices.Values(spans), func(a, b span) int { return cmp.Compare(a.from, b.from) })
	var sum, end int64
	for i, s := range sorted {
		if i == 0 || s.from > end {
			end = s.from
		}
		if s.to > end {
			sum += s.to - end
			end = s.to
		}
	}
	return time.Duration(sum)
}
