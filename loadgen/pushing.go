package loadgen

import (
	"encoding/binary"
	"encoding/hex"
	"time"

	"wsgauge/echo/order"
	"wsgauge/internal/evloop"
	"wsgauge/loadgen/schedule"
)

// With the pattern push the backend sends, to each connection a stream of its own.
// We walk the same streams, so that we know of every message when it was due and how
// long it is, and what is missing.

// pushed is the stream of one connection.
type pushed struct {
	sending *sending
	push    *order.Push
	stream  *order.Stream
	due     order.Due // the last message looked at
	more    bool
	first   bool // none has been looked at

	ended   bool
	gone    int64 // when its connection ended; 0: it has not
	counted int64 // messages of the window looked at
	got     int64 // of them, whole or not
	late    int64 // of them, that the backend was late with
	skipped int64 // by the backend

	lastSeq uint32
	lastAt  int64 // arrival of the last message
	lastDue int64
}

// startPush lists the connections that are to order; they do so at once, before the
// step's start.
func (s *sending) startPush(members []uint32) {
	for i, number := range members {
		c := s.group.own(s.worker, number)
		if c == nil || !c.fresh {
			continue
		}
		s.asking = append(s.asking, c)
		s.orders = append(s.orders, s.push(number, i, len(members)))
	}
	s.asked = true
	if len(s.asking) == 0 { // all are others'
		s.sentAll = true
		s.worker.loop.Arm(&s.timer, max(s.finish, evloop.Now()))
		return
	}
	s.worker.loop.Arm(&s.timer, evloop.Now())
}

// push is the stream of member i of m. All together they are what the plan asks:
// Poisson arrivals that are dealt at random are Poisson arrivals of each.
func (s *sending) push(number uint32, i, m int) *order.Push {
	p := s.plan
	o := &order.Push{Conn: number, Seed: schedule.Uint64(p.Seed, uint64(number)), Clock: s.worker.clock, Start: s.start,
		Warmup: int64(p.Warmup), For: int64(p.For), Min: p.Size.Min, Max: p.Size.Max, Bytes: p.Size.Bytes, Weights: p.Size.Weights,
		Text: p.Text, Fragments: p.Fragments}
	switch {
	case p.Every > 0:
		o.Every = int64(p.Every)
		o.Offset = schedule.Phase(p.Phase, o.Every, i, m, p.Seed)
	default:
		o.Rate = p.Rate / float64(m)
		o.Poisson = p.Arrivals == "poisson"
		if !o.Poisson {
			o.Offset = schedule.Phase("spread", int64(float64(time.Second)/o.Rate), i, m, p.Seed)
		}
	}
	return o
}

// askSome sends the orders of some connections.
func (s *sending) askSome(now int64) {
	w := s.worker
	n := min(messagesATurn, len(s.asking))
	for i, c := range s.asking[:n] {
		s.askPush(c, s.orders[i], now)
	}
	s.asking, s.orders = s.asking[n:], s.orders[n:]
	if len(s.asking) > 0 {
		w.loop.Arm(&s.timer, now)
		return
	}
	s.sentAll = true
	w.loop.Arm(&s.timer, max(s.finish, now))
}

func (s *sending) askPush(c *conn, o *order.Push, now int64) {
	stream, err := o.Stream()
	if err != nil {
		s.worker.broken(err)
		return
	}
	p := &pushed{sending: s, push: o, stream: stream, more: true, first: true}
	s.streams = append(s.streams, p)
	s.running++
	if c.state != open {
		p.gone = now
		p.end()
		return
	}
	o.In = max(s.start-now, 0)
	s.worker.ask(c, order.Order{Push: o}).stream = p
	if c.ask == nil && !p.ended { // it ended while the order was written
		p.gone = now
		p.end()
	}
}

// look walks on to message seq, or to the end.
func (p *pushed) look(seq uint64, most func(order.Due) bool) bool {
	for p.more && (p.first || uint64(p.due.Seq) < seq) {
		next, more := p.stream.Next()
		if !more || most != nil && !most(next) {
			p.more = false
			return false
		}
		p.first, p.due = false, next
		if next.Counts {
			p.counted++
		}
	}
	return !p.first && uint64(p.due.Seq) == seq
}

