package loadgen

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Every connection sends once in each period, at its own phase, in the order of time;
// spread phases are even, and together there is one for all.
func TestRounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		members := rapid.SliceOfNDistinct(rapid.Uint32Range(0, 1000), 1, 30, rapid.ID).Draw(t, "members")
		p := &SendPlan{Seed: rapid.Uint64().Draw(t, "seed"), Every: time.Duration(rapid.Int64Range(1, 1e10).Draw(t, "every")),
			Phase: rapid.SampledFrom([]string{"spread", "random", "together"}).Draw(t, "phase")}
		r := newRounds(p, members)
		first := map[uint32]int64{}
		last := int64(-1)
		for i := range 3 * len(members) {
			n, at, number := r.next()
			round := int64(i / len(members))
			if n != uint64(i) || at < last || at < round*int64(p.Every) || at >= (round+1)*int64(p.Every) {
				t.Fatalf("message %d is number %d, due %d after %d", i, n, at, last)
			}
			last = at
			if round == 0 {
				first[number] = at
			} else if at != first[number]+round*int64(p.Every) {
				t.Fatalf("connection %d is due at %d and %d, and the period is %d", number, first[number], at, p.Every)
			}
		}
		if len(first) != len(members) {
			t.Fatalf("%d of %d connections are due in the first period", len(first), len(members))
		}
		for i, number := range members {
			switch at := first[number]; p.Phase {
			case "together":
				if at != 0 {
					t.Fatalf("connection %d is due at %d, not at once", number, at)
				}
			case "spread":
				if want := float64(p.Every) * float64(i) / float64(len(members)); float64(at) > want || float64(at) < want-1.001 {
					t.Fatalf("member %d of %d is due at %d, want %v", i, len(members), at, want)
				}
			}
		}
	})
}
