package loadgen

import (
	"math"
	"time"

	"wsgauge/internal/evloop"
	"wsgauge/loadgen/schedule"
	"wsgauge/loadgen/wire"
)

// life is what makes a connection begin anew: a lifetime after which we close it,
// or a client that comes back when the other side has ended its tunnel. A client that
// offends against the protocol has one too.
type life struct {
	plan     *ConnectPlan
	tries    int    // attempts that have failed since it was open
	draws    uint32 // delays drawn
	end      ending
	retiring bool // its time is over; the last answers are awaited
	waiting  bool // the timer runs until the next attempt
	hears    bool // one that never reads does so again, since it is to be closed
}

// ending is why a connection that was open is so no more.
type ending uint8

const (
	endedForGood ending = iota
	endedByPeer
	endedByAge
)

// retireWait bounds the wait for the last answers of a connection whose time is over.
const retireWait = int64(5e9)

// delay is how long after its end a connection dials again, after so many attempts
// that have failed. at is uniform in [0, 1).
func (r *ReconnectPlan) delay(tries int, at float64) time.Duration {
	ns := float64(r.After) * math.Pow(max(r.Factor, 1), float64(tries))
	ns = min(ns, float64(r.Max)) * (1 + r.Jitter*(2*at-1))
	return time.Duration(max(ns, 0)) // Max is a duration, so it fits twice over in a float
}

// begun is told when the connection opens.
func (c *conn) begun() {
	if l := c.life; l != nil {
		l.tries, l.retiring, l.end = 0, false, endedForGood
		if l.plan.Lifetime > 0 {
			c.arm(int64(l.plan.Lifetime))
		}
	}
	if c.byStep { // it was to be closed while it came back
		c.group.step.closing.late(c)
		return
	}
	switch s := c.group.step; {
	case s.sending != nil:
		s.sending.opened(c)
	case s.holding != nil:
		s.holding.opened(c)
	}
}

// retire closes a connection whose time is over, as a client does that has got its
// answers.
func (c *conn) retire() {
	l := c.life
	if l == nil {
		return
	}
	if c.owed() && !l.retiring {
		l.retiring = true
		c.arm(retireWait)
		return
	}
	l.end = endedByAge
	if c.closeClean() {
		c.arm(closeWait)
	}
}

// owed tells whether an answer is awaited.
func (c *conn) owed() bool {
	for m := c.first; m != nil; m = m.next {
		if !m.given {
			return true
		}
	}
	return false
}

// lost is told when the other side ends the open connection, or breaks it.
func (c *conn) lost() {
	if c.life != nil {
		c.life.end = endedByPeer
	}
}

// settle makes the next end of the connection its last.
func (c *conn) settle() {
	l := c.life
	if l == nil {
		return
	}
	deaf := c.deaf()
	c.life = nil
	if l.plan.Behave != "" { // what it has called for is still its own doing
		c.life = &life{plan: &ConnectPlan{Behave: l.plan.Behave}, hears: true}
	}
	if c.state == ended || c.state == open {
		c.worker.loop.Disarm(&c.timer)
	}
	if deaf {
		c.want() // the peer's answer to the closing
	}
}

// inFlight tells whether an attempt to come back is being made.
func (c *conn) inFlight() bool {
	return c.state < open && c.opening.step == nil
}

// returning tells whether the connection is open again without our doing.
func (c *conn) returning() bool {
	return c.life != nil && (c.life.waiting || c.state != ended && c.life.end != endedForGood)
}

// comeBack plans the next attempt of a connection that has ended.
func (c *conn) comeBack() {
	l, w := c.life, c.worker
	if l == nil {
		return
	}
	due := evloop.Now()
	switch {
	case l.end == endedByPeer && l.plan.Reconnect != nil:
		l.draws++
		random := schedule.Uint64(l.plan.Seed, uint64(c.number)<<32|uint64(l.draws))
		due += int64(l.plan.Reconnect.delay(l.tries, float64(random>>11)/(1<<53)))
	case l.end == endedByAge:
	default:
		return
	}
	l.waiting = true
	w.loop.Arm(&c.timer, due)
}

// failedAgain is told when an attempt to come back has failed. Without reconnect it
// was the only one.
func (c *conn) failedAgain() {
	if l := c.life; l != nil {
		l.tries++
		l.end = endedByPeer
		c.comeBack()
	}
}

// redials are connections whose next attempt is due. They wait for their turn, so
// that thousands that come back at once do not keep the loop from its sockets; how
// long they wait is in their dial lag.
type redials struct {
	worker *worker
	due    []*conn
	timer  evloop.Timer
}

func (r *redials) add(c *conn) {
	r.due = append(r.due, c)
	if !r.timer.Armed() {
		r.worker.loop.Arm(&r.timer, c.timer.At())
	}
}

// Expire makes some of the attempts that are due.
func (r *redials) Expire(now int64) {
	n := min(dialsATurn, len(r.due))
	turn := r.due[:n]
	r.due = r.due[n:]
	for _, c := range turn {
		if c.life != nil && c.life.waiting {
			c.redial()
		}
	}
	if len(r.due) == 0 {
		r.due = nil
		return
	}
	r.worker.loop.Arm(&r.timer, now)
}

// redial makes the next attempt under the same number.
func (c *conn) redial() {
	c.life.waiting = false
	c.frames, c.gathering, c.queue = wire.Frames{}, nil, nil
	c.opening = c.worker.slab.opening()
	*c.opening = opening{plan: c.life.plan, intended: c.timer.At()}
	c.dial()
}
