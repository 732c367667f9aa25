package loadgen

import "wsgauge/internal/evloop"

// holding is a hold step on one worker: nothing is sent but the heartbeat that
// was asked for, and every end is recorded as it comes.
type holding struct {
	worker *worker
	plan   *HoldPlan
	group  string
	start  int64
	end    int64
	over   bool
	timer  evloop.Timer

	conns []*conn // with a heartbeat: those open at the start
	beat  int64   // the heartbeat's count over all of them
}

func (w *worker) startHold(p *HoldPlan, group string, start int64) {
	h := &holding{worker: w, plan: p, group: group, start: start, end: start + int64(p.For)}
	h.timer.Owner = h
	if p.PingEvery > 0 {
		w.each(group, func(c *conn) {
			if c.state == open {
				h.conns = append(h.conns, c)
			}
		})
	}
	w.holding = h
	h.arm()
	w.check()
}

// nextBeat spreads the heartbeats of all connections evenly over the period.
func (h *holding) nextBeat() int64 {
	n := int64(len(h.conns))
	round, place := h.beat/n, h.beat%n
	return h.start + (round+1)*int64(h.plan.PingEvery) - int64(h.plan.PingEvery)*(n-1-place)/n
}

func (h *holding) arm() {
	at := h.end
	if len(h.conns) > 0 {
		at = min(at, h.nextBeat())
	}
	h.worker.loop.Arm(&h.timer, at)
}

// Expire sends the heartbeats that are due, or ends the step.
func (h *holding) Expire(now int64) {
	for sent := 0; len(h.conns) > 0 && h.nextBeat() <= min(now, h.end) && sent < messagesATurn; sent++ {
		at := h.nextBeat()
		if c := h.conns[h.beat%int64(len(h.conns))]; c.state == open {
			h.worker.ping(c, at)
		}
		h.beat++
	}
	if now >= h.end {
		h.over = true
		h.worker.check()
		return
	}
	h.arm()
}

// done: the time is over, or no connection is left to watch here.
func (h *holding) done() bool {
	if !h.over {
		left := h.plan.Stay
		h.worker.each(h.group, func(c *conn) { left = left || c.state == open })
		if left {
			return false
		}
	}
	h.worker.loop.Disarm(&h.timer)
	return true
}
