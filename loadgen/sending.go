package loadgen

import (
	"time"

	"wsgauge/echo/order"
	"wsgauge/internal/evloop"
	"wsgauge/loadgen/schedule"
	"wsgauge/loadgen/wire"
)

// sending is a send step on one worker. Every worker of every agent walks the
// same schedule of all messages and takes those of its own connections, so that
// the load is the same however it is spread.
type sending struct {
	worker *worker
	step   *running
	plan   *SendPlan
	group  *group
	sizes  schedule.Sizes
	source source
	next   due
	more   bool
	seeks  bool // next is only how far the schedule was walked in vain
	start  int64
	window int64 // clock time at which the window begins
	finish int64 // … and ends
	late   int64 // clock time from which what has had no turn is not sent
	slack  int64 // 1% of the window: what counts as on time
	last   int64 // clock time of the last first attempt; 0: none was made
	timer  evloop.Timer
	idle   []*conn  // closed loop: not begun
	turns  []uint32 // closed loop: messages sent, by own number / stride

	asked     bool          // push and broadcast: the connections order something
	asking    []*conn       // have not ordered
	orders    []*order.Push // of those
	streams   []*pushed
	running   int   // streams that go on
	receivers int64 // broadcast: connections that have joined and are open
	gathered  int64 // … broadcasts of the window that came to them
	expected  int64 // … messages that each of them is to get

	drained bool // the drain is over, or nothing was left to wait for
	sentAll bool
}

// due is one message of the schedule.
type due struct {
	n      uint64
	at     int64 // clock of evloop.Now
	number uint32
}

// source walks the schedule, message by message, over all connections.
type source interface {
	// next returns the offset of the next message and the number of its
	// connection.
	next() (n uint64, offset int64, number uint32)
}

// messagesATurn bounds what one turn of the loop sends before it looks at its
// sockets again: a late generator must still read.
const messagesATurn = 16

// walkATurn bounds how many messages of others are passed over on the way to the next
// own one before the loop has its turn: some 50 µs.
const walkATurn = 1024

// walkAhead is how long before it is due a message should be found.
const walkAhead = int64(time.Second)

// lastTurn is how long after the window a late generator may still send what was
// due in it: longer than the pauses of a busy machine, so that they cost validity and
// no messages; short against being overloaded.
const lastTurn = 2 * time.Second

func (r *running) startSend(p *SendPlan, g *group, start int64) error {
	sizes, err := schedule.NewSizes(p.Size.Min, p.Size.Max, p.Size.Bytes, p.Size.Weights)
	if err != nil {
		return err
	}
	w := r.worker
	s := &sending{worker: w, step: r, plan: p, group: g, sizes: sizes, start: start}
	s.window = start + int64(p.Warmup)
	s.finish = s.window + int64(p.For)
	s.slack = max(int64(p.For)/100, 1e6)
	s.late = s.finish + max(s.slack, int64(lastTurn))
	s.timer.Owner = s
	for _, c := range g.conns {
		if c != nil {
			c.fresh = c.state == open
		}
	}
	members := p.Members.List()
	r.sending = s
	if len(members) == 0 {
		s.drained, s.sentAll = true, true
		r.check()
		return nil
	}
	if p.Closed {
		s.startClosed(members)
		return nil
	}
	if p.Pattern == "push" {
		s.startPush(members)
		return nil
	}
	if p.Every > 0 {
		s.source = newRounds(p, members)
	} else {
		s.source = newDraws(p, members)
	}
	if p.Pattern == "broadcast" {
		s.startBroadcast()
	}
	if s.concerned(members) {
		s.advance()
	}
	s.arm()
	return nil
}

// concerned tells whether any message of the schedule can be sent here, or is to be
// counted here.
func (s *sending) concerned(members []uint32) bool {
	if s.receivers > 0 {
		return true
	}
	for _, number := range members {
		if c := s.group.own(s.worker, number); c != nil && c.fresh {
			return true
		}
	}
	return false
}

