package echo

import (
	enc "encoding/binary"
	"sync"

	"github.com/gobwas/ws"

	"wsgauge/echo/order"
	"wsgauge/internal/evloop"
)

const (
	// pumpTurn bounds what one connection is sent in a turn beside its echoes.
	pumpTurn = 256 << 10
	// pieceLimit bounds what is made of a message at a time.
	pieceLimit = 64 << 10
	// answerLimit bounds the answers that wait for a connection. A client that has
	// more orders out has not read what it was told.
	answerLimit = 64
)

// clock is read once: it cannot change while the process lives.
var clock = sync.OnceValue(order.Clock)

// client takes what a session's frames ask for besides echoes.
type client interface {
	order(payload []byte) bool // false: the connection has to be closed
	pong(payload []byte)
}

// task is what a client has ordered of its connection. It exists from the first
// order on, so that those who order nothing pay nothing.
type task struct {
	conn    *conn
	timer   evloop.Timer
	serial  uint32   // of the order that runs
	answers [][]byte // whole frames
	push    *push
	member  *member
	ping    *pinger
	unread  int  // bytes sent since the client was last listened to
	listen  bool // it is time to: between two messages
	ended   bool // the connection has
}

// midway tells whether a message has begun, so that no echo can be sent.
func (t *task) midway() bool {
	return t.push != nil && t.push.begun() || t.member != nil && t.member.begun()
}

// order does what a message asks for and queues the answer.
func (c *conn) order(payload []byte) bool {
	t := c.task
	if t == nil {
		t = &task{conn: c}
		t.timer.Owner = t
		c.task = t
	}
	a := &order.Answer{Answer: true, Clock: clock()}
	o, err := order.ReadOrder(payload)
	if o != nil {
		a.Serial = o.Serial
	}
	switch {
	case err != nil:
		a.Error = err.Error()
	case o.Stop:
		a.Skipped, a.Round = t.stop()
	case t.push != nil || t.member != nil || t.ping != nil:
		a.Error = "another order runs; stop it first"
	default:
		t.serial = o.Serial
		t.begin(o, a)
	}
	return t.answer(a)
}

func (t *task) begin(o *order.Order, a *order.Answer) {
	w, now := t.conn.worker, evloop.Now()
	switch {
	case o.Push != nil:
		p, err := w.newPush(o.Push, now)
		if err != nil {
			a.Error = err.Error()
			return
		}
		t.push = p
		w.loop.Arm(&t.timer, p.next())
	case o.Join != nil:
		t.member = w.join(o.Join.Group, t.conn)
		t.conn.session.sink = &gathering{conn: t.conn}
	case o.Ping != nil:
		t.ping = &pinger{every: o.Ping.Every, next: now + o.Ping.In}
		w.loop.Arm(&t.timer, t.ping.next)
	}
}

// stop ends what runs and tells what is left to tell of it.
func (t *task) stop() (skipped, round int64) {
	t.conn.worker.loop.Disarm(&t.timer)
	switch {
	case t.push != nil:
		skipped = t.push.skipped
		if !t.push.stop() { // a message that has begun is finished
			t.push = nil
		}
	case t.member != nil:
		t.conn.session.sink.end()
		t.conn.session.sink = nil
		t.member.leave()
		if !t.member.stop() {
			t.member = nil
		}
	case t.ping != nil:
		round = t.ping.round
		t.ping = nil
	}
	return skipped, round
}

// end is told that the connection has ended.
func (t *task) end() {
	t.ended = true
	t.conn.worker.loop.Disarm(&t.timer)
	if t.member != nil {
		t.member.leave()
	}
	if sink := t.conn.session.sink; sink != nil {
		sink.end()
	}
}

func (t *task) answer(a *order.Answer) bool {
	p, err := order.Append(nil, a)
	if err != nil {
		return false // an answer is always shorter than its bound
	}
	if len(t.answers) >= answerLimit {
		return false
	}
	t.answers = append(t.answers, compile(ws.OpBinary, p))
	return true
}

func compile(op ws.OpCode, payload []byte) []byte {
	return ws.MustCompileFrame(ws.NewFrame(op, true, payload))
}

