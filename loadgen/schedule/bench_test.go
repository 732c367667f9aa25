package schedule

import (
	"fmt"
	"testing"
)

var sink int64

func BenchmarkConstantNext(b *testing.B) {
	s := Constant(2999.7)
	for b.Loop() {
		sink = s.Next()
	}
}

func BenchmarkAt(b *testing.B) {
	for b.Loop() {
		sink = At(123456, 2999.7)
	}
}

func BenchmarkPoissonNext(b *testing.B) {
	s := Poisson(2999.7, 1)
	b.ReportAllocs()
	for b.Loop() {
		sink = s.Next()
	}
}

func BenchmarkPick(b *testing.B) {
	for _, members := range []int{1, 300, 100_000} {
		b.Run(fmt.Sprint(members), func(b *testing.B) {
			n := uint64(0)
			for b.Loop() {
				n++
				sink = int64(Pick(1, n, members))
			}
		})
	}
}

func BenchmarkSizes(b *testing.B) {
	for name, s := range map[string]func() (Sizes, error){
		"uniform": func() (Sizes, error) { return NewSizes(16, 1<<20, nil, nil) },
		"choose":  func() (Sizes, error) { return NewSizes(0, 0, []int{128, 65536}, []float64{9, 1}) },
	} {
		b.Run(name, func(b *testing.B) {
			sizes, err := s()
			if err != nil {
				b.Fatal(err)
			}
			n := uint64(0)
			for b.Loop() {
				n++
				sink = int64(sizes.Of(1, n))
			}
		})
	}
}
