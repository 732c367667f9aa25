package plot

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"wsgauge/report/aggregate"
	"wsgauge/report/quantity"
	"wsgauge/results"
)

// The response times of messages, and of plain requests.
const (
	metric     = "response_time"
	httpMetric = "http_response_time"
	httpFigure = "http.response_time"
)

// source is a run's records, sorted for the charts.
type source struct {
	data      *results.RunData
	run       *results.Run
	targets   []aggregate.Target
	intervals map[intervalKey][]*results.Interval // of response times, by their start
	samples   map[trialKey][]*results.Sample      // of the target's processes, by time
	agents    map[trialKey][]*results.Sample      // of the generator, by time
	parts     map[partKey][]*results.Sample       // of one instance of the backend, or one generation of the target
	problems  []string
}

type trialKey struct {
	block  int
	target string
}

type intervalKey struct {
	trialKey
	metric string
}

func keyOf(t *results.Trial) trialKey { return trialKey{t.Block, t.Target} }

func newSource(d *results.RunData) *source {
	s := &source{data: d, run: d.Run, targets: aggregate.Targets(d), intervals: map[intervalKey][]*results.Interval{},
		samples: map[trialKey][]*results.Sample{}, agents: map[trialKey][]*results.Sample{}, parts: map[partKey][]*results.Sample{}}
	for i := range d.Intervals {
		if v := &d.Intervals[i]; v.Metric == metric || v.Metric == httpMetric {
			k := intervalKey{trialKey{v.Block, v.Target}, v.Metric}
			s.intervals[k] = append(s.intervals[k], v)
		}
	}
	for i := range d.Samples {
		v := &d.Samples[i]
		k := trialKey{v.Block, v.Target}
		switch v.Group {
		case "target":
			s.samples[k] = append(s.samples[k], v)
		case "agents":
			s.agents[k] = append(s.agents[k], v)
		default:
			if base, n, is := partOf(v.Group); is {
				s.parts[partKey{k, base, n}] = append(s.parts[partKey{k, base, n}], v)
			}
		}
	}
	for _, list := range s.intervals {
		slices.SortStableFunc(list, func(a, b *results.Interval) int { return a.Start.Compare(b.Start) })
	}
	return s
}

// histogram decodes an interval; one that cannot be read becomes a problem.
func (s *source) histogram(i *results.Interval) *hdrhistogram.Histogram {
	h, err := i.Histogram()
	if err != nil {
		s.problems = append(s.problems, err.Error())
		return nil
	}
	return h
}

// example chooses the trial of a target that stands for it where a line over time
// is drawn: the first in which the figure is valid. nil when there is none.
func example(t aggregate.Target, figure string) *results.Trial {
	for _, trial := range t.Trials {
		if _, spoiled := trial.Spoiled("", figure); !spoiled {
			return trial
		}
	}
	return nil
}

// latencyByPercentile takes each percentile as the median over the valid trials.
func latencyByPercentile(s *source) Chart {
	c := Chart{Name: "latency-percentile", Title: "Latency by percentile",
		Caption: "Response time, from when a message was due to its answer; each percentile is the median over the valid trials. A line ends where fewer than 20 observations lie beyond it.",
		Table:   Table{Head: []string{"target", "trials", "p50", "p90", "p99", "p99.9", "p99.99"}}}
	p := Panel{X: Axis{Label: "percentile", Nines: true}, Y: Axis{Label: "response time", Unit: "ns", Log: true}}
	var censored bool
	p.Lines, c.Table.Rows, censored = s.percentiles(metric, metric)
	if censored {
		c.Caption += unansweredToo
	}
	c.Panels = []Panel{p}
	c.Alt = "Lines of response time over percentile, on logarithmic axes. " + sentences(p.Lines, "ns", "at the end of its line")
	return c
}

const unansweredToo = " Where messages stayed unanswered they count with the age at which the step gave up (≥): the true line lies above."

// percentiles are a line and a row for each target of a metric's histograms, which the
// records call figure where they summarise it. censored tells that something stayed
// without an answer.
func (s *source) percentiles(metric, figure string) (lines []Line, rows [][]string, censored bool) {
	for place, t := range s.targets {
		var hists []*hdrhistogram.Histogram
		for _, trial := range t.Trials {
			if _, spoiled := trial.Spoiled("", figure+".p99"); spoiled {
				continue
			}
			if h := s.whole(trial, metric); h != nil && h.TotalCount() > 0 {
				hists = append(hists, h)
				censored = censored || trial.Censored("", figure+".max")
			}
		}
		line := Line{Name: t.Name, Place: place}
		if len(hists) > 0 {
			for x := 0.0; x <= 4.0001; x += 0.05 {
				if v, ok := medianAt(hists, percentile(x)); ok {
					line.add(x, v, true)
				}
			}
			rows = append(rows, percentileRow(t.Name, hists))
		}
		lines = append(lines, line)
	}
	return lines, rows, censored
}

