package calibration

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"wsgauge/report/shift"
	"wsgauge/results"
)

// run is made data: response times without and with something added, in blocks.
type made struct {
	blocks, messages int
	seed             uint64
}

// samples makes the two: plain response times as of a busy machine, and others of
// the same law to which add gives what is added.
func (m made) samples(add func(*rand.Rand) float64) (target, reference map[int]shift.Sample) {
	rng := rand.New(rand.NewPCG(m.seed, 1))
	response := func() float64 {
		v := 150e3 * math.Exp(0.2*rng.NormFloat64())
		if rng.Float64() < 0.003 {
			v += 300e3 * rng.Float64()
		}
		return v
	}
	target, reference = map[int]shift.Sample{}, map[int]shift.Sample{}
	for b := range m.blocks {
		one, other := results.NewHistogram(shift.Metric), results.NewHistogram(shift.Metric)
		for range m.messages {
			results.Record(one, int64(response()))
			results.Record(other, int64(response()+add(rng)))
		}
		reference[b], target[b] = shift.Sample{Histogram: one, Exact: 1}, shift.Sample{Histogram: other, Exact: 1}
	}
	return target, reference
}

func verdicts(target, reference map[int]shift.Sample, i Injected) (list []Verdict) {
	for _, q := range Quantiles() {
		list = append(list, Judge(target, reference, i, q).Verdict)
	}
	return list
}

