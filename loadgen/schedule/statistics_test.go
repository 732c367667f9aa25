package schedule

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
	"testing"
)

// Seeds are fixed, so that a test either always passes or never does. Bounds are
// those that a right generator breaks once in ten thousand seeds or less.

var seeds = []uint64{0, 1, 2, 42, 1 << 63, math.MaxUint64, golden, 0xdeadbeef}

// sigmas is the distance from the mean that a normal variate exceeds, to one side,
// once in twenty thousand times.
const sigmas = 3.9

// chiSquare checks counts against expected ones: neither too far from them nor, as a
// counter without randomness would be, too close. The bounds are Wilson and
// Hilferty's, good for three degrees of freedom or more.
func chiSquare(t *testing.T, what string, counts []int, expected []float64) {
	t.Helper()
	sum := 0.0
	for i, n := range counts {
		d := float64(n) - expected[i]
		sum += d * d / expected[i]
	}
	f := float64(len(counts) - 1)
	bound := func(z float64) float64 { return f * math.Pow(1-2/(9*f)+z*math.Sqrt(2/(9*f)), 3) }
	if low, high := bound(-sigmas), bound(sigmas); sum < low || sum > high {
		t.Errorf("%s: chi-square %.1f, want %.1f to %.1f", what, sum, low, high)
	}
}

func even(total, n int) []float64 { return slices.Repeat([]float64{float64(total) / float64(n)}, n) }

func gaps(s Sequence, n int) []float64 {
	out := make([]float64, n)
	before := int64(0)
	for i := range out {
		t := s.Next()
		out[i] = float64(t - before)
		before = t
	}
	return out
}

func meanVariance(x []float64) (mean, variance float64) {
	for _, v := range x {
		mean += v
	}
	mean /= float64(len(x))
	for _, v := range x {
		variance += (v - mean) * (v - mean)
	}
	return mean, variance / float64(len(x)-1)
}

// TestPoissonGaps: mean, variance, independence of neighbours, and the whole
// distribution by Kolmogorov and Smirnov's test against the exponential one.
func TestPoissonGaps(t *testing.T) {
	const n = 50_000
	for _, rate := range []float64{0.5, 1000, 2999.7, 100_000} {
		for _, seed := range seeds {
			g := gaps(Poisson(rate, seed), n)
			want := 1e9 / rate
			mean, variance := meanVariance(g)
			if off := (mean/want - 1) * math.Sqrt(n); math.Abs(off) > sigmas {
				t.Errorf("rate %v, seed %d: mean gap %v, want %v: %.1f sigma", rate, seed, mean, want, off)
			}
			// The variance of a sample variance is (9-1)/n for the exponential one.
			if off := (variance/(want*want) - 1) * math.Sqrt(n/8.0); math.Abs(off) > sigmas {
				t.Errorf("rate %v, seed %d: variance %v, want %v: %.1f sigma", rate, seed, variance, want*want, off)
			}
			neighbours := 0.0
			for i := range g[1:] {
				neighbours += (g[i] - mean) * (g[i+1] - mean)
			}
			if r := neighbours / (n * variance) * math.Sqrt(n); math.Abs(r) > sigmas {
				t.Errorf("rate %v, seed %d: neighbours are correlated: %.1f sigma", rate, seed, r)
			}
			slices.Sort(g)
			distance := 0.0
			for i, v := range g {
				f := 1 - math.Exp(-v/want)
				distance = max(distance, f-float64(i)/n, float64(i+1)/n-f)
			}
			if k := distance * math.Sqrt(n); k > 2.23 || k < 0.3 { // either once in 10,000
				t.Errorf("rate %v, seed %d: Kolmogorov-Smirnov %.2f", rate, seed, k)
			}
		}
	}
}

// TestPoissonFast: where gaps are shorter than the clock's unit, rounding must not
// change the rate.
func TestPoissonFast(t *testing.T) {
	const n = 1_000_000
	for _, rate := range []float64{1e7, 1e9, 3e9, 1e10} {
		s := Poisson(rate, 7)
		last := int64(0)
		for range n {
			next := s.Next()
			if next < last {
				t.Fatalf("rate %v: %d after %d", rate, next, last)
			}
			last = next
		}
		want := n * 1e9 / rate
		if off := (float64(last)/want - 1) * math.Sqrt(n); math.Abs(off) > sigmas {
			t.Errorf("rate %v: %d arrivals took %d ns, want %.0f: %.1f sigma", rate, n, last, want, off)
		}
	}
}