// whole merges the intervals of a metric in one trial, which is exact.
func (s *source) whole(t *results.Trial, metric string) *hdrhistogram.Histogram {
	var sum *hdrhistogram.Histogram
	for _, i := range s.intervals[intervalKey{keyOf(t), metric}] {
		h := s.histogram(i)
		switch {
		case h == nil:
		case sum == nil:
			sum = h
		default:
			if dropped := sum.Merge(h); dropped > 0 {
				s.problems = append(s.problems, fmt.Sprintf("%d response times of %s in block %d did not fit their histogram", dropped, t.Target, t.Block))
			}
		}
	}
	return sum
}

// percentile is that at x nines: 90 at 1, 99 at 2.
func percentile(x float64) float64 { return 100 * (1 - math.Pow(10, -x)) }

// medianAt is the median over trials of a percentile that all of them have.
func medianAt(hists []*hdrhistogram.Histogram, percentile float64) (float64, bool) {
	var values []float64
	for _, h := range hists {
		if float64(h.TotalCount())*(1-percentile/100) < 20-1e-6 {
			return 0, false
		}
		values = append(values, float64(h.ValueAtPercentile(percentile)))
	}
	return results.Median(values), true
}

func percentileRow(name string, hists []*hdrhistogram.Histogram) []string {
	row := []string{name, fmt.Sprint(len(hists))}
	for _, p := range []float64{50, 90, 99, 99.9, 99.99} {
		v, ok := medianAt(hists, p)
		if !ok {
			v = math.NaN()
		}
		row = append(row, quantity.Format(v, "ns"))
	}
	return row
}

// latencyOverTime shows one trial of each target, second by second.
func latencyOverTime(s *source) Chart {
	c := Chart{Name: "latency-time", Title: "Latency over time", Table: Table{Head: []string{"target", "block", "time", "p50", "p99", "max", "messages"}}}
	p50, second, rows := s.bySecond(metric, metric)
	about := s.mark(metric+".p99", &p50, &second)
	c.Panels = []Panel{p50, second}
	c.Table.Rows = rows
	c.Table = c.Table.bounded()
	c.Caption = "Response time of each second, by the time of the answer, in the first valid trial of each target." + about
	tail, _, _ := strings.Cut(second.Title, " of ")
	if tail == "slowest" {
		tail = "the slowest"
	}
	c.Alt = fmt.Sprintf("Two panels of lines over time on a logarithmic axis: p50 and %s of each second. %s", tail, sentences(second.Lines, "ns", "in the last second, "+tail))
	return c
}

// bySecond is a panel of a metric's median in each second, and one of its p99, or of the
// slowest where there is none: below 2000 messages a second no p99 of it can be stated.
func (s *source) bySecond(metric, figure string) (p50, tail Panel, rows [][]string) {
	x := Axis{Label: "time since the first step began", Unit: "s"}
	p50 = Panel{Title: "p50 of each second", X: x, Y: Axis{Unit: "ns", Log: true}}
	p99 := Panel{Title: "p99 of each second", X: x, Y: p50.Y}
	slowest := Panel{Title: "slowest of each second", X: x, Y: p50.Y}
	for place, t := range s.targets {
		a, b, m := Line{Name: t.Name, Place: place}, Line{Name: t.Name, Place: place}, Line{Name: t.Name, Place: place}
		if trial := example(t, figure+".p99"); trial != nil {
			for _, i := range s.intervals[intervalKey{keyOf(trial), metric}] {
				h := s.histogram(i)
				if h == nil {
					continue
				}
				at := i.Start.Sub(s.run.StartedAt).Seconds() - origin(trial) + i.Seconds/2
				q := results.Summarise(h, 0, 0)
				if q == nil {
					continue
				}
				a.add(at, value(q.P50), true)
				b.add(at, value(q.P99), true)
				m.add(at, q.Max, true)
				rows = append(rows, []string{t.Name, fmt.Sprint(trial.Block), seconds(at), quantity.Format(value(q.P50), "ns"),
					quantity.Format(value(q.P99), "ns"), quantity.Format(q.Max, "ns"), fmt.Sprint(q.Count)})
			}
		}
		p50.Lines, p99.Lines, slowest.Lines = append(p50.Lines, a.thinned()), append(p99.Lines, b.thinned()), append(slowest.Lines, m.thinned())
	}
	if p99.empty() {
		return p50, slowest, rows
	}
	return p50, p99, rows
}

func value(v *float64) float64 {
	if v == nil {
		return math.NaN()
	}
	return *v
}

func seconds(s float64) string {
	return (time.Duration(math.Round(s*100)) * 10 * time.Millisecond).String()
}

// bounded keeps a table readable: of more than 600 rows only each so-manieth.
func (t Table) bounded() Table {
	const most = 600
	if len(t.Rows) <= most {
		return t
	}
	stride := (len(t.Rows) + most - 1) / most
	out := Table{Head: t.Head}
	for i := 0; i < len(t.Rows); i += stride {
		out.Rows = append(out.Rows, t.Rows[i])
	}
	return out
}

// sentences says where each line ends, for the text in place of a picture.
func sentences(lines []Line, unit, where string) string {
	var words []string
	for _, l := range lines {
		if n := len(l.Y); n > 0 {
			words = append(words, fmt.Sprintf("%s %s", l.Name, quantity.Format(l.Y[n-1], unit)))
		}
	}
	if len(words) == 0 {
		return "Nothing was measured."
	}
	return "Each target " + where + ": " + strings.Join(words, ", ") + "."
}
