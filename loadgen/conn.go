package loadgen

import (
	"errors"

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

// stampEvery is the share of connections whose receive lag is measured, one in so
// many. A stamp costs little (BenchmarkReadStamped in internal/evloop against
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

	number   uint32
	seq      uint32 // of the next message
	fd       int32
	state    connState
	wantOut  bool
	stamped  bool  // the kernel notes when its bytes arrive
	fresh    bool  // has not ended since the current send step began
	lastByte int64 // when a byte last went either way
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
	given    bool // its step is over: an answer no longer counts
}

// queue is what waits for the socket.
type queue struct {
	bytes   []byte
	done    int   // of bytes
	base    int64 // stream position of bytes[0]
	waiting []*message
}

func (q *queue) pending() int { return len(q.bytes) - q.done }

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
	now := evloop.Now()
	c.worker.now = now
	if age >= 0 && c.first != nil && c.first.counted {
		c.worker.rec.Record(ReceiveLag, age)
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
	var broken *wire.ProtocolError
	if !errors.As(err, &broken) || c.state == ended {
		return
	}
	// RFC 6455 section 7.1.7: an endpoint that finds a violation fails the
	// connection, and may say why before it does.
	w := c.worker
	if c.state == open {
		w.fail("protocol_error", c, broken.Error())
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
	}
	a.add(piece)
	if last {
		c.gathering = nil
		c.answered(a)
	}
	return c.state != ended
}

// Control takes a close, ping or pong.
func (c *conn) Control(op wire.Opcode, payload []byte) bool {
	w := c.worker
	switch op {
	case wire.Ping:
		if c.state == open {
			w.frame = wire.AppendFrame(w.frame[:0], wire.Pong, true, w.mask(), payload)
			c.write(w.frame, nil)
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
	c.lastByte = evloop.Now()
	if n == len(p) {
		if m != nil {
			c.worker.accepted(m, c.lastByte)
		}
		return
	}
	c.queue = &queue{}
	c.enqueue(p[n:], m)
	c.want()
}

func (c *conn) enqueue(p []byte, m *message) {
	q := c.queue
	q.bytes = append(q.bytes, p...)
	if m != nil {
		m.end = q.base + int64(len(q.bytes))
		q.waiting = append(q.waiting, m)
	}
}

// flush writes what is queued; false when the connection has ended.
func (c *conn) flush() bool {
	q := c.queue
	if q == nil {
		c.want()
		return true
	}
	n, err := c.put(q.bytes[q.done:])
	if err == evloop.ErrAgain {
		return true
	}
	if err != nil {
		c.peerEnded("closed_reset")
		return false
	}
	now := evloop.Now()
	c.lastByte = now
	q.done += n
	for len(q.waiting) > 0 && q.waiting[0].end <= q.base+int64(q.done) {
		c.worker.accepted(q.waiting[0], now)
		q.waiting = q.waiting[1:]
	}
	if q.pending() == 0 {
		c.queue = nil
		if c.state == closingFIN {
			c.sendFIN()
		}
		c.want()
		return true
	}
	if q.done > len(q.bytes)/2 { // keep the copy cheap and the memory bounded
		q.base += int64(q.done)
		q.bytes = append(q.bytes[:0], q.bytes[q.done:]...)
		q.done = 0
	}
	return true
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
	w := c.worker
	w.rec.Closure(class)
	w.rec.Record(IdleBeforeClose, evloop.Now()-c.lastByte)
	if w.sending != nil && w.sending.covers(c) {
		w.fail("ended_in_send", c, class)
	}
}

// leave takes the connection out of the open ones; what it had outstanding will
// have no answer.
func (c *conn) leave(to connState) {
	if c.state == open {
		c.worker.opened--
		c.worker.lose(c)
		c.gathering = nil
	}
	c.state = to
}

// end closes the socket. class counts the closure when the tunnel was open.
func (c *conn) end(class string) {
	if c.state == ended {
		return
	}
	w := c.worker
	if c.state == open && class != "" {
		w.rec.Closure(class)
	}
	closing := c.state == closingClean || c.state == closingFIN
	c.letGo()
	c.leave(ended)
	w.loop.Disarm(&c.timer)
	w.loop.Close(int(c.fd))
	c.fd = -1
	c.queue, c.opening = nil, nil
	if closing {
		w.closed()
	}
	w.check()
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
	default:
		c.end("") // the peer did not finish the closing; counted when it began
	}
}
