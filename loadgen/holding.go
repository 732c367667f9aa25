package loadgen

import (
	"wsgauge/echo/order"
	"wsgauge/internal/evloop"
)

// holding is a hold step on one worker: nothing is sent but the heartbeat that
// was asked for, and every end is recorded as it comes.
type holding struct {
	worker *worker
	step   *running
	plan   *HoldPlan
	left   watch
	start  int64
	end    int64
	over   bool
	timer  evloop.Timer

	conns   []*conn // with a heartbeat: those open at the start
	beat    int64   // the heartbeat's count over all of them
	waiting int     // of them, how many have not answered their latest ping
	last    int64   // the time is over, and pongs are awaited until then; 0: not yet

	ordered  int // of conns: the backend was told to ping them
	stopping int // answers to the stop that are awaited; negative: not stopped
}

// pongGrace bounds the wait for the pongs to the last heartbeats: booked in the step
// that follows they would be a figure of it.
const pongGrace = int64(1e9)

func (r *running) startHold(p *HoldPlan, group string, start int64) {
	w := r.worker
	h := &holding{worker: w, step: r, plan: p, left: w.watch(group), start: start, end: start + int64(p.For), stopping: -1}
	h.timer.Owner = h
	if p.PingEvery > 0 {
		r.each(func(c *conn) {
			if c.state == open {
				h.conns = append(h.conns, c)
			}
		})
	}
	r.holding = h
	h.arm()
	r.check()
}

// nextBeat spreads the heartbeats of all connections evenly over the period.
func (h *holding) nextBeat() int64 {
	n := int64(len(h.conns))
	round, place := h.beat/n, h.beat%n
	return h.start + (round+1)*int64(h.plan.PingEvery) - int64(h.plan.PingEvery)*(n-1-place)/n
}

func (h *holding) arm() {
	at := h.end
	if h.byBackend() {
		if h.ordered < len(h.conns) {
			at = evloop.Now()
		}
	} else if len(h.conns) > 0 {
		at = min(at, h.nextBeat())
	}
	h.worker.loop.Arm(&h.timer, at)
}

// Expire sends the heartbeats that are due, or ends the step.
func (h *holding) Expire(now int64) {
	if h.byBackend() {
		h.expireBackend(now)
		return
	}
	for sent := 0; len(h.conns) > 0 && h.nextBeat() <= min(now, h.end) && sent < messagesATurn; sent++ {
		at := h.nextBeat()
		if c := h.conns[h.beat%int64(len(h.conns))]; c.state == open {
			h.ping(c, at)
		}
		h.beat++
	}
	if h.step.holding != h {
		return // the last connection ended under its ping
	}
	switch {
	case now < h.end, len(h.conns) > 0 && h.nextBeat() <= h.end && now < h.end+pongGrace:
		h.arm()
	case h.waiting > 0 && h.last == 0:
		h.last = h.end + pongGrace
		h.worker.loop.Arm(&h.timer, h.last)
	default:
		h.over = true
		h.step.check()
	}
}

// ping sends the ping of c that was due at a time, unless too much waits for the socket
// already: a peer that never reads would have one heartbeat after the other wait with it.
func (h *holding) ping(c *conn, intended int64) {
	rec := &h.step.rec
	rec.Counts.PingsDue++
	if c.queue != nil && c.queue.pending() > maxQueued {
		add(&rec.Counts.PingsNotSent, "queue_full", 1)
		return
	}
	rec.Counts.PingsSent++
	rec.Record(PingLag, evloop.Now()-intended)
	h.pinged(c, intended)
	h.worker.ping(c, intended)
}

// overdue counts the pings whose time came within the step, and whose turn did not.
func (h *holding) overdue() {
	n := int64(len(h.conns))
	if n == 0 || h.byBackend() {
		return
	}
	late := int64(0)
	for i, c := range h.conns {
		if c.state != open {
			continue
		}
		// The beats of connection i are i, i+n, i+2n …; beat i is due at first.
		place := int64(i)
		first := h.start + int64(h.plan.PingEvery) - int64(h.plan.PingEvery)*(n-1-place)/n
		if h.end < first {
			continue
		}
		due := (h.end-first)/int64(h.plan.PingEvery) + 1
		had := (h.beat - place + n - 1) / n
		late += max(due-had, 0)
	}
	if late > 0 {
		h.step.rec.Counts.PingsDue += late
		add(&h.step.rec.Counts.PingsNotSent, "no_turn", late)
	}
}

// pinged notes that c has a ping to answer.
func (h *holding) pinged(c *conn, intended int64) {
	if c.pingAt == 0 {
		h.waiting++
	}
	c.pingAt = intended
}

// answered notes that c has answered its latest ping, or never will. An endpoint may
// leave earlier ones unanswered (RFC 6455 section 5.5.3).
func (h *holding) answered(c *conn) {
	c.pingAt = 0
	h.waiting--
	if h.waiting == 0 && h.last != 0 {
		h.over = true
		h.step.check()
	}
}

// stopWait bounds the wait for the backend's last word on its pings.
const stopWait = int64(1e9)

func (h *holding) byBackend() bool { return h.plan.PingFrom == "backend" }

// expireBackend tells the backend to begin with its pings, or to stop; the answer to
// that has the last round trip.
func (h *holding) expireBackend(now int64) {
	w := h.worker
	if h.ordered < len(h.conns) && now < h.end {
		n := len(h.conns)
		for _, c := range h.conns[h.ordered:min(h.ordered+messagesATurn, n)] {
			if c.state == open && c.ask == nil {
				every := int64(h.plan.PingEvery)
				first := h.start + every - every*int64(n-1-h.ordered)/int64(n)
				w.ask(c, order.Order{Ping: &order.Ping{Every: every, In: max(first-now, 0)}})
			}
			h.ordered++
		}
		h.arm()
		return
	}
	if now < h.end {
		h.arm()
		return
	}
	if h.stopping < 0 {
		h.stopping = 0
		h.step.each(func(c *conn) {
			if c.state == open && c.ask != nil {
				h.stopping++
				w.unask(c)
			}
		})
		if h.stopping > 0 {
			w.loop.Arm(&h.timer, now+stopWait)
			return
		}
	}
	h.over = true
	h.step.check()
}

// opened is told of a connection that has come back while the step runs: the backend
// knows nothing of it, and is told anew. A period later its pings begin.
func (h *holding) opened(c *conn) {
	if every := int64(h.plan.PingEvery); every > 0 && h.byBackend() && h.stopping < 0 && evloop.Now() < h.end {
		h.worker.ask(c, order.Order{Ping: &order.Ping{Every: every, In: every}})
	}
}

// stopped is told of an answer to a stop.
func (h *holding) stopped() {
	if h.stopping > 0 {
		if h.stopping--; h.stopping == 0 {
			h.over = true
			h.step.check()
		}
	}
}

// done: the time is over, or no connection is left to watch here.
func (h *holding) done() bool {
	if !h.over && (h.plan.Stay || h.left.any()) {
		return false
	}
	h.worker.loop.Disarm(&h.timer)
	h.overdue()
	for _, c := range h.conns {
		c.pingAt = 0
	}
	return true
}