// TestPoissonCounts: in windows of equal length the counts are Poisson's, whose
// variance is their mean.
func TestPoissonCounts(t *testing.T) {
	const windows, mean = 5000, 20
	for _, seed := range seeds {
		s := Poisson(mean*1000, seed) // windows of a millisecond
		counts := make([]float64, windows)
		for at := s.Next(); at < windows*1e6; at = s.Next() {
			counts[at/1e6]++
		}
		_, variance := meanVariance(counts)
		if off := (variance/mean - 1) * math.Sqrt(windows/2.0); math.Abs(off) > sigmas {
			t.Errorf("seed %d: the variance of counts is %.2f, want %d: %.1f sigma", seed, variance, mean, off)
		}
	}
}

// TestPoissonSame: the same seed gives the same times, on every machine and in every
// version: a run can be repeated from its record.
func TestPoissonSame(t *testing.T) {
	s := Poisson(1000, 1)
	for i, want := range []int64{308210, 2695450, 3035363, 3450390, 5108094, 5277374} {
		if got := s.Next(); got != want {
			t.Errorf("arrival %d at %d, want %d", i, got, want)
		}
	}
	a, b, other := Poisson(1000, 5), Poisson(1000, 5), Poisson(1000, 6)
	same := 0
	for range 1000 {
		x, y, z := a.Next(), b.Next(), other.Next()
		if x != y {
			t.Fatalf("the same seed gave %d and %d", x, y)
		}
		if x == z {
			same++
		}
	}
	if same > 5 {
		t.Errorf("seeds 5 and 6 share %d of 1000 times", same)
	}
}

func TestLn(t *testing.T) {
	for i := range uint64(100_000) {
		x := float64(Uint64(3, i)>>11+1) / (1 << 53)
		if i < 1000 {
			x = float64(i+1) / (1 << 53) // the rarest, longest gaps
		} else if i < 2000 {
			x = 1 - float64(i-1000)/(1<<53)
		}
		if got, want := ln(x), math.Log(x); math.Abs(got-want) > 1e-15*max(1, math.Abs(want)) {
			t.Fatalf("ln(%v) = %v, want %v", x, got, want)
		}
	}
	if got := exponential(math.MaxUint64); got != 0 {
		t.Errorf("the shortest gap is %v", got)
	}
	if got := exponential(0); math.Abs(got-53*math.Ln2) > 1e-12 {
		t.Errorf("the longest gap is %v", got)
	}
}

func TestPickUniform(t *testing.T) {
	for _, members := range []int{4, 7, 10, 300, 1000} {
		for _, seed := range seeds {
			counts := make([]int, members)
			n := 200 * members
			for i := range uint64(n) {
				counts[Pick(seed, i, members)]++
			}
			chiSquare(t, fmt.Sprint("members ", members, ", seed ", seed), counts, even(n, members))
		}
	}
	for i := range uint64(100) {
		if Pick(1, i, 1) != 0 {
			t.Fatal("one member, and another was picked")
		}
	}
}

// TestPickUnbiased: with 3 * 2^61 members a bias of the modulo would fall on their
// lower quarters, and one of the product on every third member; each would double
// a probability.
func TestPickUnbiased(t *testing.T) {
	const members, n = 3 << 61, 20_000
	for _, seed := range seeds {
		quarters, thirds := make([]int, 4), make([]int, 6)
		for i := range uint64(n) {
			picked := Pick(seed, i, members)
			quarters[picked/(members/4)]++
			thirds[picked%6]++
		}
		chiSquare(t, fmt.Sprint("quarters, seed ", seed), quarters, even(n, 4))
		chiSquare(t, fmt.Sprint("thirds, seed ", seed), thirds, even(n, 6))
	}
}

func TestPickPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("one of no members was picked")
		}
	}()
	Pick(1, 1, 0)
}

func TestPhaseRandom(t *testing.T) {
	const every, m, bins = int64(1_000_003), 20_000, 100
	for _, seed := range seeds {
		counts := make([]int, bins)
		for i := range m {
			at := Phase("random", every, i, m, seed)
			if at < 0 || at >= every {
				t.Fatalf("connection %d at %d of %d", i, at, every)
			}
			counts[at*bins/every]++
		}
		chiSquare(t, fmt.Sprint("seed ", seed), counts, even(m, bins))
	}
}

