package loadgen

import (
	"errors"

	"wsgauge/echo/order"
	"wsgauge/internal/evloop"
	"wsgauge/internal/tlsconn"
	"wsgauge/loadgen/wire"
)

type connState uint8

const (
	dialing  connState = iota
	securing           // the TLS handshake is under way
	upgrading
	open
	closingClean // our close frame is out; the peer's, then its FIN, are awaited
	closingFIN   // our FIN is out; the peer's is awaited
	answering    // the peer's close frame is answered; its FIN is awaited
	ended
)

// maxMessage bounds what a peer may send as one message; more is a protocol error.
const maxMessage = 17 << 20

// maxQueued bounds the bytes that wait on a connection whose socket takes no
// more; a message beyond it is not sent, and counted so. One message always fits.
const maxQueued = 16 << 20

// stampEvery is the share of a worker's connections whose receive lag is measured, one
// in so many. A stamp costs little (BenchmarkReadStamped in internal/evloop against
// BenchmarkRead: not to be told apart), but the others are as a plain client's.
const stampEvery = 4

// conn is one client connection: a few hundred bytes, and nothing besides while
// it is idle.
type conn struct {
	worker *worker
	group  *group
	timer  evloop.Timer // opening: its timeout; closing: the longest wait
	frames wire.Frames
	tls    *tlsconn.Conn // nil: plain

	opening   *opening  // until it is open
	queue     *queue    // bytes that the socket has not taken
	gathering *assembly // a message that has arrived in part

	first, last *message // sent and not answered, oldest first

	ask  *asked // what it has ordered of the backend; nil: nothing
	life *life  // of one that does not stay as it is; else nil

	number   uint32
	seq      uint32 // of the next message
	fd       int32
	state    connState
	stamped  bool  // the kernel notes when its bytes arrive
	byStep   bool  // a close step began to close it
	fresh    bool  // was open when the current send step began
	lastByte int64 // when a byte last went either way
	pingAt   int64 // intended time of its latest ping that has no answer; 0: none
}

// message is one that was sent and has no answer yet.
type message struct {
	next     *message
	intended int64 // clock of evloop.Now
	attempt  int64 // first attempt to write it
	end      int64 // position in the queue's stream; 0 once the kernel has all of it
	wall     int64 // intended, as the payload says it
	size     int32
	seq      uint32
	counted  bool // lies in the window
	alone    bool // has no answer: nobody needs it once the kernel has it
	pong     bool // is no message, but the answer to a ping
	given    bool // its step is over: an answer no longer counts
}

// rec is where what happens to the connection is booked.
func (c *conn) rec() *Recorder { return &c.group.step.rec }

// Ready serves the socket.
func (c *conn) Ready(ready evloop.Events) {
	if c.state == dialing {
		c.dialed()
		return
	}
	if c.state == securing {
		c.secure()
		return
	}
	if c.life != nil && c.deaf() {
		c.deafReady(ready)
		return
	}
	if ready.Has(evloop.Writable) && !c.flush() {
		return
	}
	if ready.Has(evloop.Readable | evloop.Broken | evloop.HungUp) {
		c.read()
	}
}

func (c *conn) read() {
	c.readOnce()
	c.checkTLSEnd()
}

func (c *conn) readOnce() {
	buf := c.worker.loop.Scratch()
	n, age, err := c.receive(buf)
	switch {
	case err == evloop.ErrAgain:
		return
	case err != nil:
		if broken := (*tlsconn.Error)(nil); errors.As(err, &broken) {
			c.tlsEnded(broken)
		} else {
			c.peerEnded("closed_reset")
		}
		return
	case n == 0:
		c.peerEnded(c.endClass())
		return
	}
	now := c.worker.loop.Now()
	c.worker.now = now
	if age >= 0 && (c.first != nil && c.first.counted || c.listens(now)) {
		c.rec().Record(ReceiveLag, age)
	}
	if c.state == upgrading {
		c.upgradeBytes(buf[:n])
		return
	}
	c.lastByte = now
	c.feed(buf[:n])
}

// receive reads what has arrived and tells how long the kernel had it; negative: not
// known.
func (c *conn) receive(p []byte) (n int, age int64, err error) {
	if c.tls != nil {
		w := c.worker
		w.stamping, w.age = c.stamped, -1
		n, err = c.tls.Read(int(c.fd), p)
		return n, w.age, err
	}
	if c.stamped {
		return evloop.ReadStamped(int(c.fd), p)
	}
	n, err = evloop.Read(int(c.fd), p)
	return n, -1, err
}

func (c *conn) feed(p []byte) {
	err := c.frames.Feed(p, maxMessage, c)
	if err == nil {
		return
	}
	var broken *wire.ProtocolError
	if !errors.As(err, &broken) || c.state == ended {
		return
	}
	// RFC 6455 section 7.1.7: an endpoint that finds a violation fails the
	// connection, and may say why before it does.
	w := c.worker
	if c.state == open {
		if c.behaves() == "" {
			c.rec().Fail("protocol_error")
		}
		c.lost()
	}
	w.frame = wire.AppendClose(w.frame[:0], broken.Code, "", w.mask())
	c.write(w.frame, nil)
	if c.state != ended {
		c.end("closed_by_us")
	}
}

