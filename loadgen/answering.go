package loadgen

// answered matches a whole message from the peer with one that was sent.
func (c *conn) answered(a *assembly) {
	w := c.worker
	id, sound := a.identity()
	m, before := c.first, (*message)(nil)
	if sound && id.conn == c.number {
		for m != nil && m.seq != id.seq {
			m, before = m.next, m
		}
	}
	switch {
	case sound && id.conn == c.number && m == nil && id.seq < c.seq:
		w.rec.Fail("duplicated")
		return
	case m == nil:
		w.rec.Fail("corrupt")
		w.rec.Counts.Corrupt++
		return
	case a.length != int(m.size), a.short() && !a.isShort(w.filler, identity{m.seq, c.number, m.wall}),
		!a.short() && (!sound || id != identity{m.seq, c.number, m.wall}):
		w.rec.Fail("corrupt")
		w.rec.Counts.Corrupt++
		c.take(before, m, false)
		return
	}
	if before != nil {
		w.rec.Fail("reordered")
	}
	c.take(before, m, true)
}

// take removes m, which stands behind before, and records its answer when that
// is right.
func (c *conn) take(before, m *message, right bool) {
	w := c.worker
	if before == nil {
		c.first = m.next
	} else {
		before.next = m.next
	}
	if c.last == m {
		c.last = before
	}
	if !m.given {
		w.outstanding--
		if m.counted {
			w.rec.Counts.Received++
			w.rec.Counts.BytesReceived += int64(m.size)
			if right {
				w.rec.Counts.Answered++
				w.rec.Record(ResponseTime, w.now-m.intended)
				w.rec.Record(ServiceTime, w.now-m.attempt)
			}
		}
	}
	if m.end == 0 { // else the queue still points at it
		w.slab.putMessage(m)
	}
	w.tryDrained()
	switch {
	case c.life != nil && c.life.retiring && c.state == open && !c.owed():
		c.retire()
	case w.sending != nil && w.sending.plan.Closed:
		w.sending.again(c)
	}
}

// lose keeps the outstanding messages of a connection that has ended until the
// step is over: their age then is the least that their answer can have taken.
func (w *worker) lose(c *conn) {
	for m := c.first; m != nil; {
		next := m.next
		m.next = nil
		if !m.given {
			w.outstanding--
			if m.counted {
				w.lost = append(w.lost, *m)
			}
		}
		m = next
	}
	c.first, c.last = nil, nil
	w.tryDrained()
}

// giveUp ends a step's messages: what has no answer now is unanswered, stays in
// the percentiles with its age, and will not be waited for.
func (w *worker) giveUp(now int64) {
	for i := range w.lost {
		w.unanswered(&w.lost[i], now)
	}
	w.lost = nil
	if w.outstanding == 0 {
		return
	}
	for _, c := range w.sending.group.conns {
		if c == nil {
			continue
		}
		for m := c.first; m != nil; m = m.next {
			if !m.given {
				m.given = true
				w.outstanding--
				if m.counted {
					w.unanswered(m, now)
				}
			}
		}
	}
}

func (w *worker) unanswered(m *message, now int64) {
	w.rec.Counts.Unanswered++
	w.rec.Fail("unanswered")
	w.rec.RecordCensored(ResponseTime, now-m.intended)
	w.rec.RecordCensored(ServiceTime, now-m.attempt)
	if m.end != 0 { // the kernel never took all of it
		w.rec.RecordCensored(WriteBlocked, now-m.attempt)
	}
}
