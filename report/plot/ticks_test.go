package plot

import (
	"math"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/plot"
	"pgregory.net/rapid"
)

func labels(ticks []plot.Tick) string {
	var words []string
	for _, t := range ticks {
		words = append(words, t.Label)
	}
	return strings.Join(words, " ")
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		what   string
		ticker plot.Ticker
		low    float64
		high   float64
		want   string
	}{
		{"log", logTicks{"ns"}, 50e3, 2e6, "50 µs 100 µs 200 µs 500 µs 1 ms 2 ms"},
		{"log, many decades", logTicks{"ns"}, 1e3, 1e9, "1 µs   10 µs   100 µs   1 ms   10 ms   100 ms   1 s"},
		{"log of bytes", logTicks{"B"}, 10, 2e6, "16 B 256 B 4 KiB 64 KiB 1 MiB"},
		{"log of few bytes", logTicks{"B"}, 500, 2000, "512 B 1 KiB"},
		{"log of zero", logTicks{"ns"}, 0, 1e9, ""},
		{"per cent", linearTicks{"%"}, 0, 30, "0 5% 10% 15% 20% 25% 30%"},
		{"seconds", linearTicks{"s"}, 0, 4.2, "0 1 s 2 s 3 s 4 s"},
		{"minutes", linearTicks{"s"}, 0, 400, "0 1 min 2 min 3 min 4 min 5 min 6 min"},
		{"hours", linearTicks{"s"}, 0, 86400, "0 3 h 6 h 9 h 12 h 15 h 18 h 21 h 24 h"},
		{"a minute and a half", linearTicks{"s"}, 0, 95, "0 20 s 40 s 60 s 80 s"},
		{"two hours", linearTicks{"s"}, 0, 7200, "0 20 min 40 min 60 min 80 min 100 min 120 min"},
		{"parts of a second", linearTicks{"s"}, 0, 0.4, "0 100 ms 200 ms 300 ms 400 ms"},
		{"bytes", linearTicks{"B"}, 0, 250 * 1024, "0 50 KiB 100 KiB 150 KiB 200 KiB 250 KiB"},
		{"percentiles", ninesTicks{}, 0, 3, "0% 50% 75% 90% 95% 99% 99.9%"},
	} {
		if got := labels(c.ticker.Ticks(c.low, c.high)); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
	for v, want := range map[float64][2]float64{1: {1, 1}, 3: {2, 5}, 0.07: {0.05, 0.1}, 999: {500, 1000}, 2e6: {2e6, 2e6}} {
		if d, u := step125(v, false), step125(v, true); math.Abs(d/want[0]-1) > 1e-9 || math.Abs(u/want[1]-1) > 1e-9 {
			t.Errorf("step125(%v) = %v and %v, want %v", v, d, u, want)
		}
	}
}

// Whatever the range: two labelled ticks at least and not too many, all inside.
func TestTicksAlwaysSuffice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := math.Exp(rapid.Float64Range(0, 29).Draw(t, "a"))
		b := math.Exp(rapid.Float64Range(0, 29).Draw(t, "b"))
		low, high := logRange(min(a, b), max(a, b))
		if low > min(a, b)*(1+1e-9) || high < max(a, b)*(1-1e-9) {
			t.Fatalf("%v…%v is not within %v…%v", a, b, low, high)
		}
		unit := rapid.SampledFrom([]string{"", "ns", "s", "B", "%"}).Draw(t, "unit")
		for _, ticks := range [][]plot.Tick{logTicks{unit}.Ticks(low, high), linearTicks{unit}.Ticks(0, a)} {
			named := 0
			for _, tick := range ticks {
				if tick.Label != "" {
					named++
				}
			}
			if named < 2 || named > 15 {
				t.Fatalf("%d labels of %d ticks: %v", named, len(ticks), ticks)
			}
		}
	})
}

// Names keep their order, lie apart, and stay inside while there is room.
func TestSpread(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		wanted := rapid.SliceOfN(rapid.Float64Range(-20, 220), 1, 15).Draw(t, "wanted")
		slices.Sort(wanted)
		got := spread(wanted, 12, 0, 200)
		for i := range got {
			if got[i] < -1e-6 || got[i] > 200+1e-6 {
				t.Fatalf("%v lies outside: %v", got[i], got)
			}
			if i > 0 && got[i]-got[i-1] < 12-1e-6 {
				t.Fatalf("%v and %v are not apart: %v", got[i-1], got[i], got)
			}
		}
	})
	if got := spread([]float64{10, 50, 51, 90}, 12, 0, 200); !slices.Equal(got, []float64{10, 44.5, 56.5, 90}) {
		t.Errorf("%v: only those that touch should move", got)
	}
}
