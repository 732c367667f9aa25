package schedule

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// exactly computes floor(n * 1e9 / rate) with rationals of any size.
func exactly(n uint64, rate float64) int64 {
	x := new(big.Rat).SetInt(new(big.Int).Mul(new(big.Int).SetUint64(n), big.NewInt(1e9)))
	x.Quo(x, new(big.Rat).SetFloat64(rate))
	t := new(big.Int).Quo(x.Num(), x.Denom())
	if !t.IsInt64() || t.Int64() > Never {
		return Never
	}
	return t.Int64()
}

// rates draws any positive rate, and those that people write more often.
func rates(t *rapid.T) float64 {
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		return rapid.SampledFrom([]float64{0.5, 1.0 / 3, 0.1, 1, 7, 1000, 2999.7, 1e6, 7e6, 1e7, 1e9, 3e9,
			math.SmallestNonzeroFloat64, math.MaxFloat64, 1 << 53, 1 << 62, 1 << 63, 1 << 64}).Draw(t, "rate")
	case 1:
		return math.Ldexp(rapid.Float64Range(0.5, 1).Draw(t, "fraction"), rapid.IntRange(-1070, 1023).Draw(t, "exponent"))
	}
	return rapid.Float64Range(0.001, 1e8).Draw(t, "rate")
}

func TestAtIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rates(t)
		n := rapid.OneOf(rapid.Uint64Range(0, 1e12), rapid.Uint64()).Draw(t, "n")
		if got, want := At(n, rate), exactly(n, rate); got != want {
			t.Fatalf("At(%d, %v) = %d, want %d", n, rate, got, want)
		}
	})
}

func TestAtNeverDecreases(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rates(t)
		n := rapid.Uint64Range(0, math.MaxUint64-100).Draw(t, "n")
		for i := range uint64(100) {
			if before, after := At(n+i, rate), At(n+i+1, rate); after < before {
				t.Fatalf("At(%d, %v) = %d, but the next is %d", n+i, rate, before, after)
			}
		}
	})
}

// TestAt holds values that can be worked out by hand.
func TestAt(t *testing.T) {
	for _, c := range []struct {
		n    uint64
		rate float64
		want int64
	}{
		{0, 1000, 0},
		{1, 1000, 1e6},
		{1, 0.5, 2e9},
		{1e6, 0.5, 2e15},
		{1, 3, 333333333},
		{2, 3, 666666666},
		{3, 3, 1e9},
		{3e12, 3, Never}, // 31,700 years
		{1e12, 7e6, 142857142857142},
		{7e12, 7e6, 1e15},
		{1e12, 1e7, 1e14},
		{1e12 + 1, 1e7, 1e14 + 100},
		{5, 2e9, 2},
		{1, 2999.75, 333361}, // 1e9 * 4 / 11999
		{0, math.SmallestNonzeroFloat64, 0},
		{1, math.SmallestNonzeroFloat64, Never},
		{1e18, math.MaxFloat64, 0},
	} {
		if got := At(c.n, c.rate); got != c.want {
			t.Errorf("At(%d, %v) = %d, want %d", c.n, c.rate, got, c.want)
		}
	}
}

func TestConstantIsAt(t *testing.T) {
	for _, rate := range []float64{0.5, 1.0 / 3, 1000, 2999.7, 7e6, 1e7, 3e9} {
		s := Constant(rate)
		for n := range uint64(10000) {
			if got, want := s.Next(), At(n, rate); got != want {
				t.Fatalf("rate %v: arrival %d at %d, want %d", rate, n, got, want)
			}
		}
	}
}

// TestNoRate: what is no rate has no arrivals, and a start time can be added to that.
func TestNoRate(t *testing.T) {
	for _, rate := range []float64{0, -1, math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1)} {
		for name, s := range map[string]Sequence{"constant": Constant(rate), "poisson": Poisson(rate, 1)} {
			for range 3 {
				if got := s.Next(); got != Never {
					t.Errorf("%s %v: %d, want never", name, rate, got)
				}
			}
		}
	}
	const year2100 = int64(4102444800e9)
	if year2100+Never < 0 {
		t.Error("a start time cannot be added to Never")
	}
	for _, rate := range []float64{math.SmallestNonzeroFloat64, 1e-300, 1e-12} {
		s := Poisson(rate, 1)
		for range 100 {
			if got := s.Next(); got != Never {
				t.Errorf("poisson %v: %d, want never", rate, got)
			}
		}
	}
}

