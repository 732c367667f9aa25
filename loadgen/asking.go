package loadgen

import (
	"encoding/binary"
	"errors"
	"strings"

	"wsgauge/echo/order"
	"wsgauge/internal/evloop"
	"wsgauge/loadgen/wire"
)

// asked is what a connection has ordered of the echo backend.
type asked struct {
	serial   uint32
	acked    bool
	shared   bool // the backend reads the same clock as we do
	stopping bool // what still comes of it is not wanted
	stream   *pushed
	got      int64 // broadcasts of the window
}

// ask orders something of the backend, which answers.
func (w *worker) ask(c *conn, o order.Order) *asked {
	w.orders++
	o.Serial = w.orders
	a := &asked{serial: o.Serial}
	c.ask = a
	w.order(c, &o)
	return a
}

// unask ends what a connection has ordered. The answer to this ends its asking.
func (w *worker) unask(c *conn) {
	w.orders++
	c.ask.serial, c.ask.stopping = w.orders, true
	w.order(c, &order.Order{Serial: w.orders, Stop: true})
}

func (w *worker) order(c *conn, o *order.Order) {
	err := o.Check()
	if err == nil {
		w.payload, err = order.Append(w.payload[:0], o)
	}
	if err != nil { // no backend would take it from anyone
		w.broken(err)
		return
	}
	w.frame = wire.AppendFrame(w.frame[:0], wire.Binary, true, w.mask(), w.payload)
	c.write(w.frame, nil)
}

// told takes the backend's answer to an order. One that makes no sense, or refuses what
// nobody refuses, was damaged on the way, or the order was.
func (c *conn) told(payload []byte) {
	w := c.worker
	answer, err := order.ReadAnswer(payload)
	if err != nil || !answer.Answer || answer.Skipped < 0 {
		if c.cameBack(payload) {
			w.broken(errors.New("the backend sends back what it was ordered to do; push, broadcast and pings of the backend need wsgauge's own"))
			return
		}
		c.damaged()
		return
	}
	w.obeyed = true
	switch {
	case c.ask == nil:
		return
	case answer.Error != "" && (answer.Serial == c.ask.serial || answer.Serial == unread):
		c.damaged()
		return
	case answer.Serial != c.ask.serial:
		return // of an order that is over
	case c.ask.stopping:
		if answer.Round > 0 {
			c.rec().Record(Ping, answer.Round)
		}
		c.ask = nil
		if h := c.group.step.holding; h != nil {
			h.stopped()
		}
		return
	}
	if !c.ask.acked {
		c.ask.acked = true
		c.ask.shared = answer.Clock != "" && answer.Clock == w.clock
		if j := c.group.step.joining; j != nil {
			j.joined()
		}
	}
	if answer.Ended && c.ask.stream != nil {
		c.ask.stream.skipped = answer.Skipped
		c.ask.stream.end()
		c.ask = nil
		c.group.step.tryDrained()
	}
}

// unread is the serial of the answer to an order that the backend could not read.
const unread = 0

// cameBack tells whether a payload is the order itself, from a backend that has never
// obeyed one: it knows none, and so it will be for every connection.
func (c *conn) cameBack(payload []byte) bool {
	if c.worker.obeyed || c.ask == nil {
		return false
	}
	o, err := order.ReadOrder(payload)
	return err == nil && o.Serial == c.ask.serial
}

// damaged counts a damaged answer. When it was to say whether the backend obeys, it is
// not known what that does now: the order is taken back, and is over for this connection.
func (c *conn) damaged() {
	w, a := c.worker, c.ask
	c.rec().Fail("corrupt")
	c.rec().Counts.Corrupt++
	if a == nil || a.acked || a.stopping {
		return
	}
	c.unasked()
	c.ask = a
	w.unask(c)
	c.group.step.tryDrained()
}

// unasked is told that the connection has left the open ones.
func (c *conn) unasked() {
	a := c.ask
	if a == nil {
		return
	}
	c.ask = nil
	if j := c.group.step.joining; j != nil && !a.acked && !a.stopping {
		j.joined()
	}
	if s := c.group.step.sending; s != nil && !a.stopping {
		if a.stream != nil {
			a.stream.gone = evloop.Now()
			a.stream.end()
		} else {
			s.receivers--
			s.gathered -= a.got
		}
	}
}

// unanswerable takes a message that has no question: pushed, or a broadcast. It
// reports false for one that is an answer.
func (c *conn) unanswerable(a *assembly) bool {
	switch {
	case c.ask == nil:
		return false
	case c.ask.stopping:
		return !c.isAnswer(a)
	case c.ask.stream != nil:
		c.ask.stream.take(c, a)
	default:
		c.delivered(a)
	}
	return true
}

// listens tells whether messages of the window come to c without its asking for each.
func (c *conn) listens(now int64) bool {
	s := c.group.step.sending
	return c.ask != nil && s != nil && s.asked && s.group == c.group && now >= s.window && now < s.finish
}

// isAnswer tells whether a message is the answer to one that is outstanding.
func (c *conn) isAnswer(a *assembly) bool {
	id, _ := a.identity()
	for m := c.first; m != nil; m = m.next {
		if id == (identity{m.seq, c.number, m.wall}) {
			return true
		}
	}
	return false
}

// pinged takes the round trip that a ping of the backend tells.
func (c *conn) pinged(payload []byte) {
	if c.ask == nil || len(payload) != order.PingBytes || !strings.HasPrefix(string(payload[:4]), order.PingTag) {
		return
	}
	if round := int64(binary.LittleEndian.Uint64(payload[16:])); round > 0 {
		c.rec().Record(Ping, round)
	}
}
