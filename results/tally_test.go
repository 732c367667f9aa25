package results_test

import (
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"pgregory.net/rapid"

	"wsgauge/results"
)

// durations spread over all octaves, and beyond both bounds.
func durations(t *rapid.T) []int64 {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) int64 {
		v := rapid.Int64Range(-1000, 1000).Draw(t, "small")
		return v<<rapid.IntRange(0, 50).Draw(t, "octave") + rapid.Int64Range(0, 5000).Draw(t, "rest")
	}), 0, 300).Draw(t, "durations")
}

var tallied = []string{"response_time", "idle_before_close"}

// TestTallyIsHistogram: a tally holds exactly what a histogram of the same values
// holds, also when it came in parts, and after it was encoded.
func TestTallyIsHistogram(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		metric := rapid.SampledFrom(tallied).Draw(t, "metric")
		want := results.NewHistogram(metric)
		whole, part := results.NewTally(metric), results.NewTally(metric)
		for i, v := range durations(t) {
			to := whole
			if i%3 == 0 {
				to = part
			}
			if clamped := to.Record(v); clamped != results.Record(want, v) {
				t.Fatalf("%d: clamped is %v", v, clamped)
			}
		}
		whole.Merge(part)
		if whole.Count() != want.TotalCount() {
			t.Fatalf("%d values, want %d", whole.Count(), want.TotalCount())
		}
		if got := whole.Histogram(); !got.Equals(want) || got.Max() != want.Max() || got.Min() != want.Min() {
			t.Fatalf("as a histogram: %v, want %v", got.CumulativeDistribution(), want.CumulativeDistribution())
		}
		got, err := hdrhistogram.Decode(whole.Encode())
		if err != nil {
			t.Fatal(err)
		}
		again := results.NewTally(metric)
		if err := again.Add(got); err != nil || !again.Histogram().Equals(want) || again.Count() != want.TotalCount() {
			t.Fatalf("added to an empty one: %v, %d values", err, again.Count())
		}
		if !got.Equals(want) {
			t.Fatalf("decoded: %v, want %v", got.CumulativeDistribution(), want.CumulativeDistribution())
		}
	})
}

// TestTallyEncodesMuch: more than a block of the stored format holds.
func TestTallyEncodesMuch(t *testing.T) {
	tally, want := results.NewTally("dial"), results.NewHistogram("dial")
	for v := int64(time.Microsecond); v < int64(time.Hour); v += v/3000 + 1 {
		tally.Record(v)
		if err := want.RecordValues(v, 1<<13); err != nil {
			t.Fatal(err)
		}
	}
	for range 13 { // to counts of three bytes
		tally.Merge(tally)
	}
	if n := len(tally.Encode()); n < 65536*4/3 {
		t.Fatalf("%d bytes: not more than one block", n)
	}
	got, err := hdrhistogram.Decode(tally.Encode())
	if err != nil || !got.Equals(want) {
		t.Fatal(err, "not the same")
	}
}

func TestTallyAddsOnlyItsKind(t *testing.T) {
	if err := results.NewTally("dial").Add(results.NewHistogram("idle_before_close")); err == nil {
		t.Fatal("a histogram with other bounds was added")
	}
}

func BenchmarkTally(b *testing.B) {
	tally := results.NewTally("response_time")
	for i := int64(0); b.Loop(); i++ {
		tally.Record(40_000 + i*7919%60_000)
	}
}

func BenchmarkHistogram(b *testing.B) {
	h := results.NewHistogram("response_time")
	for i := int64(0); b.Loop(); i++ {
		results.Record(h, 40_000+i*7919%60_000)
	}
}

func BenchmarkTallyEncode(b *testing.B) {
	tally := results.NewTally("response_time")
	for i := int64(0); i < 50000; i++ {
		tally.Record(40_000 + i*7919%600_000)
	}
	for b.Loop() {
		tally.Encode()
	}
}

func BenchmarkHistogramEncode(b *testing.B) {
	h := results.NewHistogram("response_time")
	for i := int64(0); i < 50000; i++ {
		results.Record(h, 40_000+i*7919%600_000)
	}
	for b.Loop() {
		if _, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase); err != nil {
			b.Fatal(err)
		}
	}
}
