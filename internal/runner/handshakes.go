package runner

import (
	"context"
	"slices"
	"time"

	"wsgauge/internal/proc"
	"wsgauge/results"
)

const (
	// probeEvery is how often a handshake is tried after a reload, and probesAtOnce how
	// many may wait for an answer: one that hangs must not keep the next from being
	// tried, and each takes a worker that tunnels need.
	probeEvery   = 50 * time.Millisecond
	probesAtOnce = 2
	// changeWithin is how long a target may take until its processes begin to change,
	// once it has been told to reload. One that reloads within a process is told by its
	// first answer.
	changeWithin = 3 * time.Second
)

// probed is a handshake that was tried.
type probed struct {
	begun, ended time.Time
	answered     bool
}

// kin are the processes of a target, whoever started it.
type kin interface {
	Members() ([]proc.Process, error)
}

// nextHandshake tries handshakes from a reload on until one is answered that began
// after the target's processes had changed. told is closed when the target has been told
// all of it.
func (t *trial) nextHandshake(ctx context.Context, of kin, before []proc.Process, at time.Time, told <-chan struct{}, d *deed) error {
	ctx, cancel := context.WithTimeout(ctx, d.within)
	defer cancel()
	w := &waiting{at: at, last: at, said: t.said()}
	answers := make(chan probed, probesAtOnce)
	out := 0
	defer func() {
		cancel()
		for ; out > 0; out-- {
			<-answers
		}
	}()
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for !w.over(time.Now()) {
		if out < probesAtOnce && (w.tried.IsZero() || time.Since(w.tried) >= probeEvery) {
			w.tried = time.Now()
			out++
			go func() {
				p := probed{begun: time.Now()}
				p.answered = t.echo(ctx, t.instance.Addrs[0], t.run.scenario.WSS(t.target.Target)) == nil
				p.ended = time.Now()
				answers <- p
			}()
		}
		select {
		case <-ctx.Done():
			return t.reloaded(of, before, w, d)
		case p := <-answers:
			out--
			w.take(p)
		case <-told:
			told, w.told = nil, time.Now()
		case <-tick.C:
			if w.changed.IsZero() {
				now, err := of.Members()
				if err != nil {
					return err
				}
				if slices.ContainsFunc(now, func(p proc.Process) bool { return !slices.Contains(before, p) }) {
					w.changed = time.Now()
				}
			}
		}
	}
	return t.reloaded(of, before, w, d)
}

// reloaded notes what came of it.
func (t *trial) reloaded(of kin, before []proc.Process, w *waiting, d *deed) error {
	now, err := of.Members()
	if err != nil {
		return err
	}
	g := &results.Generations{Before: len(before)}
	for _, p := range now {
		if slices.Contains(before, p) {
			g.Old++
		} else {
			g.New++
		}
	}
	d.generations = g
	gap := w.longest(time.Now()).Nanoseconds()
	d.gap = &gap
	if next, ok := w.next(time.Now()); ok {
		ns := next.Nanoseconds()
		d.handshake = &ns
		return nil
	}
	within := time.Since(w.at).Round(time.Second / 10)
	if said := saidSince(w.said, t.said()); said != "" {
		defer func() { d.note("its log says meanwhile: %s", said) }()
	}
	if w.changed.IsZero() || w.first == 0 {
		d.note("no handshake was answered within %v", within)
	} else {
		d.note("no handshake that began after the first new process was answered within %v", within)
	}
	return nil
}

// waiting is what is known of the handshakes since a reload.
type waiting struct {
	at      time.Time // of the reload
	told    time.Time // when it had been told to reload; zero: not yet
	tried   time.Time // of the last handshake begun
	changed time.Time // when the first new process was seen; zero: not yet
	last    time.Time // of the last answer, or of the reload
	gap     time.Duration
	said    map[string]int64 // by the target's log until then, by code
	first   time.Duration    // from the reload to the first answer to one begun when it had been told; 0: none yet
	after   time.Duration    // to the first of a handshake begun after the change; likewise
}

func (w *waiting) take(p probed) {
	if !p.answered {
		return
	}
	w.gap = max(w.gap, p.ended.Sub(w.last))
	w.last = p.ended
	took := p.ended.Sub(w.at)
	if w.first == 0 && !w.told.IsZero() && !p.begun.Before(w.told) {
		w.first = took
	}
	if w.after == 0 && !w.changed.IsZero() && !p.begun.Before(w.changed) {
		w.after = took
	}
}

// over tells whether the answer is known.
func (w *waiting) over(now time.Time) bool {
	_, ok := w.next(now)
	return ok
}

// next is the time to the next handshake, once it is known.
func (w *waiting) next(now time.Time) (time.Duration, bool) {
	if !w.changed.IsZero() {
		return w.after, w.after > 0
	}
	return w.first, w.first > 0 && !w.told.IsZero() && now.Sub(w.told) >= changeWithin
}

// longest is the longest time without an answer, the one that is running included
// when none came any more.
func (w *waiting) longest(now time.Time) time.Duration {
	if w.over(now) {
		return w.gap
	}
	return max(w.gap, now.Sub(w.last))
}
