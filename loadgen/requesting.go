package loadgen

import (
	"crypto/tls"
	"fmt"
	"strconv"

	"wsgauge/internal/evloop"
	"wsgauge/loadgen/schedule"
	"wsgauge/loadgen/wire"
)

// requesting is an http step on one worker: ordinary requests on a schedule of their
// own, by connections of their own. Every worker walks the schedule of all requests and
// takes its own.
type requesting struct {
	worker  *worker
	step    *running
	plan    *HTTPPlan
	tls     *tls.Config // nil: plain
	request []byte      // all are the same

	arrivals schedule.Sequence
	walked   uint64 // arrivals so far
	next     int64  // clock at which the next own request is due
	more     bool
	start    int64
	window   int64 // clock time at which the window begins
	finish   int64 // … and ends
	late     int64 // clock time from which what has had no turn is not sent
	last     int64 // clock time of the last turn; 0: there was none
	timer    evloop.Timer

	waiting  []request // due, and no connection was free; the oldest first
	callers  map[*caller]struct{}
	free     []*caller // of them, those without a request; the one used last is the last
	room     int       // how many may be opened besides
	leaving  int       // of callers, those that only wait for their end
	dials    int
	serving  bool
	again    evloop.Timer // more of the waiting may have their turn
	lost     []int64      // requests of the window that have failed, by when they were due
	draining bool
	over     bool
}

// request is one that is due.
type request struct {
	due   int64 // clock of evloop.Now
	again bool  // its first attempt found a connection that the server had given up
}

// maxWaiting bounds the requests of a worker that wait for a connection; one that is due
// beyond it fails as http_no_connection, at once.
const maxWaiting = 1 << 20

func (r *running) startHTTP(p *HTTPPlan, start int64) error {
	w := r.worker
	s := &requesting{worker: w, step: r, plan: p, start: start, callers: map[*caller]struct{}{}}
	q := wire.Request{Host: w.assignment.Host, Path: p.Path, Headers: headers(w.assignment.Headers, p.Headers, "{conn}")}
	if err := q.Check(); err != nil {
		return fmt.Errorf("http: %w", err)
	}
	s.request = wire.AppendGet(nil, &q, p.NewEach)
	if w.assignment.TLS != nil {
		config, err := w.tlsConfig(p.TLS)
		if err != nil {
			return err
		}
		s.tls = config
	}
	s.window = start + int64(p.Warmup)
	s.finish = s.window + int64(p.For)
	s.late = s.finish + max(int64(p.For)/100, int64(lastTurn))
	s.timer.Owner, s.again.Owner = s, evloop.ExpireFunc(s.serve)
	s.room = p.Connections / w.stride()
	if w.residue() < p.Connections%w.stride() {
		s.room++
	}
	s.room = max(s.room, 1)
	s.arrivals = schedule.Constant(p.Rate)
	if p.Arrivals == "poisson" {
		s.arrivals = schedule.Poisson(p.Rate, p.Seed)
	}
	r.requesting = s
	s.advance()
	s.arm()
	return nil
}

// advance finds the next own request.
func (s *requesting) advance() {
	own := uint64(s.worker.residue())
	for {
		at := s.start + s.arrivals.Next()
		n := s.walked
		s.walked++
		if s.more = at < s.finish; !s.more {
			return
		}
		if n%uint64(s.worker.stride()) == own {
			s.next = at
			return
		}
	}
}

func (s *requesting) arm() {
	at := s.next
	if !s.more { // the step lasts as long as its window, whether or not something is due
		at = max(s.finish, evloop.Now())
	}
	s.worker.loop.Arm(&s.timer, at)
}

// Expire takes the requests that are due, or ends the window or the drain.
func (s *requesting) Expire(now int64) {
	if !s.more {
		s.drain(now)
		return
	}
	for range messagesATurn {
		if !s.more || s.next > now {
			break
		}
		s.take(now)
		s.advance()
		now = evloop.Now()
	}
	s.serve(now)
	s.arm()
}

