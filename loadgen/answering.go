package loadgen

// answered matches a whole message from the peer with one that was sent.
func (c *conn) answered(a *assembly) {
	w, rec := c.worker, c.rec()
	id, sound := a.identity()
	m, before := c.first, (*message)(nil)
	if sound && id.conn == c.number {
		for m != nil && m.seq != id.seq {
			m, before = m.next, m
		}
	}
	switch {
	case sound && id.conn == c.number && m == nil && id.seq < c.seq:
		rec.Fail("duplicated")
		return
	case m == nil:
		c.corrupt()
		return
	case a.length != int(m.size), a.short() && !a.isShort(w.filler, identity{m.seq, c.number, m.wall}),
		!a.short() && (!sound || id != identity{m.seq, c.number, m.wall}):
		c.corrupt()
		c.take(before, m, false)
		return
	}
	if before != nil {
		rec.Fail("reordered")
	}
	c.take(before, m, true)
}

// corrupt counts a message of the peer that is wrong. One that a client gets which offends
// may be what it deserves.
func (c *conn) corrupt() {
	if c.behaves() == "" {
		c.rec().Fail("corrupt")
		c.rec().Counts.Corrupt++
	}
}

// take removes m, which stands behind before, and records its answer when that
// is right.
func (c *conn) take(before, m *message, right bool) {
	w, step := c.worker, c.group.step
	if before == nil {
		c.first = m.next
	} else {
		before.next = m.next
	}
	if c.last == m {
		c.last = before
	}
	if !m.given {
		step.outstanding--
		if m.counted {
			step.rec.Counts.Received++
			step.rec.Counts.BytesReceived += int64(m.size)
			if right {
				step.rec.Counts.Answered++
				step.rec.Record(ResponseTime, w.now-m.intended)
				step.rec.Record(ServiceTime, w.now-m.attempt)
			}
		}
	}
	if m.end == 0 { // else the queue still points at it
		w.slab.putMessage(m)
	}
	step.tryDrained()
	switch {
	case c.life != nil && c.life.retiring && c.state == open && !c.owed():
		c.retire()
	case step.sending != nil && step.sending.plan.Closed:
		step.sending.again(c)
	}
}

// lose keeps the outstanding messages of a connection that has ended until the
// step is over: their age then is the least that their answer can have taken.
func (c *conn) lose() {
	r := c.group.step
	for m := c.first; m != nil; {
		next := m.next
		m.next = nil
		if !m.given {
			r.outstanding--
			if m.counted {
				r.lost = append(r.lost, *m)
			}
		}
		m = next
	}
	c.first, c.last = nil, nil
	r.tryDrained()
}

// giveUp ends a step's messages: what has no answer now is unanswered, stays in
// the percentiles with its age, and will not be waited for.
func (r *running) giveUp(now int64) {
	for i := range r.lost {
		r.rec.unanswered(&r.lost[i], now)
	}
	r.lost = nil
	if r.outstanding == 0 {
		return
	}
	for _, c := range r.sending.group.conns {
		if c == nil {
			continue
		}
		for m := c.first; m != nil; m = m.next {
			if !m.given {
				m.given = true
				r.outstanding--
				if m.counted {
					r.rec.unanswered(m, now)
				}
			}
		}
	}
}

func (r *Recorder) unanswered(m *message, now int64) {
	r.Counts.Unanswered++
	r.Fail("unanswered")
	r.RecordCensored(ResponseTime, now-m.intended)
	r.RecordCensored(ServiceTime, now-m.attempt)
	if m.end != 0 { // the kernel never took all of it
		r.RecordCensored(WriteBlocked, now-m.attempt)
	}
}
