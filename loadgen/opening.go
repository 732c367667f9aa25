package loadgen

import (
	"errors"
	"net/textproto"
	"strconv"
	"strings"

	"wsgauge/internal/evloop"
	"wsgauge/loadgen/schedule"
	"wsgauge/loadgen/wire"
)

// opening is what a connection needs until it is open, and drops then.
type opening struct {
	plan      *ConnectPlan
	step      *connecting // nil: it comes back by itself
	key       wire.Key
	head      wire.Head
	intended  int64
	connected int64 // the TCP connection stood
	requested int64 // first attempt to send the request
	decided   bool  // its failure was counted; the socket was kept
	slow      *slowly
}

// connecting is a connect step on one worker.
type connecting struct {
	worker  *worker
	step    *running
	plan    *ConnectPlan
	group   *group
	start   int64
	next    int // index of the next own attempt, in steps of stride
	pending int // begun and not decided
	timer   evloop.Timer
	faulty  bool // an attempt has failed
}

// dialsATurn bounds the dials that one turn of the loop makes, so that a late
// step does not keep the loop from its sockets.
const dialsATurn = 16

func (r *running) startConnect(p *ConnectPlan, g *group, start int64) {
	w := r.worker
	s := &connecting{worker: w, step: r, plan: p, group: g, start: start, next: w.firstOwn(p.First) - int(p.First)}
	s.timer.Owner = s
	r.connecting = s
	s.arm()
}

func (s *connecting) due() int64 { return s.start + schedule.At(uint64(s.next), s.plan.Rate) }

func (s *connecting) arm() {
	if s.next < s.plan.Count {
		s.worker.loop.Arm(&s.timer, s.due())
		return
	}
	s.step.check()
}

// Expire makes the attempts that are due.
func (s *connecting) Expire(now int64) {
	for range dialsATurn {
		if s.next >= s.plan.Count || s.due() > now {
			break
		}
		s.dial(s.plan.First+uint32(s.next), s.due())
		s.next += s.worker.stride()
		now = evloop.Now()
	}
	s.arm()
}

// halt begins no more attempts; those in flight are still decided.
func (s *connecting) halt() {
	s.next = s.plan.Count
	s.worker.loop.Disarm(&s.timer)
	s.step.check()
}

func (s *connecting) done() bool { return s.next >= s.plan.Count && s.pending == 0 }

// failed is told of every failure in the step. A client that connects until there is one
// begins nothing more.
func (s *connecting) failed() {
	if s.plan.UntilFailure && !s.faulty {
		s.faulty = true
		s.step.tell.failed()
		s.halt()
	}
}

func (s *connecting) dial(number uint32, intended int64) {
	w := s.worker
	c := w.slab.conn()
	c.worker, c.group, c.number, c.fd = w, s.group, number, -1
	c.timer.Owner = c
	c.opening = w.slab.opening()
	*c.opening = opening{plan: s.plan, step: s, intended: intended}
	if s.plan.Lifetime > 0 || s.plan.Reconnect != nil || s.plan.Behave != "" {
		c.life = &life{plan: s.plan}
	}
	s.group.put(w, number, c)
	s.pending++
	c.dial()
}

// dial makes one attempt to open the connection.
func (c *conn) dial() {
	w, intended, number := c.worker, c.opening.intended, c.number
	c.rec().Counts.Attempted++
	now := evloop.Now()
	c.rec().Record(DialLag, now-intended)
	fd, err := evloop.Dial(w.remote(number), w.local(number))
	if err != nil {
		c.failOpening(dialClass(err))
		return
	}
	c.fd, c.state = int32(fd), dialing
	if err := w.loop.Add(fd, evloop.Writable, c); err != nil {
		w.broken(err)
		c.failOpening("dial_failed")
		return
	}
	w.loop.Arm(&c.timer, now+int64(c.opening.plan.Timeout))
}

func dialClass(err error) string {
	switch {
	case evloop.NoDescriptor(err):
		return "dial_no_fd"
	case errors.Is(err, evloop.ErrNoPort):
		return "dial_no_port"
	case errors.Is(err, evloop.ErrTimeout):
		return "dial_timeout"
	case errors.Is(err, evloop.ErrRefused), errors.Is(err, evloop.ErrReset):
		return "dial_refused"
	}
	return "dial_failed" // no route, no such address
}

