package schedule

import (
	"math"
	"math/bits"
)

// Never is a time that no step reaches, 146 years after its start: what a schedule
// answers for an arrival that is later, or that never comes. A start time of the
// present century can be added to it without overflow.
const Never int64 = 1 << 62

// Sequence is an arrival process.
type Sequence interface {
	// Next returns the time of the next arrival in nanoseconds after the start, the
	// first one's at the first call. It never decreases, and is at most [Never].
	Next() int64
}

// Constant returns arrivals at equal distances: number n = 0, 1, ... at exactly
// floor(n * 1e9 / perSecond), however large n is. The floating-point rate is taken
// at its exact value. A rate that is not positive and finite has no arrivals.
func Constant(perSecond float64) Sequence { return &constant{rate: exact(perSecond)} }

// At returns the time of arrival n of [Constant].
func At(n uint64, perSecond float64) int64 { return exact(perSecond).at(n) }

type constant struct {
	rate rational
	n    uint64
}

func (c *constant) Next() int64 {
	t := c.rate.at(c.n)
	c.n++
	return t
}

// rational is a floating-point number as what it exactly is, mantissa * 2^exponent.
// The mantissa is odd, or zero for a rate that gives no arrivals.
type rational struct {
	mantissa uint64
	exponent int
}

func exact(rate float64) rational {
	if !(rate > 0) || math.IsInf(rate, 1) {
		return rational{}
	}
	fraction, exponent := math.Frexp(rate)
	mantissa := uint64(fraction * (1 << 53)) // exact: a float64 has 53 bits
	shift := bits.TrailingZeros64(mantissa)
	return rational{mantissa >> shift, exponent - 53 + shift}
}

// at returns floor(n * 1e9 / r) in integers, so that no rounding adds up: in
// floating point n / rate is off by some nanoseconds after a few months, and a sum of
// gaps of whole nanoseconds by half a percent from the first second on (at 7 million
// a second a gap is 142.857 ns).
func (r rational) at(n uint64) int64 {
	if r.mantissa == 0 {
		return Never
	}
	high, low, fits := shift(n, 1e9, -r.exponent)
	// A time below Never has n * 1e9 * 2^-exponent < 2^62 * mantissa < 2^115, so that
	// what does not fit in 128 bits is Never, and so is a quotient of more than 64.
	if !fits || high >= r.mantissa {
		return Never
	}
	t, _ := bits.Div64(high, low, r.mantissa)
	return int64(min(t, uint64(Never)))
}

// shift returns floor(a * b * 2^by) in 128 bits, and whether it fits.
func shift(a, b uint64, by int) (high, low uint64, fits bool) {
	high, low = bits.Mul64(a, b)
	length := bits.Len64(low)
	if high != 0 {
		length = 64 + bits.Len64(high)
	}
	switch {
	case length == 0:
		return 0, 0, true
	case length+by > 128:
		return 0, 0, false
	case by >= 64:
		return low << (by - 64), 0, true
	case by > 0:
		return high<<by | low>>(64-by), low << by, true
	case by > -64: // dividing what is left by the mantissa gives the same as dividing once
		by = -by
		return high >> by, low>>by | high<<(64-by), true
	}
	return 0, high >> (-by - 64), true
}

// Poisson returns arrivals that come independently of each other at a mean rate:
// exponential gaps, the first of them before the first arrival. The sequence
// depends on the rate and the seed alone. A rate that is not positive and finite
// has no arrivals.
func Poisson(perSecond float64, seed uint64) Sequence {
	mean := math.Inf(1)
	if perSecond > 0 && !math.IsInf(perSecond, 1) {
		mean = 1e9 / perSecond
	}
	return &poisson{mean: mean, seed: seed ^ streamArrivals}
}

type poisson struct {
	mean float64 // ns
	seed uint64
	n    uint64
	t    int64   // the time of the last arrival …
	rest float64 // … and the part of a nanosecond beyond it, below 1
}

// Next keeps whole nanoseconds apart from their fraction. Without the fraction each
// gap would lose half a nanosecond, which at ten million a second is half a percent
// of the rate; in one floating-point sum gaps would get coarser as time goes on.
func (p *poisson) Next() int64 {
	gap := float64(exponential(Uint64(p.seed, p.n)) * p.mean)
	p.n++
	if !(gap < float64(Never-p.t)) { // also when it is not a number
		p.t = Never
		return Never
	}
	whole := math.Floor(gap)
	p.rest += gap - whole
	if p.rest >= 1 {
		p.rest--
		whole++
	}
	p.t = min(p.t+int64(whole), Never)
	return p.t
}

// exponential turns 64 random bits into an exponential variate of mean 1: -ln u,
// where u is uniform over the multiples of 2^-53 in (0, 1].
func exponential(random uint64) float64 { return -ln(float64(random>>11+1) / (1 << 53)) }

// ln is the natural logarithm, within 1e-15 of it, of a number in (0, 1]. The one
// of package math may differ in its last bit between architectures, and would then
// give agents on different machines different schedules. For the same reason each
// product is rounded by a conversion: the compiler may not fuse it with the sum.
func ln(x float64) float64 {
	// x = m * 2^e with m near 1; ln m = 2 artanh z = 2 (z + z^3/3 + z^5/5 + ...)
	// with z = (m-1)/(m+1), where |z| < 0.172 and so z^22 is below one bit.
	m, e := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m *= 2
		e--
	}
	z := (m - 1) / (m + 1)
	square := float64(z * z)
	series := 0.0
	for _, c := range [...]float64{1. / 21, 1. / 19, 1. / 17, 1. / 15, 1. / 13, 1. / 11, 1. / 9, 1. / 7, 1. / 5, 1. / 3} {
		series = float64((series + c) * square)
	}
	return float64(float64(e)*math.Ln2) + float64(2*z*(1+series))
}
