package synthetic

import (
	"errors"
	"time"

	"wsgauge/results"
)

// eventful adds what happens in a trial: a reload at 2 s after its start, at which 40
// clients of Apache fail to open, the end of a backend at 4 s with 100 of its tunnels, and
// plain requests beside the messages.
func (w *writer) eventful(t *results.Trial, p profile, at float64) error {
	event := func(after float64, kind, class, text string, count int64) error {
		return w.dir.AppendEvent(results.Event{AtS: at + after, Block: t.Block, Target: t.Target, Step: "load", Kind: kind, Class: class, Count: count, Text: text})
	}
	var errs []error
	switch p.kind {
	case "direct":
	case "tunnel":
		errs = append(errs, event(2, "signal", "graceful", "nothing was done: tunnel has no graceful reload", 0))
	default:
		// Each at a time of its own, as reloads take.
		own := float64(p.threads) / 1000
		errs = append(errs, event(2+own, "signal", "graceful", "SIGUSR1 to process 4711", 0), event(2.7+own, "failure", "upgrade_stall", "", 40))
		t.Failures = map[string]int64{"upgrade_stall": 40, "upgrade_status_503": 2}
	}
	errs = append(errs, event(4, "backend", "kill", "kill of backend 1", 0), event(4.1, "closure", "closed_by_peer", "", 100), event(5.6, "closure", "closed_by_us", "", 200))
	t.Closures = map[string]int64{"closed_by_us": 200, "closed_by_peer": 100}
	const requests = 3000
	sum := newHistogram("http_response_time")
	for second := range 3 {
		one := newHistogram("http_response_time")
		for range requests / 3 {
			one.record(3 * p.p50Us * 1e3 * (1 + w.rng.ExpFloat64()))
		}
		sum.h.Merge(one.h)
		start := w.run.StartedAt.Add(time.Duration((at + 1.4 + float64(second)) * float64(time.Second)))
		errs = append(errs, w.dir.Interval(results.IntervalTag(t.Block, p.name, "web", "http_response_time"), start, 1, one.h))
	}
	t.HTTP = results.HTTP{Sent: requests, Answered: requests, Status: map[string]int64{"200": requests}, ResponseTime: results.Summarise(sum.h, 0, 0)}
	return errors.Join(errs...)
}

// workers is the scoreboard in each of six seconds; the target does not answer in one.
func workers(s *results.Sample, second int) {
	if second == 3 {
		s.ScrapesMissed = new(1.0)
		return
	}
	busy := []float64{0, 300, 300, 0, 200, 0}[second]
	old := []float64{0, 0, 0, 300, 200, 0}[second]
	if old > 0 {
		busy = 0
	}
	s.WorkersBusy, s.WorkersIdle, s.WorkersClosing, s.WorkersGraceful, s.SlotsFree = new(busy), new(512-busy), new(0.0), new(old), new(512-old)
}
