package wire

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

var benchSizes = []int{16, 128, 1024, 65536}

func BenchmarkMask(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := make([]byte, n)
			b.SetBytes(int64(n))
			for b.Loop() {
				Mask(p, [4]byte{1, 2, 3, 4}, 1)
			}
		})
	}
}

func BenchmarkAppendFrame(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := make([]byte, n)
			var frame []byte
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				frame = AppendFrame(frame[:0], Binary, true, [4]byte{1, 2, 3, 4}, p)
			}
		})
	}
}

// BenchmarkFeed reads one whole frame, as most messages come.
func BenchmarkFeed(b *testing.B) {
	for name, first := range map[string]byte{"binary": 0x82, "text": 0x81} {
		for _, n := range benchSizes {
			b.Run(fmt.Sprint(name, "/", n), func(b *testing.B) {
				p := []byte(server(first, strings.Repeat("x", n)))
				var f Frames
				var s counter
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for b.Loop() {
					if err := f.Feed(p, 1<<20, &s); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkFeedMany reads a buffer full of small frames, as they come when many
// messages are outstanding.
func BenchmarkFeedMany(b *testing.B) {
	p := bytes.Repeat([]byte(server(0x82, strings.Repeat("x", 128))), 500)
	var f Frames
	var s counter
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		if err := f.Feed(p, 1<<20, &s); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/500, "ns/frame")
}

func BenchmarkHead(b *testing.B) {
	p := []byte(headSeeds[0])
	key := Key([]byte(sampleKey))
	b.ReportAllocs()
	for b.Loop() {
		var h Head
		if _, _, err := h.Feed(p); err != nil {
			b.Fatal(err)
		}
		if err := h.Check(key, ""); err != nil {
			b.Fatal(err)
		}
	}
}
