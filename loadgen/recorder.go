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
	PingLag // first attempt to send a ping of ours, from when it was due: the generator's own lateness
	Jitter
	IdleBeforeClose
	HTTPResponseTime // of the requests of http steps, from when they were due
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
	"receive_lag", "dial_lag", "dial", "tls", "upgrade", "ping", "ping_lag", "jitter", "idle_before_close", "http_response_time"}

// String returns the metric's name in records.
func (m Metric) String() string { return metricNames[m] }

// Recorder holds what happened since it was last taken: counts and histograms.
// It belongs to one goroutine at a time. The zero Recorder is empty; memory for a
// metric is taken when its first value comes.
type Recorder struct {
	Counts   Counts
	tallies  [metricCount]*results.Tally
	clamped  [metricCount]int64
	censored [metricCount]int64 // smallest censored value; 0: none
}

// Record adds one duration in nanoseconds. A value outside the histogram's range
// is clamped to it and counted.
func (r *Recorder) Record(m Metric, ns int64) {
	if r.tally(m).Record(ns) {
		r.clamped[m]++
	}
}

func (r *Recorder) tally(m Metric) *results.Tally {
	if r.tallies[m] == nil {
		r.tallies[m] = results.NewTally(m.String())
	}
	return r.tallies[m]
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
	r.RecordCensored(m, ns)
	if r.tally(m).RecordMany(ns, n-1) {
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
func (r *Recorder) Merge(o *Recorder) {
	r.Counts.Merge(&o.Counts)
	for i, tally := range o.tallies {
		m := Metric(i)
		r.bound(m, o.clamped[m], o.censored[m])
		if tally != nil && tally.Count() > 0 {
			r.tally(m).Merge(tally)
		}
	}
}

// bound adds what Merge and Add know of values besides the histogram of m.
func (r *Recorder) bound(m Metric, clamped, censored int64) {
	r.clamped[m] += clamped
	if censored != 0 && (r.censored[m] == 0 || censored < r.censored[m]) {
		r.censored[m] = censored
	}
}

// TakeOpenings takes what became of attempts to open connections: their number, what they
// agreed on, how long they took, and all failures, some of which may be theirs.
func (r *Recorder) TakeOpenings() *Recorder {
	c := &r.Counts
	o := &Recorder{Counts: Counts{Attempted: c.Attempted, Opened: c.Opened, TLS: c.TLS, Failures: c.Failures}}
	c.Attempted, c.Opened, c.TLS, c.Failures = 0, 0, nil, nil
	for _, m := range []Metric{DialLag, Dial, TLS, Upgrade} {
		o.tallies[m], o.clamped[m], o.censored[m] = r.tallies[m], r.clamped[m], r.censored[m]
		r.tallies[m], r.clamped[m], r.censored[m] = nil, 0, 0
	}
	return o
}

// Reset empties the recorder and lets its memory go.
func (r *Recorder) Reset() { *r = Recorder{} }

// Histogram returns the histogram of m as it is now, nil when nothing was recorded.
func (r *Recorder) Histogram(m Metric) *hdrhistogram.Histogram {
	if tally := r.tallies[m]; tally != nil && tally.Count() > 0 {
		return tally.Histogram()
	}
	return nil
}

// Add merges what an interval report holds.
func (r *Recorder) Add(report *IntervalReport) error {
	r.Counts.Merge(&report.Counts)
	for m := Metric(0); m < metricCount; m++ {
		r.bound(m, report.Clamped[m.String()], report.Censored[m.String()])
		p, there := report.Hist[m.String()]
		if !there {
			continue
		}
		h, err := hdrhistogram.Decode(p)
		if err == nil {
			err = r.tally(m).Add(h)
		}
		if err != nil {
			return fmt.Errorf("%s of agent %d: %w", m, report.Agent, err)
		}
	}
	return nil
}

// Clamped returns how many values of m lay outside its histogram's range.
func (r *Recorder) Clamped(m Metric) int64 { return r.clamped[m] }

// CensoredFrom returns the smallest value of m that is only a lower bound, 0 when
// there is none.
func (r *Recorder) CensoredFrom(m Metric) int64 { return r.censored[m] }

// encode returns the histograms in their V2 encoding, by metric.
func (r *Recorder) encode() map[string][]byte {
	out := map[string][]byte{}
	for m, tally := range r.tallies {
		if tally != nil && tally.Count() > 0 {
			out[Metric(m).String()] = tally.Encode()
		}
	}
	return out
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
	c.PingsDue += o.PingsDue
	c.PingsSent += o.PingsSent
	c.PingsAnswered += o.PingsAnswered
	addAll(&c.PingsNotSent, o.PingsNotSent)
	addAll(&c.NotSent, o.NotSent)
	addAll(&c.Failures, o.Failures)
	addAll(&c.Closures, o.Closures)
	addAll(&c.TLS, o.TLS)
	c.HTTPSent += o.HTTPSent
	c.HTTPAnswered += o.HTTPAnswered
	addAll(&c.HTTPStatus, o.HTTPStatus)
}

// Clone returns a copy that shares no map.
func (c Counts) Clone() Counts {
	c.NotSent, c.Failures, c.Closures, c.TLS = maps.Clone(c.NotSent), maps.Clone(c.Failures), maps.Clone(c.Closures), maps.Clone(c.TLS)
	c.HTTPStatus, c.PingsNotSent = maps.Clone(c.HTTPStatus), maps.Clone(c.PingsNotSent)
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