func (s *requesting) counts(due int64) bool { return due >= s.window }

// take takes the request that is due. That it has to wait for a connection is no
// lateness of ours: its send lag is known before.
func (s *requesting) take(now int64) {
	if s.counts(s.next) {
		s.step.rec.Record(SendLag, now-s.next)
	}
	s.step.outstanding++
	switch {
	case now >= s.late:
		s.step.outstanding--
		if s.counts(s.next) {
			s.step.rec.NotSent("no_turn")
		}
	case len(s.waiting) >= maxWaiting:
		s.failed(s.next, "http_no_connection")
	default:
		s.last = now
		s.waiting = append(s.waiting, request{due: s.next})
	}
}

// serve gives requests that wait to connections, some a turn.
func (s *requesting) serve(now int64) {
	if s.serving { // what fails at once comes here again, before it has returned
		return
	}
	s.serving = true
	defer func() { s.serving = false }()
	for range messagesATurn {
		if len(s.waiting) == 0 || len(s.free) == 0 && s.room == 0 {
			return
		}
		q := s.waiting[0]
		if s.waiting = s.waiting[1:]; len(s.waiting) == 0 {
			s.waiting = nil
		}
		if s.counts(q.due) && !q.again {
			s.step.rec.Counts.HTTPSent++
		}
		// The one used last is the least likely to have been given up by the server.
		if last := len(s.free) - 1; last >= 0 && (!q.again || s.room == 0) {
			c := s.free[last]
			s.free = s.free[:last]
			c.carry(q.due)
		} else {
			s.dial(q.due)
		}
	}
	s.worker.loop.Arm(&s.again, now)
}

// drain waits for answers until there is nothing to wait for or the time is up.
func (s *requesting) drain(now int64) {
	// As for messages: what a late generator begins after the window has as long.
	if limit := max(s.finish, s.last) + int64(s.plan.Drain); s.step.outstanding > 0 && now < limit {
		s.draining = true
		s.worker.loop.Arm(&s.timer, limit)
		return
	}
	s.finishDrain(now)
}

// tryDrained ends the drain when there is nothing more to wait for.
func (s *requesting) tryDrained() {
	if s.draining && s.step.outstanding == 0 {
		s.finishDrain(evloop.Now())
	}
}

// finishDrain counts what has no answer, which stays in the percentiles with its age,
// and closes all connections.
func (s *requesting) finishDrain(now int64) {
	if s.over {
		return
	}
	s.over, s.draining, s.more = true, false, false
	for c := range s.callers {
		if c.carries() {
			s.failed(c.due, "unanswered")
		}
		c.shut()
	}
	for _, q := range s.waiting {
		s.failed(q.due, "http_no_connection")
	}
	for _, due := range s.lost {
		s.step.rec.RecordCensored(HTTPResponseTime, now-due)
	}
	s.waiting, s.lost, s.free = nil, nil, nil
	s.worker.loop.Disarm(&s.timer)
	s.worker.loop.Disarm(&s.again)
	s.step.check()
}

func (s *requesting) done() bool { return s.over }

// failed counts a request that will have no answer.
func (s *requesting) failed(due int64, class string) {
	s.step.outstanding--
	if !s.counts(due) {
		return
	}
	s.step.rec.Fail(class)
	switch class {
	case "dial_timeout", "tls_stall", "http_timeout": // we gave up: later it might have come
		s.step.rec.RecordCensored(HTTPResponseTime, evloop.Now()-due)
	default:
		s.lost = append(s.lost, due)
	}
}

// answered counts the answer to a request.
func (s *requesting) answered(due, now int64, status int) {
	s.step.outstanding--
	if s.counts(due) {
		n := &s.step.rec.Counts
		n.HTTPAnswered++
		add(&n.HTTPStatus, strconv.Itoa(status), 1)
		s.step.rec.Record(HTTPResponseTime, now-due)
	}
}
