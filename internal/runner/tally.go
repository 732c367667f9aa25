package runner

import (
	"maps"
	"strings"
	"time"

	"wsgauge/loadgen"
	"wsgauge/results"
)

// tally gathers what the agents report of one step.
type tally struct {
	plan   *loadgen.StepPlan
	kind   string
	action string
	note   string
	did    deed
	sum    loadgen.Recorder
	peak   int
	start  int64 // wall clock, ns
	end    int64
	window time.Duration // of a send step
	shared bool          // other load ran at the same time; the trial's lock guards it
}

// addNote adds to what a reader of the record should know.
func (t *tally) addNote(text string) {
	if t.note != "" {
		t.note += "; "
	}
	t.note += text
}

// later is what came to be known during the step.
func (t *tally) later() string { return strings.Join(t.did.notes, "; ") }

// cutShort says that the step was given up at a time of day: its window is what was
// run of it.
func (t *tally) cutShort(at int64) {
	t.end = max(at, t.start)
	if t.plan.Send != nil {
		t.window = min(t.window, max(0, time.Duration(at-t.start)-t.plan.Send.Warmup))
	}
}

// figures turns a recorder into the figures of a record. window is the length of
// the send windows in it.
func figures(r *loadgen.Recorder, peak int, window time.Duration) results.Figures {
	c := r.Counts
	f := results.Figures{
		Connections: results.Connections{Attempted: c.Attempted, Opened: c.Opened, Peak: int64(peak), TLS: maps.Clone(c.TLS)},
		Messages: results.Messages{Scheduled: c.Scheduled, Sent: c.Sent, Answered: c.Answered, OnTime: c.OnTime,
			Received: c.Received, Delivered: c.Delivered, Unanswered: c.Unanswered, Corrupt: c.Corrupt,
			BytesSent: c.BytesSent, BytesReceived: c.BytesReceived},
		HTTP:     results.HTTP{Sent: c.HTTPSent, Answered: c.HTTPAnswered, Status: maps.Clone(c.HTTPStatus)},
		Failures: maps.Clone(c.Failures),
		Closures: maps.Clone(c.Closures),
	}
	f.Pings = results.Pings{Due: c.PingsDue, Sent: c.PingsSent, Answered: c.PingsAnswered, NotSent: c.PingsDue - c.PingsSent,
		NotSentCauses: maps.Clone(c.PingsNotSent)}
	for cause, n := range c.NotSent {
		f.Messages.NotSent += n
		if f.Messages.NotSentCauses == nil {
			f.Messages.NotSentCauses = map[string]int64{}
		}
		f.Messages.NotSentCauses[cause] = n
	}
	if window > 0 {
		f.Messages.PerSecond = float64(c.Answered+c.Delivered) / window.Seconds()
	}
	for metric, place := range map[loadgen.Metric]**results.Quantiles{
		loadgen.ResponseTime: &f.ResponseTime, loadgen.ServiceTime: &f.ServiceTime,
		loadgen.SendLag: &f.SendLag, loadgen.WriteBlocked: &f.WriteBlocked, loadgen.ReceiveLag: &f.ReceiveLag,
		loadgen.DialLag: &f.DialLag, loadgen.Dial: &f.Dial, loadgen.TLS: &f.TLS, loadgen.Upgrade: &f.Upgrade,
		loadgen.Ping: &f.Ping, loadgen.PingLag: &f.PingLag, loadgen.Jitter: &f.Jitter, loadgen.IdleBeforeClose: &f.IdleBeforeClose,
		loadgen.HTTPResponseTime: &f.HTTP.ResponseTime,
	} {
		if h := r.Histogram(metric); h != nil {
			*place = results.Summarise(h, r.CensoredFrom(metric), r.Clamped(metric))
		}
	}
	return f
}

// missing counts the deliveries of a broadcast that did not come, which no agent can
// tell alone. They are as old as the drain was long, at least. What it added to the sum
// is returned; nil: nothing.
func (t *tally) missing() *loadgen.Recorder {
	p := t.plan.Send
	if p == nil || p.Pattern != "broadcast" {
		return nil
	}
	n := t.sum.Counts.Missing()
	if n <= 0 {
		return nil
	}
	var r loadgen.Recorder
	r.Counts.Unanswered = n
	r.Counts.Failures = map[string]int64{"unanswered": n}
	r.RecordMissing(loadgen.ResponseTime, n, int64(p.Drain))
	t.sum.Merge(&r)
	return &r
}

// step is the record of the step.
func (t *tally) step(trialStart time.Time) results.Step {
	seconds := func(ns int64) float64 { return float64(ns-trialStart.UnixNano()) / 1e9 }
	s := results.Step{ID: t.plan.ID, Step: t.kind, Group: t.plan.Group, Iteration: t.plan.Iteration,
		StartedS: seconds(t.start), EndedS: seconds(t.end), Note: t.note, Action: t.action,
		TookNs: t.did.took, NextHandshakeNs: t.did.handshake, HandshakeGapNs: t.did.gap, Generations: t.did.generations,
		Figures: figures(&t.sum, t.peak, t.window)}
	if p := t.plan.Send; p != nil {
		if p.Closed {
			s.Loop = results.LoopClosed
		}
		if p.Pattern != "echo" {
			s.Pattern = p.Pattern
		}
	}
	return s
}