// draws is messages at a rate over all connections, each to a uniformly random one.
type draws struct {
	members []uint32
	seed    uint64
	seq     schedule.Sequence
	n       uint64
}

func newDraws(p *SendPlan, members []uint32) *draws {
	d := &draws{members: members, seed: p.Seed, seq: schedule.Constant(p.Rate)}
	if p.Arrivals == "poisson" {
		d.seq = schedule.Poisson(p.Rate, p.Seed)
	}
	return d
}

func (d *draws) next() (uint64, int64, uint32) {
	n := d.n
	d.n++
	return n, d.seq.Next(), d.members[schedule.Pick(d.seed, n, len(d.members))]
}

// advance finds the next message of an own connection that was open when the
// step began; the others are not scheduled, so the rate shrinks in proportion. Where
// few of many connections are open, the way to the next may be seconds of computing: it
// is gone a piece at a time, and no further ahead than it has to be.
func (s *sending) advance() {
	s.more, s.seeks = true, false
	for range walkATurn {
		n, offset, number := s.source.next()
		s.next = due{n, s.start + offset, number}
		at := s.next.at
		if at >= s.finish {
			s.more = false
			return
		}
		if s.asked && at >= s.window && s.plan.Open.Has(number) {
			s.expected++
		}
		if c := s.group.own(s.worker, number); c != nil && c.fresh {
			return
		}
	}
	s.seeks = true
}

// turn is when the next message is to be sent, or to be looked for.
func (s *sending) turn() int64 {
	if s.seeks {
		return s.next.at - walkAhead
	}
	return s.next.at
}

func (s *sending) arm() {
	w := s.worker
	switch {
	case s.more:
		w.loop.Arm(&s.timer, s.turn())
	case !s.sentAll:
		s.sentAll = true
		fallthrough
	default:
		// Answers are waited for, but not before the window is over: a connection
		// that ends in it must still count.
		w.loop.Arm(&s.timer, max(s.finish, evloop.Now()))
	}
}

// Expire sends what is due, or ends the window or the drain.
func (s *sending) Expire(now int64) {
	w := s.worker
	switch {
	case len(s.asking) > 0:
		s.askSome(now)
		return
	case len(s.idle) > 0 && now < s.finish:
		s.first(now)
		return
	case !s.more:
		s.drain(now)
		return
	}
	for range messagesATurn {
		if !s.more || s.turn() > now {
			break
		}
		if !s.seeks {
			s.send(now)
		}
		s.advance()
		now = evloop.Now()
		if s.seeks {
			break
		}
	}
	w.now = now
	s.arm()
}

// drain waits for answers until there is nothing to wait for or the time is up.
func (s *sending) drain(now int64) {
	// What a late generator sends after the window has as long for its answer as the rest.
	limit := max(s.finish, s.last) + int64(s.plan.Drain)
	if s.waiting() && now < limit {
		s.worker.loop.Arm(&s.timer, limit)
		s.drained = false
		s.step.draining = true
		return
	}
	s.finishDrain(now)
}

// waiting tells whether anything may still come.
func (s *sending) waiting() bool {
	return s.step.outstanding > 0 || s.running > 0 || s.gathered < s.expected*s.receivers
}

// tryDrained ends the drain when there is nothing more to wait for.
func (r *running) tryDrained() {
	if r.draining && !r.sending.waiting() {
		r.sending.finishDrain(evloop.Now())
	}
}

func (s *sending) finishDrain(now int64) {
	s.step.draining = false // before anything is written that may end a connection
	if s.asked {
		s.settle(now)
	}
	s.drained = true
	s.worker.loop.Disarm(&s.timer)
	s.step.giveUp(now)
	s.step.check()
}

// settle counts what came of orders, and ends those that go on.
func (s *sending) settle(now int64) {
	if s.plan.Pattern == "push" {
		s.settlePushes(now)
	} else {
		s.settleBroadcasts()
	}
	s.unaskAll()
}

