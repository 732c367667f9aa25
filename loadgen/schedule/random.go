package schedule

import (
	"fmt"
	"math/bits"
)

// Each use of the generator draws from a stream of its own, so that one seed may
// serve arrivals, connections, sizes and phases without one following the other.
const (
	streamArrivals uint64 = 0xa0761d6478bd642f
	streamMembers  uint64 = 0xe7037ed1a0b428db
	streamSizes    uint64 = 0x8ebc6af09c88c6e3
	streamPhases   uint64 = 0x589965cc75374cc3
)

// golden is 2^64 divided by the golden ratio, made odd: multiples of it are spread
// evenly, which is what a counter needs before it is mixed.
const golden = 0x9e3779b97f4a7c15

// Uint64 returns number n of the sequence that seed names: a generator without
// state, uniform over all 64-bit values. It is not for secrets.
func Uint64(seed, n uint64) uint64 {
	// The seed enters twice, before and after the counter is mixed: entering once,
	// the sequences of two seeds would be one sequence read from two places.
	key := mix(seed + golden)
	return mix(mix(n*golden+key) ^ bits.RotateLeft64(key, 32))
}

// mix is the finalizer of splitmix64: a bijection in which every input bit changes
// each output bit with a probability near one half.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Pick returns the member that message n goes to, 0 to members-1, each with the
// same probability. It panics when there are no members.
func Pick(seed, n uint64, members int) int {
	if members < 1 {
		panic(fmt.Sprintf("schedule: pick one of %d members", members))
	}
	return int(below(seed^streamMembers, n, uint64(members)))
}

// below returns a uniform number below bound, which is not zero: the high half of
// random × bound. Where 2^64 is no multiple of bound some results would come from
// one random number more than others; those extra ones are drawn again.
func below(seed, n, bound uint64) uint64 {
	high, low := bits.Mul64(Uint64(seed, n), bound)
	if low >= bound { // the extra ones have a smaller low half: no division needed
		return high
	}
	for extra := -bound % bound; low < extra; { // 2^64 mod bound
		seed = mix(seed + golden)
		high, low = bits.Mul64(Uint64(seed, n), bound)
	}
	return high
}