func TestPhaseSpread(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.IntRange(1, 2000).Draw(t, "connections")
		every := rapid.Int64Range(1, math.MaxInt64).Draw(t, "every")
		// Even: neighbours, also the last and the first of the next period, are
		// floor or ceiling of every/m apart.
		low := every / int64(m)
		for i := range m {
			at, next := Phase("spread", every, i, m, 0), every
			if i+1 < m {
				next = Phase("spread", every, i+1, m, 0)
			}
			if at < 0 || at >= every || next-at < low || next-at-low > 1 {
				t.Fatalf("connection %d of %d at %d, the next at %d; every %d", i, m, at, next, every)
			}
		}
		if first := Phase("spread", every, 0, m, 0); first != 0 {
			t.Fatalf("the first at %d", first)
		}
	})
}

func TestPhase(t *testing.T) {
	const hour = int64(3600e9)
	if got := Phase("spread", hour, 999_999, 1_000_000, 0); got != hour-hour/1_000_000 {
		t.Errorf("the last of a million: %d", got)
	}
	for i := range 100 {
		if got := Phase("together", hour, i, 100, 1); got != 0 {
			t.Errorf("together: connection %d at %d", i, got)
		}
		if a, b := Phase("spread", hour, i, 100, 1), Phase("", hour, i, 100, 2); a != b {
			t.Errorf("spread: %d, by default %d", a, b)
		}
	}
	for _, got := range []int64{Phase("spread", 0, 1, 2, 0), Phase("random", -5, 1, 2, 0), Phase("random", 5, 1, 0, 0), Phase("spread", 5, -1, 3, 0)} {
		if got != 0 {
			t.Errorf("nothing to spread: %d", got)
		}
	}
}

func TestNewSizesErrors(t *testing.T) {
	for name, c := range map[string]struct {
		min, max int
		bytes    []int
		weights  []float64
	}{
		"negative":          {-1, 5, nil, nil},
		"reversed":          {5, 4, nil, nil},
		"weights alone":     {0, 0, nil, []float64{1}},
		"fewer weights":     {0, 0, []int{1, 2}, []float64{1}},
		"no weights":        {0, 0, []int{1, 2}, nil},
		"negative size":     {0, 0, []int{1, -2}, []float64{1, 1}},
		"negative weight":   {0, 0, []int{1, 2}, []float64{1, -1}},
		"not a number":      {0, 0, []int{1, 2}, []float64{1, math.NaN()}},
		"infinite":          {0, 0, []int{1, 2}, []float64{1, math.Inf(1)}},
		"all zero":          {0, 0, []int{1, 2}, []float64{0, 0}},
		"infinite together": {0, 0, []int{1, 2}, []float64{math.MaxFloat64, math.MaxFloat64}},
	} {
		if s, err := NewSizes(c.min, c.max, c.bytes, c.weights); err == nil {
			t.Errorf("%s: %+v, want an error", name, s)
		}
	}
}

func TestSizesWithinBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		low := rapid.IntRange(0, math.MaxInt).Draw(t, "min")
		high := rapid.IntRange(low, math.MaxInt).Draw(t, "max")
		s, err := NewSizes(low, high, nil, nil)
		if err != nil || s.Max() != high {
			t.Fatalf("max %d, error %v", s.Max(), err)
		}
		seed := rapid.Uint64().Draw(t, "seed")
		for n := range uint64(50) {
			if size := s.Of(seed, n); size < low || size > high {
				t.Fatalf("size %d of %d to %d", size, low, high)
			}
		}
	})
	for _, fixed := range []int{0, 1, 128, math.MaxInt} {
		if s, err := NewSizes(fixed, fixed, nil, nil); err != nil || s.Of(1, 2) != fixed || s.Max() != fixed {
			t.Errorf("fixed %d: %d, max %d, error %v", fixed, s.Of(1, 2), s.Max(), err)
		}
	}
	var zero Sizes
	if zero.Of(1, 2) != 0 || zero.Max() != 0 {
		t.Error("the zero value is not the size 0")
	}
}
