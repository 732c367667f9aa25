package plot

import (
	"math"
	"strconv"

	"gonum.org/v1/plot"

	"wsgauge/report/quantity"
)

// logTicks marks 1, 2 and 5 of every decade; over more than three decades the 2s
// and 5s lose their labels, over more than ten only whole decades stay. Bytes, which are
// counted by powers of two, have a mark at every fourth of them.
type logTicks struct{ unit string }

// Ticks implements plot.Ticker.
func (t logTicks) Ticks(low, high float64) []plot.Tick {
	if !(low > 0) || !(high >= low) || math.IsInf(high, 0) {
		return nil
	}
	if t.unit == "B" {
		return t.binary(low, high)
	}
	decades := math.Log10(high / low)
	var ticks []plot.Tick
	for e := int(math.Floor(math.Log10(low))); e <= int(math.Ceil(math.Log10(high))); e++ {
		for _, m := range []float64{1, 2, 5} {
			v := m * math.Pow10(e)
			if v < low*(1-1e-9) || v > high*(1+1e-9) || m > 1 && decades > 10 {
				continue
			}
			label := ""
			if m == 1 || decades <= 3 {
				label = tickLabel(v, t.unit)
			}
			ticks = append(ticks, plot.Tick{Value: v, Label: label})
		}
	}
	return ticks
}

// binary marks powers of 16, or of 2 where less than two of those lie in the range.
func (t logTicks) binary(low, high float64) []plot.Tick {
	for _, every := range []float64{4, 1} {
		var ticks []plot.Tick
		for e := math.Ceil(math.Log2(low)/every-1e-9) * every; e <= math.Log2(high)+1e-9 && len(ticks) < 100; e += every {
			ticks = append(ticks, plot.Tick{Value: math.Exp2(e), Label: tickLabel(math.Exp2(e), t.unit)})
		}
		if len(ticks) > 1 || every == 1 {
			return ticks
		}
	}
	return nil
}

// logRange widens a range of values to 1-2-5 steps, at least a factor of five apart,
// so that a flat line has some axis around it.
func logRange(low, high float64) (float64, float64) {
	if high < low*5 {
		middle := math.Sqrt(low * high)
		low, high = min(low, middle/math.Sqrt(5)), max(high, middle*math.Sqrt(5))
	}
	return step125(low, false), step125(high, true)
}

// step125 is the next number of the form 1, 2 or 5 times a power of ten, at or above
// v, or at or below it.
func step125(v float64, up bool) float64 {
	e := math.Floor(math.Log10(v))
	best := math.Pow(10, e)
	for _, m := range []float64{1, 2, 5, 10} {
		s := m * math.Pow(10, e)
		if up && s >= v*(1-1e-9) {
			return s
		}
		if s <= v*(1+1e-9) {
			best = s
		}
	}
	return best
}

// linearTicks marks steps of 1, 2 or 5 in the unit that suits the range.
type linearTicks struct{ unit string }

// timeSteps are what people count seconds in.
var timeSteps = []float64{1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 432000, 864000}

// Ticks implements plot.Ticker.
func (t linearTicks) Ticks(low, high float64) []plot.Tick {
	step := t.step(high - low)
	if !(step > 0) || math.IsInf(step, 0) {
		return nil
	}
	var ticks []plot.Tick
	for i := math.Ceil(low/step - 1e-9); i*step <= high+step*1e-9 && len(ticks) < 50; i++ {
		ticks = append(ticks, plot.Tick{Value: i * step, Label: t.label(i*step, step)})
	}
	return ticks
}

// label writes a time in the unit of the steps, since 80 s is not 1.33 min.
func (t linearTicks) label(v, step float64) string {
	if t.unit != "s" || v == 0 {
		return tickLabel(v, t.unit)
	}
	switch {
	case step < 1:
		return tickLabel(v, t.unit)
	case step < 60:
		return quantity.Number(v) + " s"
	case step < 3600:
		return quantity.Number(v/60) + " min"
	case step < 86400:
		return quantity.Number(v/3600) + " h"
	}
	return quantity.Number(v/86400) + " d"
}

// step is the distance of ticks for some five of them over a span.
func (t linearTicks) step(span float64) float64 {
	const about = 6
	if t.unit == "s" && span > about {
		for _, s := range timeSteps {
			if span/s <= about+2 {
				return s
			}
		}
		return step125(span/about, true)
	}
	factor := 1.0
	if t.unit == "B" {
		for span/factor >= 1024 {
			factor *= 1024
		}
	}
	return step125(span/factor/about, true) * factor
}

// ninesTicks marks the percentiles that people name.
type ninesTicks struct{}

// Ticks implements plot.Ticker.
func (ninesTicks) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for _, p := range []float64{0, 50, 75, 90, 95, 99, 99.9, 99.99} {
		if x := nines(p); x >= low-1e-9 && x <= high+1e-9 {
			ticks = append(ticks, plot.Tick{Value: x, Label: strconv.FormatFloat(p, 'f', -1, 64) + "%"})
		}
	}
	return ticks
}

func nines(percentile float64) float64 { return math.Max(0, -math.Log10(1-percentile/100)) }

// tickLabel writes a value with its unit; zero needs none.
func tickLabel(v float64, unit string) string {
	if v == 0 {
		return "0"
	}
	return quantity.Format(v, unit)
}