// unaskAll ends what the connections have ordered.
func (s *sending) unaskAll() {
	for _, c := range s.group.conns {
		if c != nil && c.ask != nil && c.state == open && !c.ask.stopping {
			s.worker.unask(c)
		}
	}
}

func (s *sending) done() bool { return s.sentAll && s.drained }

// covers tells whether the end of c is a failure of this step.
func (s *sending) covers(c *conn) bool { return !s.drained && c.group == s.group }

// send makes the first attempt at the message that is due.
func (s *sending) send(now int64) {
	w, d := s.worker, s.next
	c := s.group.own(w, d.number)
	counted := d.at >= s.window
	if counted {
		s.step.rec.Counts.Scheduled++
	}
	size := s.sizes.Of(s.plan.Seed, d.n)
	switch {
	case c.state != open || c.life != nil && c.life.retiring || s.asked && (c.ask == nil || c.ask.stopping):
		s.skip("ended", counted)
		return
	case now >= s.late:
		s.skip("no_turn", counted)
		return
	case c.queue != nil && c.queue.pending() > 0 && c.queue.pending()+size > maxQueued:
		s.skip("queue_full", counted)
		return
	}
	if counted {
		s.step.rec.Record(SendLag, now-d.at)
	}
	s.attempt(c, d.at, now, size)
}

// attempt makes the first attempt to send a message.
func (s *sending) attempt(c *conn, intended, now int64, size int) {
	w := s.worker
	s.last = now
	m := w.slab.message()
	*m = message{intended: intended, attempt: now, wall: evloop.ToWall(intended), size: int32(size), seq: c.seq,
		counted: intended >= s.window}
	c.seq++
	if s.asked { // a broadcast: nobody answers, and all have to read the same clock
		m.alone, m.wall = true, 0
		if c.ask.shared {
			m.wall = intended &^ inWindow
		}
		if m.counted {
			m.wall |= inWindow
		}
	} else {
		c.append(m)
		s.step.outstanding++
	}
	if m.counted {
		s.step.rec.Counts.Sent++
		s.step.rec.Counts.BytesSent += int64(size)
		if now-intended <= s.slack {
			s.step.rec.Counts.OnTime++
		}
	}
	w.writeMessage(c, m, s.plan)
}

func (s *sending) skip(cause string, counted bool) {
	if counted {
		s.step.rec.NotSent(cause)
	}
}

// writeMessage frames one message and writes it, whole or in fragments.
func (w *worker) writeMessage(c *conn, m *message, p *SendPlan) {
	size := int(m.size)
	if size > streamChunk {
		c.writeStream(w.filler.newStream(m, c.number, p))
		return
	}
	if cap(w.payload) < size {
		w.payload = make([]byte, size)
	}
	payload := w.payload[:size]
	w.filler.fill(payload, identity{m.seq, c.number, m.wall}, p.Text)
	op := wire.Binary
	if p.Text {
		op = wire.Text
	}
	// RFC 6455 section 5.4: the first frame names the opcode, the others continue it.
	frames := min(max(p.Fragments, 1), max(size, 1))
	w.frame = w.frame[:0]
	for i := range frames {
		from, to := size*i/frames, size*(i+1)/frames
		w.frame = wire.AppendFrame(w.frame, op, i == frames-1, w.mask(), payload[from:to])
		op = wire.Continuation
	}
	c.write(w.frame, m)
}

// accepted records that the kernel has taken the last byte of m.
func (c *conn) accepted(m *message, now int64) {
	m.end = 0
	if m.counted {
		c.rec().Record(WriteBlocked, now-m.attempt)
	}
	if m.alone {
		c.worker.slab.putMessage(m)
	}
}

func (c *conn) append(m *message) {
	if c.last == nil {
		c.first = m
	} else {
		c.last.next = m
	}
	c.last = m
}
