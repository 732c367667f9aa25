package loadgen

import (
	"encoding/binary"
	"errors"
	"fmt"
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
	var err error
	if w.payload, err = order.Append(w.payload[:0], o); err != nil {
		w.broken(err)
		return
	}
	w.frame = wire.AppendFrame(w.frame[:0], wire.Binary, true, w.mask(), w.payload)
	c.write(w.frame, nil)
}

// told takes the backend's answer to an order.
func (c *conn) told(payload []byte) {
	w := c.worker
	answer, err := order.ReadAnswer(payload)
	switch {
	case err != nil:
		w.broken(err)
		return
	case !answer.Answer:
		w.broken(errors.New("the backend sends back what it was ordered to do; push, broadcast and pings of the backend need wsgauge's own"))
		return
	case c.ask == nil || answer.Serial != c.ask.serial:
		return // of an order that is over
	case answer.Error != "":
		w.broken(fmt.Errorf("the backend refuses an order: %s", answer.Error))
		return
	case c.ask.stopping:
		if answer.Round > 0 {
			w.rec.Record(Ping, answer.Round)
		}
		c.ask = nil
		if w.holding != nil {
			w.holding.stopped()
		}
		return
	}
	if !c.ask.acked {
		c.ask.acked = true
		c.ask.shared = answer.Clock != "" && answer.Clock == w.clock
		if w.joining != nil {
			w.joining.joined()
		}
	}
	if answer.Ended && c.ask.stream != nil {
		c.ask.stream.skipped = answer.Skipped
		c.ask.stream.end()
		c.ask = nil
		w.tryDrained()
	}
}

// unasked is told that the connection has left the open ones.
func (c *conn) unasked() {
	a := c.ask
	if a == nil {
		return
	}
	c.ask = nil
	if j := c.worker.joining; j != nil && !a.acked && !a.stopping {
		j.joined()
	}
	if s := c.worker.sending; s != nil && !a.stopping {
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
	s := c.worker.sending
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
		c.worker.rec.Record(Ping, round)
	}
}