// dialed takes the outcome of the TCP connect and sends the request.
func (c *conn) dialed() {
	w, o := c.worker, c.opening
	if err := evloop.SocketError(int(c.fd)); err != nil {
		c.failOpening(dialClass(err))
		return
	}
	now := evloop.Now()
	c.rec().Record(Dial, now-o.intended)
	// A kernel without stamps leaves the figure absent.
	c.stamped = w.stamps(c.number) && evloop.StampReceives(int(c.fd)) == nil
	o.connected = now
	if w.assignment.TLS != nil {
		c.startTLS()
		return
	}
	c.askUpgrade(now)
}

// askUpgrade sends the request.
func (c *conn) askUpgrade(now int64) {
	w, o := c.worker, c.opening
	o.key = wire.NewKey(w.nonce())
	o.requested = now
	c.state = upgrading
	request := c.request()
	w.frame = wire.AppendRequest(w.frame[:0], &request, o.key)
	switch c.behaves() {
	case slowHead:
		c.sendSlowly(w.frame)
	case earlyBytes:
		w.frame = w.early(w.frame)
		c.write(w.frame, nil)
	default:
		c.write(w.frame, nil)
	}
	if c.state == upgrading {
		c.want()
	}
}

func (c *conn) request() wire.Request {
	p, a := c.opening.plan, &c.worker.assignment
	number := strconv.FormatUint(uint64(c.number), 10)
	path := p.Path
	if path == "" {
		path = a.Path
	}
	return wire.Request{Host: a.Host, Path: strings.ReplaceAll(path, "{conn}", number), Subprotocol: p.Subprotocol,
		Headers: headers(a.Headers, p.Headers, number)}
}

// headers are the fields of every request and those of a step, whose values may hold
// {conn}. Names are equal whatever their case (RFC 7230 section 3.2), and the step's win.
func headers(every, step map[string]string, number string) map[string]string {
	if len(step) == 0 {
		return every // nobody writes to it
	}
	out := make(map[string]string, len(every)+len(step))
	for name, value := range every {
		out[textproto.CanonicalMIMEHeaderKey(name)] = value
	}
	for name, value := range step {
		if len(every) > 0 {
			delete(out, textproto.CanonicalMIMEHeaderKey(name))
		}
		out[name] = strings.ReplaceAll(value, "{conn}", number)
	}
	return out
}

// upgradeBytes takes bytes of the answer to the upgrade request; a first frame
// may come along with it.
func (c *conn) upgradeBytes(p []byte) {
	w, o := c.worker, c.opening
	rest, done, err := o.head.Feed(p)
	if err != nil {
		c.failOpening("protocol_error")
		return
	}
	if !done {
		return
	}
	if err := o.head.Check(o.key, o.plan.Subprotocol); err != nil {
		class := "protocol_error"
		var refused *wire.HandshakeError
		if errors.As(err, &refused) {
			class = refused.Class
		}
		c.failOpening(class)
		return
	}
	c.rec().Record(Upgrade, w.now-o.requested)
	c.rec().Counts.Opened++
	w.openedOne()
	w.loop.Disarm(&c.timer)
	if !o.decided {
		c.decided()
	}
	o.stopSlowly(w)
	c.state, c.lastByte, c.opening = open, w.now, nil
	w.slab.putOpening(o)
	c.begun()
	if c.life != nil && c.state == open {
		c.offend()
	}
	if len(rest) > 0 {
		c.feed(rest)
	}
	c.group.step.check()
}

// failOpening counts an attempt that did not become a tunnel, once, and closes
// its socket unless the plan keeps those that timed out.
func (c *conn) failOpening(class string) {
	o := c.opening
	if !o.decided {
		c.rec().Fail(class)
		o.decided = true
		if s := c.group.step.connecting; s != nil {
			s.failed()
		}
		c.decided()
		if o.step != nil && o.plan.OnTimeout == "keep" && (class == "upgrade_stall" || class == "tls_stall" || class == "dial_timeout") {
			c.group.step.check()
			return
		}
	}
	if c.fd >= 0 {
		c.shut("") // whether it comes back is decided below
	}
	o.stopSlowly(c.worker)
	c.state, c.opening = ended, nil
	if o.step == nil {
		c.failedAgain()
	}
	c.group.step.check()
}
