package shift

import (
	"math"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"wsgauge/report/internal/synthetic"
	"wsgauge/results"
)

func sample(values ...int64) Sample {
	h := results.NewHistogram(Metric)
	for _, v := range values {
		results.Record(h, v)
	}
	return Sample{h, 1}
}

// many is n values from low in steps of a microsecond.
func many(n int, low int64) Sample {
	var v []int64
	for i := range n {
		v = append(v, low+int64(i)*1000)
	}
	return sample(v...)
}

func TestOver(t *testing.T) {
	for _, c := range []struct {
		values    []float64
		want      Band
		wantLevel float64
	}{
		{[]float64{7}, Band{Median: 7, Low: 7, High: 7, Blocks: 1}, 0},
		{[]float64{3, 1, 2}, Band{Median: 2, Low: 1, High: 3, Blocks: 3}, 0.75},
		{[]float64{5, 1, 4, 2, 3}, Band{Median: 3, Low: 1, High: 5, Blocks: 5}, 0.9375},
		{[]float64{5, 1, 4, 2, 3, 6}, Band{Median: 3.5, Low: 1, High: 6, Blocks: 6}, 0.96875},
		// Tables of the median's interval give the 2nd and 8th of nine at 96.1%.
		{[]float64{9, 8, 7, 6, 5, 4, 3, 2, 1}, Band{Median: 5, Low: 2, High: 8, Blocks: 9}, 0.9609375},
	} {
		got := Over(c.values)
		if math.Abs(got.Level-c.wantLevel) > 1e-9 {
			t.Errorf("%v: level %v, want %v", c.values, got.Level, c.wantLevel)
		}
		got.Level = 0
		if got != c.want {
			t.Errorf("%v: %+v, want %+v", c.values, got, c.want)
		}
	}
	if b := Over(nil); b.Blocks != 0 || !math.IsNaN(b.Median) {
		t.Errorf("of nothing: %+v", b)
	}
}

// The band holds the true median as often as it says.
func TestOverCovers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 12).Draw(t, "blocks")
		seed := rapid.Uint64().Draw(t, "seed")
		held, level := 0, 0.0
		const rounds = 2000
		for r := range rounds {
			var v []float64
			for i := range n {
				seed = seed*6364136223846793005 + uint64(r*n+i) + 1442695040888963407
				u := float64(seed>>11) / (1 << 53)
				v = append(v, u*u) // skewed; its median is 1/4
			}
			b := Over(v)
			level = b.Level
			if b.Low <= 0.25 && 0.25 <= b.High {
				held++
			}
		}
		// Five standard deviations.
		if got := float64(held) / rounds; math.Abs(got-level) > 5*math.Sqrt(level*(1-level)/rounds)+1e-9 {
			t.Fatalf("%d blocks: the band held the median in %.3f of the cases, and says %.3f", n, got, level)
		}
	})
}

func TestBetween(t *testing.T) {
	reference := map[int]Sample{1: many(1000, 100_000), 2: many(1000, 200_000), 3: many(1000, 300_000), 4: many(10, 100_000)}
	target := map[int]Sample{1: many(1000, 150_000), 2: many(1000, 252_000), 3: many(1000, 351_000), 4: many(1000, 1), 9: many(1000, 1)}
	b := Between(target, reference, 0.5)
	// Three digits of 800 µs.
	if b.Blocks != 3 || math.Abs(b.Median-51_000) > 1000 || math.Abs(b.Low-50_000) > 1000 || math.Abs(b.High-52_000) > 1000 {
		t.Errorf("%+v", b)
	}
	if b := Between(target, reference, 0.99); b.Blocks != 0 {
		t.Errorf("p99 of a thousand has ten beyond it: %+v", b)
	}
	if b := Between(target, reference, 0.98); b.Blocks != 3 {
		t.Errorf("p98 of a thousand has twenty beyond it: %+v", b)
	}
	late := target[1]
	late.Exact = 0.5 // unanswered messages reach all that is above
	target[1] = late
	if half, most := Between(target, reference, 0.5), Between(target, reference, 0.9); half.Blocks != 3 || most.Blocks != 2 {
		t.Errorf("with unanswered messages in one block: %d and %d blocks", half.Blocks, most.Blocks)
	}
}

// From the records: blocks that are not valid are left out, and so is what
// unanswered messages reach.
func TestSamples(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	err := synthetic.Write(dir, synthetic.Options{Blocks: 4, Targets: 2, Messages: 3000, Trial: func(t *results.Trial) {
		switch {
		case t.Block == 2 && t.Target == "tunnel":
			t.Invalid = []results.Invalid{{Reason: "late", Step: "load", Figures: []string{"response_time"}}}
		case t.Block == 3 && t.Target == "tunnel":
			t.ResponseTime.Censored = []string{"p99", "max"}
			t.Steps[1].ResponseTime.Censored = t.ResponseTime.Censored
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	d, err := results.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []string{"", "load"} {
		tunnel, problems := Samples(d, "tunnel", step)
		direct, more := Samples(d, "direct", step)
		if len(problems)+len(more) != 0 || len(tunnel) != 3 || len(direct) != 4 || tunnel[1].TotalCount() != 3000 {
			t.Fatalf("step %q: problems %v, %d and %d samples, %d values", step, problems, len(tunnel), len(direct), tunnel[1].TotalCount())
		}
		if tunnel[1].Exact != 1 || tunnel[3].Exact != 0.9 {
			t.Errorf("exact to %v and, with unanswered messages, %v", tunnel[1].Exact, tunnel[3].Exact)
		}
		if b := Between(tunnel, direct, 0.5); b.Blocks != 3 || b.Median < 30e3 || b.Median > 80e3 {
			t.Errorf("p50: %+v, want some 50 µs of 3 blocks", b)
		}
		if b := Between(tunnel, direct, 0.99); b.Blocks != 2 {
			t.Errorf("p99: %+v, want 2 blocks", b)
		}
	}
	if other, _ := Samples(d, "tunnel", "other"); len(other) != 0 {
		t.Errorf("%d samples of a step that was not there", len(other))
	}
}