func TestJudge(t *testing.T) {
	good := made{blocks: 5, messages: 25_000, seed: 3}
	for name, c := range map[string]struct {
		data     made
		add      func(*rand.Rand) float64
		injected Injected
		want     [4]Verdict
	}{
		"nothing": {good, func(*rand.Rand) float64 { return 0 }, Injected{}, [4]Verdict{Within, Within, Within, Within}},
		"a fixed delay": {good, func(*rand.Rand) float64 { return 500e3 },
			Injected{Delay: 500e3}, [4]Verdict{Within, Within, Within, Within}},
		"off by 15 µs of 50": {good, func(*rand.Rand) float64 { return 65e3 },
			Injected{Delay: 50e3}, [4]Verdict{Within, Within, Within, Within}},
		"off by 40 µs of 50": {good, func(*rand.Rand) float64 { return 90e3 },
			Injected{Delay: 50e3}, [4]Verdict{Outside, Outside, Outside, Unclear}}, // the tail differs by more from block to block
		"less than was injected": {good, func(*rand.Rand) float64 { return 4.7e6 },
			Injected{Delay: 5e6}, [4]Verdict{Outside, Outside, Outside, Outside}},
		"within five per cent": {good, func(*rand.Rand) float64 { return 5.2e6 },
			Injected{Delay: 5e6}, [4]Verdict{Within, Within, Within, Within}},
		"late in the tail alone": {good, func(rng *rand.Rand) float64 {
			if rng.Float64() < 0.02 {
				return 1.5e6
			}
			return 1e6
		}, Injected{Delay: 1e6}, [4]Verdict{Within, Within, Outside, Outside}},
		"jitter": {good, func(rng *rand.Rand) float64 { return 1e6 + rng.Float64()*2e6 },
			Injected{Delay: 1e6, Jitter: 2e6}, [4]Verdict{Within, Within, Within, Within}},
		"jitter of another law": {good, func(rng *rand.Rand) float64 { return 1e6 + rng.ExpFloat64()*1e6 },
			Injected{Delay: 1e6, Jitter: 2e6}, [4]Verdict{Outside, Outside, Outside, Outside}},
		"a stall once in a while": {good, stall(0.05, 50e6),
			Injected{StallFor: 50e6, StallEvery: 1e9}, [4]Verdict{Within, Within, Within, Within}},
		"a stall of half the length": {good, stall(0.05, 25e6),
			Injected{StallFor: 50e6, StallEvery: 1e9}, [4]Verdict{Within, Within, Outside, Outside}},
		"few messages": {made{5, 5000, 3}, func(*rand.Rand) float64 { return 500e3 },
			Injected{Delay: 500e3}, [4]Verdict{Within, Within, Within, TooFew}},
		"two blocks": {made{2, 25_000, 3}, func(*rand.Rand) float64 { return 500e3 },
			Injected{Delay: 500e3}, [4]Verdict{TooFew, TooFew, TooFew, TooFew}},
		"no block": {made{}, nil, Injected{Delay: 500e3}, [4]Verdict{TooFew, TooFew, TooFew, TooFew}},
	} {
		t.Run(name, func(t *testing.T) {
			target, reference := c.data.samples(c.add)
			if got := verdicts(target, reference, c.injected); !slices.Equal(got, c.want[:]) {
				for _, q := range Quantiles() {
					t.Logf("%+v", Judge(target, reference, c.injected, q))
				}
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

// stall is what a stall adds to a message at a random time.
func stall(share, length float64) func(*rand.Rand) float64 {
	return func(rng *rand.Rand) float64 {
		if rng.Float64() < share {
			return rng.Float64() * length
		}
		return 0
	}
}

// The convolution's quantiles are those of sums that were drawn.
func TestQuantileIsThatOfSums(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		i := Injected{
			Delay:  float64(rapid.IntRange(0, 5_000_000).Draw(t, "delay")),
			Jitter: float64(rapid.SampledFrom([]int{0, 1000, 2_000_000}).Draw(t, "jitter")),
		}
		if rapid.Bool().Draw(t, "stalls") {
			i.StallEvery = 1e9
			i.StallFor = float64(rapid.IntRange(1_000_000, 300_000_000).Draw(t, "for"))
		}
		_, reference := made{1, 500, rapid.Uint64().Draw(t, "seed")}.samples(func(*rand.Rand) float64 { return 0 })
		s := reference[0]
		rng := rand.New(rand.NewPCG(1, 2))
		var sums []float64
		const draws = 8_000
		for range draws {
			v := s.At(rng.Float64()) + i.Delay + rng.Float64()*i.Jitter
			if rng.Float64()*i.StallEvery < i.StallFor {
				v += rng.Float64() * i.StallFor
			}
			sums = append(sums, v)
		}
		slices.Sort(sums)
		for _, q := range []float64{0.1, 0.5, 0.9, 0.99} {
			got := i.Quantile(s, q)
			// The drawn quantile lies between those of ranks five deviations apart.
			d := 5 * math.Sqrt(q*(1-q)*draws)
			low, high := sums[max(int(q*draws-d), 0)], sums[min(int(q*draws+d), draws-1)]
			if got < low*0.998-1000 || got > high*1.002+1000 {
				t.Fatalf("%+v: p%v is %v, and of drawn sums %v … %v", i, 100*q, got, low, high)
			}
		}
	})
}

func TestWrite(t *testing.T) {
	data := made{5, 30_000, 3}
	target, reference := data.samples(func(*rand.Rand) float64 { return 100e3 })
	var sections []Section
	for _, d := range []struct {
		name, text string
		delay      float64
	}{{"good", "delay=100µs", 100e3}, {"bad", "delay=1ms", 1e6}, {"same", "", 100e3}} {
		s := Section{Target: Target{Name: d.name, Text: d.text, Injected: Injected{Delay: d.delay}}, Step: "load", Rate: 2000, Blocks: 5, Valid: 5}
		for _, q := range Quantiles() {
			s.Rows = append(s.Rows, Judge(target, reference, s.Target.Injected, q))
		}
		sections = append(sections, s)
	}
	delete(reference, 0)
	delete(reference, 1)
	delete(reference, 2)
	sections[2].Rows[3] = Judge(target, reference, Injected{}, 0.999)
	var b strings.Builder
	if err := Write(&b, sections); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"step load, 2000 messages a second", "delay=100µs", "p99.9", "within", "outside", "nothing (same)",
		"too few: 2 of 5 blocks know it, 3 are needed", "7 of 12 within, 4 outside, 0 unclear (the blocks differ by more than is allowed), 1 with too few", "94%"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("there is no %q in\n%s", want, b.String())
		}
	}
	if Of(sections[:1]) != Within || Of(sections) != Outside || Of(sections[2:]) != TooFew || Of(nil) != TooFew {
		t.Error("the verdict of all is wrong")
	}
}
