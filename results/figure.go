package results

import (
	"fmt"
	"slices"
	"strings"
)

// FigureInfo is what is known of a figure from its name alone.
type FigureInfo struct {
	Name string
	// Unit is that of the value: "ns", "s", "us", "B", "/s", or "" for a number
	// of things.
	Unit string
	// Count tells that the figure is summed over trials; any other is judged by
	// its median.
	Count bool
	// Group is the group of validity that spoils the figure besides "all" and its
	// own name: "latency", "rates", "resources", "actions" (what a step did itself, and
	// only a step has), or "counts".
	Group string
}

// LookFigure tells what a figure is from its name as expectations write it:
// "failures", "failures.upgrade_stall", "response_time.p99.9",
// "messages.per_second", "connections.opened",
// "resources.target.cpu_us_per_message", "closures.closed_reset", "log.AH00484",
// "http.status.200". The error names the words that would have fitted.
func LookFigure(name string) (FigureInfo, error) {
	info := FigureInfo{Name: name, Count: true, Group: "counts"}
	head, rest, more := strings.Cut(name, ".")
	switch head {
	case "failures", "closures", "log":
		if more && rest == "" {
			return info, fmt.Errorf("figure %q: no class stands after the dot", name)
		}
		return info, nil
	case "connections", "messages", "pings":
		return countInfo(info, head, rest)
	case "took", "next_handshake", "handshake_gap":
		info.Unit, info.Count, info.Group = "ns", false, "actions"
		if more {
			return info, fmt.Errorf("figure %q: nothing stands after %s", name, head)
		}
		return info, nil
	case "generations":
		info.Count, info.Group = false, "actions"
		if !slices.Contains([]string{"before", "old", "new"}, rest) {
			return info, fmt.Errorf("figure %q: %q is none of before, old, new", name, rest)
		}
		return info, nil
	case "http":
		if sub, ok := strings.CutPrefix(rest, "response_time."); ok {
			return quantileInfo(info, sub, "latency")
		}
		return countInfo(info, head, rest)
	case "resources":
		return resourceInfo(info, rest)
	}
	if _, known := metricField(nil, head); known {
		group := "latency"
		// The others are measured from the first attempt on, or are the lateness
		// itself: a late generator does not spoil them.
		if head != "response_time" && head != "service_time" && head != "ping" && head != "jitter" {
			group = head
		}
		return quantileInfo(info, rest, group)
	}
	return info, fmt.Errorf("there is no figure %q; figures begin with failures, closures, log, connections, messages, pings, http, resources, took, next_handshake, handshake_gap, generations or %s",
		name, strings.Join(Metrics(), ", "))
}

func countInfo(info FigureInfo, head, rest string) (FigureInfo, error) {
	switch info.Name {
	case "connections.peak":
		info.Count = false
		return info, nil
	case "messages.per_second":
		info.Count, info.Unit, info.Group = false, "/s", "rates"
		return info, nil
	case "messages.bytes_sent", "messages.bytes_received":
		info.Unit = "B"
	}
	if _, ok := countField(&Figures{}, info.Name); !ok {
		return info, fmt.Errorf("figure %q: %s have no %q", info.Name, head, rest)
	}
	return info, nil
}

func quantileInfo(info FigureInfo, rest, group string) (FigureInfo, error) {
	if rest == "count" {
		return info, nil
	}
	if !slices.Contains([]string{"mean", "p50", "p90", "p99", "p99.9", "max"}, rest) {
		return info, fmt.Errorf("figure %q: %q is none of count, mean, p50, p90, p99, p99.9, max", info.Name, rest)
	}
	info.Unit, info.Count, info.Group = "ns", false, group
	return info, nil
}

func resourceInfo(info FigureInfo, rest string) (FigureInfo, error) {
	group, field, _ := strings.Cut(rest, ".")
	if !slices.Contains(Groups(), group) {
		return info, fmt.Errorf("figure %q: %q is none of the groups %s", info.Name, group, strings.Join(Groups(), ", "))
	}
	f, known := resourceFields[field]
	if !known {
		return info, fmt.Errorf("figure %q: there is no resource %q", info.Name, field)
	}
	info.Unit, info.Count, info.Group = f.unit, false, "resources"
	return info, nil
}

// Metrics are the names of the histograms, in the order of reports.
func Metrics() []string {
	return []string{"response_time", "service_time", "send_lag", "write_blocked", "receive_lag", "dial_lag",
		"dial", "tls", "upgrade", "ping", "ping_lag", "jitter", "idle_before_close"}
}

// Metric returns the summary of a histogram by its name, nil when there is none.
func (f *Figures) Metric(name string) *Quantiles {
	q, _ := metricField(f, name)
	return q
}

func metricField(f *Figures, name string) (q *Quantiles, known bool) {
	if f == nil {
		f = &Figures{}
	}
	switch name {
	case "response_time":
		return f.ResponseTime, true
	case "service_time":
		return f.ServiceTime, true
	case "send_lag":
		return f.SendLag, true
	case "write_blocked":
		return f.WriteBlocked, true
	case "receive_lag":
		return f.ReceiveLag, true
	case "dial_lag":
		return f.DialLag, true
	case "dial":
		return f.Dial, true
	case "tls":
		return f.TLS, true
	case "upgrade":
		return f.Upgrade, true
	case "ping":
		return f.Ping, true
	case "ping_lag":
		return f.PingLag, true
	case "jitter":
		return f.Jitter, true
	case "idle_before_close":
		return f.IdleBeforeClose, true
	}
	return nil, false
}

