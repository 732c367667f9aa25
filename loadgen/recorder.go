package loadgen

import (
	"fmt"
	"maps"

	"github.com/HdrHistogram/hdrhistogram-go"

	"wsgauge/results"
)

// Metric is one of the histograms of a recorder.
type Metric uint8

// The metrics, in the order in which reports list them.
const (
	ResponseTime Metric = iota
	ServiceTime
	SendLag
	WriteBlocked
	ReceiveLag // on sampled connections
	DialLag
	Dial
	TLS // from the TCP connection to the end of the handshake
	Upgrade
	Ping
	Jitter
	IdleBeforeClose
	metricCount
)

// Metrics returns all metrics.
func Metrics() []Metric {
	all := make([]Metric, metricCount)
	for m := range all {
		all[m] = Metric(m)
	}
	return all
}

var metricNames = [metricCount]string{"response_time", "service_time", "send_lag", "write_blocked",
	"receive_lag", "dial_lag", "dial", "tls", "upgrade", "ping", "jitter", "idle_before_close"}

// String returns the metric's name in records.
func (m Metric) String() string { return metricNames[m] }

// Recorder holds what happened since it was last taken: counts and histograms.
// It belongs to one goroutine at a time. The zero Recorder is empty; a histogram
// (some 200 KiB) is made when its first value comes.
type Recorder struct {
	Counts   Counts
	hist     [metricCount]*hdrhistogram.Histogram
	clamped  [metricCount]int64
	censored [metricCount]int64 // smallest censored value; 0: none
}

// Record adds one duration in nanoseconds. A value outside the histogram's range
// is clamped to it and counted.
func (r *Recorder) Record(m Metric, ns int64) {
	h := r.hist[m]
	if h == nil {
		h = results.NewHistogram(m.String())
		r.hist[m] = h
	}
	if results.Record(h, ns) {
		r.clamped[m]++
	}
}

// RecordCensored adds a duration that is only known to be at least ns: the age of
// a message that has no answer. Quantiles that reach it are lower bounds.
func (r *Recorder) RecordCensored(m Metric, ns int64) {
	r.Record(m, ns)
	if ns = max(ns, 1); r.censored[m] == 0 || ns < r.censored[m] {
		r.censored[m] = ns
	}
}

// RecordMissing adds n durations that are only known to be at least ns.
func (r *Recorder) RecordMissing(m Metric, n, ns int64) {
	if n <= 0 {
		return
	}
	ns = max(ns, 1)
	r.RecordCensored(m, ns)
	// In range: RecordCensored has clamped, if need was.
	if h := r.hist[m]; n > 1 && h.RecordValues(min(ns, h.HighestTrackableValue()), n-1) != nil {
		r.clamped[m] += n - 1
	}
}

// Fail counts one failure of a class.
func (r *Recorder) Fail(class string) { add(&r.Counts.Failures, class, 1) }

// Closure counts one end of an opened tunnel.
func (r *Recorder) Closure(class string) { add(&r.Counts.Closures, class, 1) }

// NotSent counts one message that was due and not sent.
func (r *Recorder) NotSent(cause string) { add(&r.Counts.NotSent, cause, 1) }

// Merge adds what o holds; o is left as it is. Merging is exact: histograms of a
// metric share their bounds.
func (r *Recorder) Merge(o *Recorder) error {
	r.Counts.Merge(&o.Counts)
	for m := range o.hist {
		r.clamped[m] += o.clamped[m]
		if c := o.censored[m]; c != 0 && (r.censored[m] == 0 || c < r.censored[m]) {
			r.censored[m] = c
		}
		if o.hist[m] == nil || o.hist[m].TotalCount() == 0 {
			continue
		}
		if r.hist[m] == nil {
			r.hist[m] = results.NewHistogram(Metric(m).String())
		}
		if dropped := r.hist[m].Merge(o.hist[m]); dropped != 0 {
			return fmt.Errorf("merging %s: %d values do not fit", Metric(m), dropped)
		}
	}
	return nil
}

// Reset empties the recorder and keeps its memory.
func (r *Recorder) Reset() {
	r.Counts = Counts{}
	for m := range r.hist {
		r.clamped[m], r.censored[m] = 0, 0
		if r.hist[m] != nil {
			r.hist[m].Reset()
		}
	}
}

// Histogram returns the histogram of m, nil when nothing was recorded.
func (r *Recorder) Histogram(m Metric) *hdrhistogram.Histogram {
	if h := r.hist[m]; h != nil && h.TotalCount() > 0 {
		return h
	}
	return nil
}

// Add merges what an interval report holds.
func (r *Recorder) Add(report *IntervalReport) error {
	o := &Recorder{Counts: report.Counts}
	for m := Metric(0); m < metricCount; m++ {
		o.clamped[m], o.censored[m] = report.Clamped[m.String()], report.Censored[m.String()]
		p, there := report.Hist[m.String()]
		if !there {
			continue
		}
		h, err := hdrhistogram.Decode(p)
		if err != nil {
			return fmt.Errorf("decoding %s of agent %d: %w", m, report.Agent, err)
		}
		o.hist[m] = h
	}
	return r.Merge(o)
}

// Clamped returns how many values of m lay outside its histogram's range.
func (r *Recorder) Clamped(m Metric) int64 { return r.clamped[m] }

// CensoredFrom returns the smallest value of m that is only a lower bound, 0 when
// there is none.
func (r *Recorder) CensoredFrom(m Metric) int64 { return r.censored[m] }

// encode returns the histograms in their V2 compressed form, by metric.
func (r *Recorder) encode() (map[string][]byte, error) {
	out := map[string][]byte{}
	for m := Metric(0); m < metricCount; m++ {
		h := r.Histogram(m)
		if h == nil {
			continue
		}
		p, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
		if err != nil {
			return nil, fmt.Errorf("encoding %s: %w", m, err)
		}
		out[m.String()] = p
	}
	return out, nil
}

// byMetric returns the entries of a that are not zero, by metric.
func byMetric(a [metricCount]int64) map[string]int64 {
	out := map[string]int64{}
	for m, n := range a {
		if n != 0 {
			out[Metric(m).String()] = n
		}
	}
	return out
}

// Merge adds what o counts.
func (c *Counts) Merge(o *Counts) {
	c.Attempted += o.Attempted
	c.Opened += o.Opened
	c.Scheduled += o.Scheduled
	c.Sent += o.Sent
	c.Answered += o.Answered
	c.Received += o.Received
	c.Delivered += o.Delivered
	c.Receivers += o.Receivers
	c.ToReceivers += o.ToReceivers
	c.Unanswered += o.Unanswered
	c.Corrupt += o.Corrupt
	c.BytesSent += o.BytesSent
	c.BytesReceived += o.BytesReceived
	c.OnTime += o.OnTime
	addAll(&c.NotSent, o.NotSent)
	addAll(&c.Failures, o.Failures)
	addAll(&c.Closures, o.Closures)
	addAll(&c.TLS, o.TLS)
}

// Clone returns a copy that shares no map.
func (c Counts) Clone() Counts {
	c.NotSent, c.Failures, c.Closures, c.TLS = maps.Clone(c.NotSent), maps.Clone(c.Failures), maps.Clone(c.Closures), maps.Clone(c.TLS)
	return c
}

func add(m *map[string]int64, key string, n int64) {
	if *m == nil {
		*m = map[string]int64{}
	}
	(*m)[key] += n
}

func addAll(m *map[string]int64, from map[string]int64) {
	for key, n := range from {
		add(m, key, n)
	}
}