// Expire does what is due and sends what can be sent.
func (t *task) Expire(now int64) {
	switch {
	case t.push != nil:
		t.push.collect(now)
		if at := t.push.next(); at > 0 {
			t.conn.worker.loop.Arm(&t.timer, at)
		}
	case t.ping != nil:
		if len(t.answers) < answerLimit/2 {
			t.answers = append(t.answers, t.ping.frame(now))
		}
		t.ping.next = max(t.ping.next+t.ping.every, now)
		t.conn.worker.loop.Arm(&t.timer, t.ping.next)
	}
	// Someone who is sent more than he can take must still be heard, above all when he
	// wants no more of it.
	if c := t.conn; t.listen && c.pending == nil && !c.parting {
		t.listen = false
		c.receive()
	}
	if !t.ended {
		t.conn.serve()
	}
}

// next appends what is to be sent next, up to about pieceLimit bytes, and nothing
// when there is nothing.
func (t *task) next(dst []byte) []byte {
	switch {
	case t.push != nil && t.push.begun():
		dst = t.push.piece(dst)
	case t.member != nil && t.member.begun():
		dst = t.member.piece(dst)
	case len(t.answers) > 0:
		for _, a := range t.answers {
			dst = append(dst, a...)
		}
		t.answers = t.answers[:0]
	case t.push != nil && t.push.waiting():
		dst = t.push.piece(dst)
	case t.push != nil && t.push.over:
		a := &order.Answer{Answer: true, Serial: t.serial, Clock: clock(), Ended: true, Skipped: t.push.skipped}
		if !t.push.stopped {
			t.answer(a)
		}
		t.push = nil
		if len(t.answers) > 0 {
			return t.next(dst)
		}
	case t.member != nil && len(t.member.queue) > 0:
		dst = t.member.piece(dst)
	case t.member != nil && t.member.stopped:
		t.member = nil
	}
	return dst
}

// serve sends what a task has when the connection is free for it.
func (c *conn) serve() {
	if c.pending == nil && !c.parting && !c.reading && c.after == goOn {
		c.pump()
	}
}

// pump sends what the client has ordered, as much as the socket takes and its turn
// allows, and then waits for what comes next.
func (c *conn) pump() {
	t, w := c.task, c.worker
	for sent := 0; t != nil && c.session.between(); {
		if sent >= pumpTurn && t.midway() {
			w.loop.Arm(&t.timer, evloop.Now())
			c.want(0) // nothing is read that an echo would be due to
			return
		}
		if t.unread >= pumpTurn && !t.midway() {
			t.unread, t.listen = 0, true
			w.loop.Arm(&t.timer, evloop.Now())
			break
		}
		w.out = t.next(w.out[:0])
		if len(w.out) == 0 {
			break
		}
		n, err := c.write(w.out)
		if err != nil && err != evloop.ErrAgain {
			c.end()
			return
		}
		if n < len(w.out) {
			t.unread += n
			c.pending = append(w.pool.get(len(w.out)-n), w.out[n:]...)
			c.sent = 0
			c.want(evloop.Writable)
			return
		}
		sent += n
		t.unread += n
	}
	c.want(evloop.Readable)
}

// pinger sends pings that tell the round trip of the ping before.
type pinger struct {
	every, next int64
	number      uint32
	sent        int64
	round       int64 // of the last ping that was answered and not told; 0: none
}

func (p *pinger) frame(now int64) []byte {
	payload := make([]byte, 0, order.PingBytes)
	payload = append(payload, order.PingTag...)
	p.number++
	payload = enc.LittleEndian.AppendUint32(payload, p.number)
	payload = enc.LittleEndian.AppendUint64(payload, uint64(now))
	payload = enc.LittleEndian.AppendUint64(payload, uint64(p.round))
	p.sent, p.round = now, 0
	return compile(ws.OpPing, payload)
}

// pong takes the answer to a ping of ours.
func (c *conn) pong(payload []byte) {
	if c.task == nil || c.task.ping == nil || len(payload) != order.PingBytes || string(payload[:4]) != order.PingTag {
		return
	}
	p := c.task.ping
	if enc.LittleEndian.Uint32(payload[4:]) == p.number && p.sent != 0 {
		p.round, p.sent = max(evloop.Now()-p.sent, 1), 0
	}
}