// Data takes a piece of a message that the peer sends.
func (c *conn) Data(op wire.Opcode, piece []byte, first, last bool) bool {
	w := c.worker
	if c.state != open {
		return c.state != ended // the peer may finish what it was sending
	}
	a := c.gathering
	if first {
		if a = &w.whole; !last {
			a = &assembly{}
			c.gathering = a
		}
		a.reset(op == wire.Text)
		a.keep = c.ask != nil && op == wire.Binary && len(piece) > 0 && piece[0] == order.Magic[0]
	}
	a.add(piece)
	if last {
		c.gathering = nil
		switch {
		case a.keep && order.Is(a.kept):
			c.told(a.kept)
		case c.ask == nil || !c.unanswerable(a):
			c.answered(a)
		}
	}
	return c.state != ended
}

// Control takes a close, ping or pong.
func (c *conn) Control(op wire.Opcode, payload []byte) bool {
	switch op {
	case wire.Ping:
		if c.state == open {
			c.answerPing(payload)
			c.pinged(payload)
		}
	case wire.Pong:
		c.pong(payload)
	case wire.Close:
		c.closeFrame(payload)
	}
	return c.state != ended
}

// closeFrame begins, or goes on with, the closing handshake (RFC 6455 section 7.1.2).
// The server closes the socket first (section 7.1.1); we wait for that, for a while.
func (c *conn) closeFrame(payload []byte) {
	w := c.worker
	if c.state != open {
		return // the answer to ours: FIN follows
	}
	code, _ := wire.ParseClose(payload)
	answer := code
	if code == 1005 {
		answer = 1000
	}
	w.frame = wire.AppendClose(w.frame[:0], answer, "", w.mask())
	c.write(w.frame, nil)
	if c.state != open {
		return
	}
	c.countPeerEnd("closed_by_peer_" + itoa(int(code)))
	c.leave(answering)
	c.arm(closeWait)
}

// write sends p at once if it can, and queues the rest. m is the message that
// ends with p; nil for a control frame or all but the last piece.
func (c *conn) write(p []byte, m *message) {
	if c.queue != nil {
		c.enqueue(p, m)
		return
	}
	n, err := c.put(p)
	if err != nil && err != evloop.ErrAgain {
		c.peerEnded("closed_reset")
		return
	}
	c.lastByte = c.worker.loop.Now()
	if n == len(p) {
		if m != nil {
			c.accepted(m, c.lastByte)
		}
		return
	}
	c.queue = &queue{}
	c.enqueue(p[n:], m)
	c.want()
}

func (c *conn) sendFIN() {
	end := evloop.EndWrites
	if c.tls != nil {
		end = c.tls.EndWrites
	}
	if err := end(int(c.fd)); err != nil {
		c.end("") // the peer was faster; its end is not ours to class
	}
}

// want asks the loop for what the connection waits for now.
func (c *conn) want() {
	want := evloop.Readable
	if c.deaf() {
		want = 0
	}
	if c.state == dialing || c.queue != nil || c.tls != nil && c.tls.Blocked() {
		want |= evloop.Writable
	}
	if err := c.worker.loop.Want(int(c.fd), want); err != nil {
		c.worker.broken(err)
	}
}

// peerEnded is the end of the stream, or of the socket, by the other side.
func (c *conn) peerEnded(class string) {
	switch c.state {
	case upgrading:
		c.failOpening("upgrade_closed")
	case open:
		c.countPeerEnd(class)
		c.end("")
	case closingClean, closingFIN, answering:
		c.end("") // counted when the closing began
	}
}

// countPeerEnd counts the end of an open tunnel by the other side.
func (c *conn) countPeerEnd(class string) {
	c.rec().Closure(class)
	c.rec().Record(IdleBeforeClose, evloop.Now()-c.lastByte)
	c.lost()
	if s := c.group.step.sending; s != nil && s.covers(c) {
		c.rec().Fail("ended_in_send")
	}
}

// leave takes the connection out of the open ones; what it had outstanding will
// have no answer.
func (c *conn) leave(to connState) {
	if c.state == open {
		c.worker.opened--
		c.unasked()
		c.lose()
		c.pingDone()
		c.gathering = nil
	}
	c.state = to
}

// end closes the socket. class counts the closure when the tunnel was open.
func (c *conn) end(class string) {
	if c.state != ended {
		c.shut(class)
		c.group.step.check()
	}
}

// shut is end, of which the step is not told yet.
func (c *conn) shut(class string) {
	w := c.worker
	if c.state == open && class != "" {
		c.rec().Closure(class)
	}
	wasOpen := c.state >= open
	c.letGo()
	c.leave(ended)
	w.loop.Disarm(&c.timer)
	w.loop.Close(int(c.fd))
	c.fd = -1
	c.opening.stopSlowly(w)
	c.queue, c.opening = nil, nil
	if c.byStep {
		c.byStep = false
		c.group.step.closed()
	}
	if wasOpen {
		c.comeBack()
	}
}

func (c *conn) arm(after int64) { c.worker.loop.Arm(&c.timer, evloop.Now()+after) }

// Expire ends what took too long.
func (c *conn) Expire(int64) {
	switch c.state {
	case dialing:
		c.failOpening("dial_timeout")
	case securing:
		c.failOpening("tls_stall")
	case upgrading:
		c.failOpening("upgrade_stall")
	case open:
		c.retire()
	case ended:
		c.worker.redials.add(c)
	default:
		c.end("") // the peer did not finish the closing; counted when it began
	}
}
