package results

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/adler32"
	"math"
	"math/bits"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The buckets of HdrHistogram: from each power of two to the next there are 1024 of
// the same width, which is three digits, and below the first 2048 units of one unit.
const (
	octaveBits = 10
	chunkBits  = 8
	maxChunks  = (64 - octaveBits) << (octaveBits - chunkBits)
)

// Tally counts durations in the buckets of [NewHistogram]'s histograms, and becomes
// one without loss. It is for who records for every message: a value costs a shift and
// an addition, and a bucket takes memory only when something fell near it, where a
// histogram takes 270 KiB. Make one with [NewTally]; it belongs to one goroutine.
type Tally struct {
	low, high int64 // the bounds of what is recorded
	lowest    int64 // what the histogram calls its lowest discernible value
	unit      uint8 // log2 of the width of its first buckets
	total     int64
	chunks    [maxChunks]*[1 << chunkBits]int64
}

// NewTally returns an empty tally for the metric.
func NewTally(metric string) *Tally {
	t := &Tally{low: histogramLow, high: histogramHigh}
	if metric == metricIdle {
		t.low, t.high = histogramIdleLow, histogramIdleHigh
	}
	t.lowest = t.low / unitShare
	t.unit = uint8(bits.Len64(uint64(t.lowest)) - 1)
	return t
}

// Record adds a value in nanoseconds, as [Record] does.
func (t *Tally) Record(ns int64) (clamped bool) { return t.RecordMany(ns, 1) }

// RecordMany adds the same value n times, which is not negative.
func (t *Tally) RecordMany(ns, n int64) (clamped bool) {
	v := min(max(ns, t.low), t.high)
	u := uint64(v) >> t.unit
	octave := bits.Len64(u>>octaveBits|1) - 1
	i := octave<<octaveBits + int(u>>octave)
	t.chunk(i)[i&(1<<chunkBits-1)] += n
	t.total += n
	return v != ns
}

// chunk returns the one that holds bucket i.
func (t *Tally) chunk(i int) *[1 << chunkBits]int64 {
	c := t.chunks[i>>chunkBits]
	if c == nil {
		c = new([1 << chunkBits]int64)
		t.chunks[i>>chunkBits] = c
	}
	return c
}

// Count returns how many values were recorded.
func (t *Tally) Count() int64 { return t.total }

// Merge adds what o holds, which is of the same metric; o is left as it is.
func (t *Tally) Merge(o *Tally) {
	for i, from := range o.chunks {
		if from == nil {
			continue
		}
		to := t.chunk(i << chunkBits)
		for j, n := range from {
			to[j] += n
		}
	}
	t.total += o.total
}

// Add adds a histogram of the same metric; one with other bounds is an error.
func (t *Tally) Add(h *hdrhistogram.Histogram) error {
	if h.LowestTrackableValue() != t.lowest || h.HighestTrackableValue() != t.high || h.SignificantFigures() != histogramDigits {
		return fmt.Errorf("a histogram of %d to %d ns with %d digits; these have %d to %d ns and %d",
			h.LowestTrackableValue(), h.HighestTrackableValue(), h.SignificantFigures(), t.lowest, t.high, histogramDigits)
	}
	for i, n := range h.Export().Counts {
		if n != 0 {
			t.chunk(i)[i&(1<<chunkBits-1)] += n
		}
	}
	t.total += h.TotalCount()
	return nil
}

// used returns the end of the last chunk that was ever recorded to.
func (t *Tally) used() int {
	n := len(t.chunks)
	for n > 0 && t.chunks[n-1] == nil {
		n--
	}
	return n
}

// Histogram returns what was recorded as a histogram of its own.
func (t *Tally) Histogram() *hdrhistogram.Histogram {
	counts := make([]int64, t.used()<<chunkBits)
	for i, c := range t.chunks[:t.used()] {
		if c != nil {
			copy(counts[i<<chunkBits:], c[:])
		}
	}
	return hdrhistogram.Import(&hdrhistogram.Snapshot{LowestTrackableValue: t.lowest, HighestTrackableValue: t.high,
		SignificantFigures: histogramDigits, Counts: counts})
}

// Encode returns the same bytes' meaning as the V2 encoding of the histogram, without
// compressing it: that takes longer than all the recording of a second, on a CPU that
// has messages to send.
func (t *Tally) Encode() []byte {
	const cookie, compressedCookie = 0x1c849313, 0x1c849314 // V2 with words of one byte
	counts := t.appendCounts(nil)
	plain := make([]byte, 0, hdrhistogram.ENCODING_HEADER_SIZE+len(counts))
	plain = binary.BigEndian.AppendUint32(plain, cookie)
	plain = binary.BigEndian.AppendUint32(plain, uint32(len(counts)))
	plain = binary.BigEndian.AppendUint32(plain, 0) // offset of index 0
	plain = binary.BigEndian.AppendUint32(plain, histogramDigits)
	plain = binary.BigEndian.AppendUint64(plain, uint64(t.lowest))
	plain = binary.BigEndian.AppendUint64(plain, uint64(t.high))
	plain = binary.BigEndian.AppendUint64(plain, math.Float64bits(1)) // conversion ratio
	stored := store(append(plain, counts...))
	out := binary.BigEndian.AppendUint32(nil, compressedCookie)
	out = binary.BigEndian.AppendUint32(out, uint32(len(stored)))
	return base64.StdEncoding.AppendEncode(nil, append(out, stored...))
}

// appendCounts writes the counts in their order: positive numbers, and negative ones
// for so many zeros.
func (t *Tally) appendCounts(p []byte) []byte {
	zeros := int64(0)
	for _, c := range t.chunks[:t.used()] {
		if c == nil {
			zeros += 1 << chunkBits
			continue
		}
		for _, n := range c {
			if n == 0 {
				zeros++
				continue
			}
			if zeros > 0 {
				p = binary.AppendVarint(p, -zeros)
				zeros = 0
			}
			p = binary.AppendVarint(p, n)
		}
	}
	return p
}

// store makes a zlib stream (RFC 1950) of stored blocks (RFC 1951 section 3.2.4).
func store(p []byte) []byte {
	sum := adler32.Checksum(p)
	out := []byte{0x78, 0x01}
	for first := true; first || len(p) > 0; first = false {
		n := min(len(p), math.MaxUint16)
		final := byte(0)
		if n == len(p) {
			final = 1
		}
		out = append(out, final)
		out = binary.LittleEndian.AppendUint16(out, uint16(n))
		out = binary.LittleEndian.AppendUint16(out, ^uint16(n))
		out = append(out, p[:n]...)
		p = p[n:]
	}
	return binary.BigEndian.AppendUint32(out, sum)
}