// countField looks up connections.*, messages.*, pings.* and http.* without their
// response time.
func countField(f *Figures, name string) (float64, bool) {
	c, m, h := &f.Connections, &f.Messages, &f.HTTP
	for prefix, counts := range map[string]map[string]int64{"http.status.": h.Status, "messages.not_sent.": m.NotSentCauses,
		"pings.not_sent.": f.Pings.NotSentCauses} {
		if class, ok := strings.CutPrefix(name, prefix); ok && class != "" {
			return float64(counts[class]), true
		}
	}
	var n int64
	switch name {
	case "connections.attempted":
		n = c.Attempted
	case "connections.opened":
		n = c.Opened
	case "connections.peak":
		n = c.Peak
	case "messages.scheduled":
		n = m.Scheduled
	case "messages.sent":
		n = m.Sent
	case "messages.answered":
		n = m.Answered
	case "messages.on_time":
		n = m.OnTime
	case "messages.received":
		n = m.Received
	case "messages.delivered":
		n = m.Delivered
	case "messages.unanswered":
		n = m.Unanswered
	case "messages.not_sent":
		n = m.NotSent
	case "messages.corrupt":
		n = m.Corrupt
	case "messages.per_second":
		return m.PerSecond, true
	case "messages.bytes_sent":
		n = m.BytesSent
	case "messages.bytes_received":
		n = m.BytesReceived
	case "pings.due":
		n = f.Pings.Due
	case "pings.sent":
		n = f.Pings.Sent
	case "pings.answered":
		n = f.Pings.Answered
	case "pings.not_sent":
		n = f.Pings.NotSent
	case "http.sent":
		n = h.Sent
	case "http.answered":
		n = h.Answered
	default:
		return 0, false
	}
	return float64(n), true
}

var resourceFields = map[string]struct {
	unit string
	of   func(*Resources) *float64
}{
	"cpu_seconds":          {"s", func(r *Resources) *float64 { return r.CPUSeconds }},
	"cpu_user_seconds":     {"s", func(r *Resources) *float64 { return r.CPUUserSeconds }},
	"cpu_system_seconds":   {"s", func(r *Resources) *float64 { return r.CPUSystemSeconds }},
	"cpu_us_per_message":   {"us", func(r *Resources) *float64 { return r.CPUUsPerMessage }},
	"rss_peak_bytes":       {"B", func(r *Resources) *float64 { return r.RSSPeakBytes }},
	"pss_peak_bytes":       {"B", func(r *Resources) *float64 { return r.PSSPeakBytes }},
	"pss_bytes_per_tunnel": {"B", func(r *Resources) *float64 { return r.PSSBytesPerTunnel }},
	"fds_peak":             {"", func(r *Resources) *float64 { return r.FDsPeak }},
	"threads_peak":         {"", func(r *Resources) *float64 { return r.ThreadsPeak }},
	"processes_peak":       {"", func(r *Resources) *float64 { return r.ProcessesPeak }},
}

// figure looks a name up in what a step and a trial have in common. ok is false
// for one that is unknown, null or absent.
func (f *Figures) figure(name string, resources map[string]*Resources) (v float64, ok bool) {
	head, rest, more := strings.Cut(name, ".")
	switch head {
	case "failures":
		return classes(f.Failures, rest, more), true
	case "closures":
		return classes(f.Closures, rest, more), true
	case "connections", "messages", "pings":
		return countField(f, name)
	case "http":
		if sub, isTime := strings.CutPrefix(rest, "response_time."); isTime {
			return f.HTTP.ResponseTime.value(sub)
		}
		return countField(f, name)
	case "resources":
		group, field, _ := strings.Cut(rest, ".")
		r, known := resourceFields[field]
		if res := resources[group]; known && res != nil && r.of(res) != nil {
			return *r.of(res), true
		}
		return 0, false
	}
	return f.Metric(head).value(rest)
}

// classes is the count of one class, or the sum of all.
func classes(m map[string]int64, class string, one bool) (sum float64) {
	if one {
		return float64(m[class])
	}
	for _, n := range m {
		sum += float64(n)
	}
	return sum
}

func (q *Quantiles) value(name string) (float64, bool) {
	if q == nil {
		return 0, false
	}
	switch name {
	case "count":
		return float64(q.Count), true
	case "mean":
		return q.Mean, true
	case "max":
		return q.Max, true
	}
	for _, p := range quantileFields {
		if p.name == name && p.of != nil && *p.of(q) != nil {
			return **p.of(q), true
		}
	}
	return 0, false
}

// action looks up what a step did itself.
func (s *Step) action(name string) (v float64, ok bool) {
	var ns *int64
	switch name {
	case "took":
		ns = s.TookNs
	case "next_handshake":
		ns = s.NextHandshakeNs
	case "handshake_gap":
		ns = s.HandshakeGapNs
	}
	if ns != nil {
		return float64(*ns), true
	}
	g := s.Generations
	if g == nil {
		return 0, false
	}
	n, ok := map[string]int{"generations.before": g.Before, "generations.old": g.Old, "generations.new": g.New}[name]
	return float64(n), ok
}