func TestSizesWeights(t *testing.T) {
	const n = 20_000
	bytes := []int{128, 65536, 7, 1, 128, 9}
	weights := []float64{9, 1, 0, 0.5, 3, 2}
	s, err := NewSizes(0, 0, bytes, weights)
	if err != nil || s.Max() != 65536 {
		t.Fatalf("max %d, error %v", s.Max(), err)
	}
	want := map[int]float64{128: 12 / 15.5, 65536: 1 / 15.5, 1: 0.5 / 15.5, 9: 2 / 15.5}
	order := []int{128, 65536, 1, 9}
	for _, seed := range seeds {
		counts, expected := make([]int, len(order)), make([]float64, len(order))
		for i, size := range order {
			expected[i] = n * want[size]
		}
		for i := range uint64(n) {
			k := slices.Index(order, s.Of(seed, i))
			if k < 0 {
				t.Fatalf("a size of %d bytes, which has no weight", s.Of(seed, i))
			}
			counts[k]++
		}
		chiSquare(t, fmt.Sprint("seed ", seed), counts, expected)
	}
	// The largest size is one that can be had.
	if s, err = NewSizes(0, 0, []int{5, 900}, []float64{1e-300, 0}); err != nil || s.Max() != 5 || s.Of(1, 1) != 5 {
		t.Errorf("max %d, size %d, error %v", s.Max(), s.Of(1, 1), err)
	}
}

func TestSizesUniform(t *testing.T) {
	s, err := NewSizes(10, 49, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, seed := range seeds {
		counts := make([]int, 40)
		for i := range uint64(8000) {
			counts[s.Of(seed, i)-10]++
		}
		chiSquare(t, fmt.Sprint("seed ", seed), counts, even(8000, 40))
	}
}

// TestUint64 checks that each bit of the seed and of the number changes each bit of
// the result half of the time, and that bytes are uniform over numbers and over seeds.
func TestUint64(t *testing.T) {
	for i, want := range []uint64{0xd544a2fc0a92daa3, 0x17535c7bded5149b, 0xa0b0cb82441f0fab, 0x53d51258f71af34d} {
		if got := Uint64(1, uint64(i)); got != want {
			t.Errorf("number %d of seed 1 is %#x, want %#x", i, got, want)
		}
	}
	const n = 4000
	for bit := range 64 {
		var bySeed, byNumber [64]int
		for i := range uint64(n) {
			x := Uint64(i, i*i)
			for flipped, counts := range map[uint64]*[64]int{x ^ Uint64(i^1<<bit, i*i): &bySeed, x ^ Uint64(i, i*i^1<<bit): &byNumber} {
				for ; flipped != 0; flipped &= flipped - 1 {
					counts[bits.TrailingZeros64(flipped)]++
				}
			}
		}
		for out := range 64 {
			for name, count := range map[string]int{"seed": bySeed[out], "number": byNumber[out]} {
				// 8192 of these are looked at: five sigma, not four.
				if off := (float64(count) - n/2) / math.Sqrt(n/4.0); math.Abs(off) > 5 {
					t.Errorf("bit %d of the %s changes bit %d %d times of %d: %.1f sigma", bit, name, out, count, n, off)
				}
			}
		}
	}
	for shift := 0; shift < 64; shift += 8 {
		byNumber, bySeed := make([]int, 256), make([]int, 256)
		for i := range uint64(256 * 100) {
			byNumber[Uint64(9, i)>>shift&255]++
			bySeed[Uint64(i, 9)>>shift&255]++
		}
		chiSquare(t, fmt.Sprint("numbers, shift ", shift), byNumber, even(256*100, 256))
		chiSquare(t, fmt.Sprint("seeds, shift ", shift), bySeed, even(256*100, 256))
	}
}

// TestStreamsApart: with one seed for all, what is drawn for message n must not tell
// what else is drawn for it; nor may one seed's draws tell the next seed's.
func TestStreamsApart(t *testing.T) {
	const n, bins = 20_000, 8
	sizes, err := NewSizes(0, bins-1, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, seed := range seeds {
		s := Poisson(1, seed)
		before := int64(0)
		draws := map[string]func(uint64) int{
			"gap": func(uint64) int {
				at := s.Next()
				gap := float64(at-before) / 1e9
				before = at
				return min(int(math.Exp(-gap)*bins), bins-1)
			},
			"member":           func(i uint64) int { return Pick(seed, i, bins) },
			"next seed":        func(i uint64) int { return Pick(seed+1, i, bins) },
			"next number":      func(i uint64) int { return Pick(seed, i+1, bins) },
			"seed plus golden": func(i uint64) int { return Pick(seed+golden, i, bins) },
			"size":             func(i uint64) int { return sizes.Of(seed, i) },
			"phase":            func(i uint64) int { return int(Phase("random", bins, int(i), n, seed)) },
		}
		values := map[string][]int{}
		for name, draw := range draws {
			for i := range uint64(n) {
				values[name] = append(values[name], draw(i))
			}
		}
		for a := range values {
			for b := range values {
				if a >= b {
					continue
				}
				counts := make([]int, bins*bins)
				for i := range n {
					counts[values[a][i]*bins+values[b][i]]++
				}
				chiSquare(t, fmt.Sprint(a, " and ", b, ", seed ", seed), counts, even(n, bins*bins))
			}
		}
	}
}
