package schedule

import "math/bits"

// Phase returns when connection i of m sends its first message, as an offset in
// [0, every), where every is the period in nanoseconds in which each connection
// sends one. The kinds are
//
//	spread    floor(i * every / m): the load is even over the period
//	random    uniform over the period, by seed
//	together  0: all at the same time
//
// Any other kind is spread, the default of scenario files.
func Phase(kind string, every int64, i, m int, seed uint64) int64 {
	if every < 1 || m < 1 || i < 0 || kind == "together" {
		return 0
	}
	if kind == "random" {
		return int64(below(seed^streamPhases, uint64(i), uint64(every)))
	}
	high, low := bits.Mul64(uint64(i%m), uint64(every)) // 128 bits: hours times millions
	offset, _ := bits.Div64(high, low, uint64(m))       // below every, since i%m < m
	return int64(offset)
}
