package schedule

import (
	"errors"
	"fmt"
	"math"
)

// Sizes is a distribution of message sizes in bytes: one size, every size of a
// range with the same probability, or a weighted choice. The zero value is the
// fixed size 0.
type Sizes struct {
	min, max int
	choices  []choice // in the order given; nil for a range
}

// choice is taken by random numbers below its bound that no earlier choice takes.
type choice struct {
	bytes int
	bound uint64
}

// NewSizes returns the distribution over bytes with these weights, which need not
// add up to anything, or, when bytes is empty, the uniform one over min to max,
// both included. It fails when a size is negative, a weight is negative or not
// finite, no weight is positive, there are not as many weights as sizes, or min is
// greater than max. With bytes, min and max are not looked at.
func NewSizes(min, max int, bytes []int, weights []float64) (Sizes, error) {
	if len(bytes) == 0 {
		if len(weights) > 0 {
			return Sizes{}, fmt.Errorf("message sizes: %d weights without a size; give each weight its size", len(weights))
		}
		if min < 0 || max < min {
			return Sizes{}, fmt.Errorf("message sizes: the range %d to %d; give 0 <= min <= max", min, max)
		}
		return Sizes{min: min, max: max}, nil
	}
	if len(bytes) != len(weights) {
		return Sizes{}, fmt.Errorf("message sizes: %d sizes and %d weights; give each size one weight", len(bytes), len(weights))
	}
	return weighted(bytes, weights)
}

func weighted(bytes []int, weights []float64) (Sizes, error) {
	total := 0.0
	for i, w := range weights {
		if bytes[i] < 0 {
			return Sizes{}, fmt.Errorf("message sizes: a size of %d bytes; give 0 or more", bytes[i])
		}
		if !(w >= 0) || math.IsInf(w, 1) {
			return Sizes{}, fmt.Errorf("message sizes: the weight %v of %d bytes; give a finite number, 0 or more", w, bytes[i])
		}
		total += w
	}
	switch {
	case total == 0:
		return Sizes{}, errors.New("message sizes: every weight is 0; give one size at least a positive weight")
	case math.IsInf(total, 1):
		return Sizes{}, errors.New("message sizes: the weights add up to more than a number holds; divide them all")
	}
	s := Sizes{min: math.MaxInt}
	sum := 0.0
	for i, w := range weights {
		if w == 0 {
			continue // so that the last choice, which takes what is left, has a weight
		}
		sum += w
		bound := uint64(math.MaxUint64)
		if part := sum / total; part < 1 {
			bound = uint64(part * (1 << 64))
		}
		s.choices = append(s.choices, choice{bytes[i], bound})
		s.min, s.max = min(s.min, bytes[i]), max(s.max, bytes[i])
	}
	return s, nil
}

// Of returns the size of message n.
func (s Sizes) Of(seed, n uint64) int {
	if s.choices == nil {
		if s.min == s.max {
			return s.min
		}
		return s.min + int(below(seed^streamSizes, n, uint64(s.max-s.min)+1))
	}
	random := Uint64(seed^streamSizes, n)
	last := len(s.choices) - 1
	for _, c := range s.choices[:last] {
		if random < c.bound {
			return c.bytes
		}
	}
	return s.choices[last].bytes
}

// Max returns the largest size that [Sizes.Of] can give.
func (s Sizes) Max() int { return s.max }
