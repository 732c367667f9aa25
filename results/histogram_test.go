package results

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRecordClamps(t *testing.T) {
	h := NewHistogram("response_time")
	for _, c := range []struct {
		ns      int64
		clamped bool
	}{{-5, true}, {0, true}, {999, true}, {1000, false}, {int64(time.Hour), false}, {int64(time.Hour) + 1, true}} {
		if got := Record(h, c.ns); got != c.clamped {
			t.Errorf("Record(%d) clamped %v, want %v", c.ns, got, c.clamped)
		}
	}
	if h.TotalCount() != 6 {
		t.Errorf("%d values of 6 were recorded", h.TotalCount())
	}
	idle := NewHistogram("idle_before_close")
	if Record(idle, int64(6*24*time.Hour)) || !Record(idle, int64(8*24*time.Hour)) {
		t.Error("idle_before_close must reach 7 d, and no further")
	}
}

// A quantile is given from 20 observations beyond it on: p99 from 2000.
func TestSummariseNeedsObservationsBeyond(t *testing.T) {
	if Summarise(NewHistogram("dial"), 0, 0) != nil || Summarise(nil, 0, 0) != nil {
		t.Error("no values must give no summary")
	}
	for _, c := range []struct {
		count               int
		p50, p90, p99, p999 bool
	}{
		{39, false, false, false, false}, {40, true, false, false, false}, {199, true, false, false, false},
		{200, true, true, false, false}, {1999, true, true, false, false}, {2000, true, true, true, false},
		{19999, true, true, true, false}, {20000, true, true, true, true},
	} {
		h := NewHistogram("dial")
		if err := h.RecordValues(5e6, int64(c.count)); err != nil {
			t.Fatal(err)
		}
		q := Summarise(h, 0, 3)
		got := []bool{q.P50 != nil, q.P90 != nil, q.P99 != nil, q.P999 != nil}
		if want := []bool{c.p50, c.p90, c.p99, c.p999}; !slices.Equal(got, want) {
			t.Errorf("%d observations give %v, want %v", c.count, got, want)
		}
		if q.Count != int64(c.count) || q.Clamped != 3 || len(q.Censored) != 0 {
			t.Errorf("%d observations: %+v", c.count, q)
		}
	}
}

// 100 of 10,000 unanswered at 5 s: p99 stands below them, p99.9 is unknown, and only
// the maximum is a lower bound; with one more per cent p99 is one too.
func TestSummariseCensors(t *testing.T) {
	for _, c := range []struct {
		unanswered int64
		want       []string
	}{{50, []string{"max"}}, {300, []string{"p99", "max"}}, {20000, []string{"p50", "p90", "p99", "p99.9", "max"}}} {
		h := NewHistogram("response_time")
		for ns, n := range map[int64]int64{1e6: 10000 - min(c.unanswered, 9999), 5e9: c.unanswered} {
			if err := h.RecordValues(ns, n); err != nil {
				t.Fatal(err)
			}
		}
		if q := Summarise(h, 5e9, 0); !slices.Equal(q.Censored, c.want) {
			t.Errorf("%d unanswered: censored %v, want %v", c.unanswered, q.Censored, c.want)
		}
	}
}

// Whatever the values: quantiles ascend, lie within a thousandth of what sorting
// gives, and what is censored is never below the smallest censored value.
func TestSummariseAgainstSorting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(1000, int64(time.Hour)), 40, 2500).Draw(t, "values")
		from := rapid.Int64Range(0, int64(2*time.Hour)).Draw(t, "censored from")
		h := NewHistogram("response_time")
		for _, v := range values {
			Record(h, v)
		}
		slices.Sort(values)
		q := Summarise(h, from, 0)
		for permille, v := range map[int]*float64{500: q.P50, 900: q.P90, 990: q.P99} {
			if v == nil {
				continue
			}
			// The rank may be rounded to either neighbour.
			at := len(values) * permille / 1000
			low, high := float64(values[max(at-1, 0)]), float64(values[min(at+1, len(values)-1)])
			if *v < low*0.999 || *v > high*1.001 {
				t.Fatalf("quantile %d‰ of %d is %v, not within %v and %v", permille, len(values), *v, low, high)
			}
			if from == 0 && len(q.Censored) > 0 {
				t.Fatal("censored without a censored value")
			}
		}
		if q.P90 != nil && q.P50 != nil && *q.P90 < *q.P50 {
			t.Fatal("p90 below p50")
		}
		if q.IsCensored("max") != (from > 0 && q.Max >= float64(from)) {
			t.Fatalf("max %v, censored from %d: %v", q.Max, from, q.Censored)
		}
	})
}