func (p *pushed) end() {
	if !p.ended {
		p.ended = true
		p.sending.running--
	}
}

// take takes a message that may be one of the stream.
func (p *pushed) take(c *conn, a *assembly) {
	w := c.worker
	if !c.ask.acked {
		return // of an order before, which was stopped
	}
	id, known := a.origin()
	fresh := p.first || id.seq > p.lastSeq || p.lastAt == 0
	switch {
	case known && id.conn == c.number && !fresh:
		c.rec().Fail("duplicated")
		return
	case !known || id.conn != c.number || !p.look(uint64(id.seq), nil) || a.length != p.due.Size ||
		c.ask.shared && id.intended != p.push.Start+p.due.At:
		c.rec().Fail("corrupt")
		c.rec().Counts.Corrupt++
		c.rec().Counts.Received++
		p.got++
		return
	}
	due := p.sending.start + p.due.At
	if p.due.Counts {
		p.got++
		c.rec().Counts.Received++
		c.rec().Counts.Delivered++
		c.rec().Counts.BytesReceived += int64(a.length)
		if c.ask.shared {
			p.record(w, a, due)
		}
		if p.lastAt != 0 && id.seq == p.lastSeq+1 {
			apart := (w.now - p.lastAt) - (p.due.At - p.lastDue)
			c.rec().Record(Jitter, max(apart, -apart))
		}
	}
	p.lastSeq, p.lastAt, p.lastDue = id.seq, w.now, p.due.At
}

// record records the times of a message, where the clocks of both ends are one.
func (p *pushed) record(w *worker, a *assembly, due int64) {
	rec := &p.sending.step.rec
	if w.now < due {
		return
	}
	rec.Record(ResponseTime, w.now-due)
	lag, known := a.lag()
	if !known {
		return
	}
	rec.Record(SendLag, lag)
	rec.Record(ServiceTime, max(w.now-due-lag, 0))
	if lag > p.sending.slack {
		p.late++
	}
}

// settlePushes counts what was due, and what of it has not come.
func (s *sending) settlePushes(now int64) {
	n := &s.step.rec.Counts
	for _, p := range s.streams {
		after := int64(0) // due when the connection was gone
		p.look(1<<63, func(d order.Due) bool {
			if s.start+d.At >= s.finish {
				return false // the step was given up before
			}
			if d.Counts && p.gone != 0 && s.start+d.At > p.gone {
				after++
			}
			return true
		})
		skipped := min(p.skipped, p.counted-after) // the answer may have been damaged
		sent := max(p.counted-after-skipped, p.got)
		n.Scheduled += p.counted
		n.Sent += sent
		n.OnTime += sent - p.late
		if after > 0 {
			add(&n.NotSent, "ended", after)
		}
		if skipped > 0 {
			add(&n.NotSent, "queue_full", skipped)
		}
		if missing := sent - p.got; missing > 0 {
			n.Unanswered += missing
			add(&n.Failures, "unanswered", missing)
			s.step.rec.RecordMissing(ResponseTime, missing, now-s.finish)
		}
	}
	s.streams = nil
}

// origin returns who a message without an answer says it is. One that is too short
// for a checksum is believed.
func (a *assembly) origin() (identity, bool) {
	if a.length >= a.headerSize() {
		return a.identity()
	}
	if a.text || a.got < identityLen {
		return identity{}, false
	}
	copy(a.raw[:], a.header[:identityLen])
	return a.says(), true
}

// lag returns how late the backend began to send the message, when it says so.
func (a *assembly) lag() (int64, bool) {
	var raw [4]byte
	if a.text {
		if a.beyond < 8 {
			return 0, false
		}
		if _, err := hex.Decode(raw[:], a.after[:]); err != nil {
			return 0, false
		}
	} else if a.beyond < 4 {
		return 0, false
	} else {
		copy(raw[:], a.after[:])
	}
	return int64(binary.LittleEndian.Uint32(raw[:])), true
}
