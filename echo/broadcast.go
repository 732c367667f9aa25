package echo

import (
	"github.com/gobwas/ws"

	"wsgauge/echo/order"
)

// Bounds of broadcasts.
const (
	// gatherLimit bounds the messages of one loop that have arrived in part.
	gatherLimit = 64 << 20
	// memberBytes and memberFrames bound what waits for one member; what is beyond
	// them is skipped for it alone. The frames are shared by all members.
	memberBytes  = 4 << 20
	memberFrames = 4096
	// crossLimit bounds what waits to be taken over by other loops.
	crossLimit = 64 << 20
)

// frameRoom is left before a gathered payload for its header.
const frameRoom = ws.MaxHeaderSize

// gathering is the message that a member is sending, until it is whole: parts of
// messages of several senders cannot be mixed.
type gathering struct {
	conn  *conn
	frame []byte // room for a header, and the payload so far
}

// take adds a piece, and passes the message on with its last one. The result is why
// the connection has to be closed, 0 for not.
func (g *gathering) take(piece []byte, text, last bool) ws.StatusCode {
	w := g.conn.worker
	if len(g.frame) == 0 {
		g.frame = make([]byte, frameRoom, frameRoom+len(piece))
	}
	if len(g.frame)-frameRoom+len(piece) > order.MaxBroadcast {
		g.end()
		return ws.StatusMessageTooBig
	}
	if w.held+len(piece) > gatherLimit {
		g.end()
		return tryAgainLater
	}
	w.held += len(piece)
	g.frame = append(g.frame, piece...)
	if !last {
		return 0
	}
	op := ws.OpBinary
	if text {
		op = ws.OpText
	}
	length := len(g.frame) - frameRoom
	w.held -= length
	head := ws.MustCompileFrame(ws.Frame{Header: ws.Header{Fin: true, OpCode: op, Length: int64(length)}})
	frame := g.frame[frameRoom-len(head):]
	copy(frame, head)
	g.frame = nil
	w.broadcast(g.conn.task.member.group.name, frame)
	return 0
}

// tryAgainLater is registered with IANA for a server that is overloaded.
const tryAgainLater ws.StatusCode = 1013

// end gives back what was gathered.
func (g *gathering) end() {
	if n := len(g.frame); n > 0 {
		g.conn.worker.held -= n - frameRoom
		g.frame = nil
	}
}

// group is the members of a group on one loop.
type group struct {
	name    string
	members []*member
}

// member is a connection in a group.
type member struct {
	conn    *conn
	group   *group
	place   int // in the group; -1: it has left
	queue   [][]byte
	bytes   int // of the queue
	off     int // how much of the first frame was sent
	stopped bool
}

func (w *worker) join(name string, c *conn) *member {
	g := w.groups[name]
	if g == nil {
		if w.groups == nil {
			w.groups = map[string]*group{}
		}
		g = &group{name: name}
		w.groups[name] = g
	}
	m := &member{conn: c, group: g, place: len(g.members)}
	g.members = append(g.members, m)
	return m
}

func (m *member) leave() {
	g := m.group
	if m.place < 0 {
		return
	}
	last := len(g.members) - 1
	g.members[m.place] = g.members[last]
	g.members[m.place].place = m.place
	g.members[last] = nil
	g.members = g.members[:last]
	m.place = -1
	if last == 0 {
		delete(m.conn.worker.groups, g.name)
	}
}

// stop drops what has not begun; true when a frame has.
func (m *member) stop() bool {
	m.stopped = true
	if m.off == 0 {
		m.queue, m.bytes = nil, 0
		return false
	}
	m.bytes = len(m.queue[0])
	m.queue = m.queue[:1]
	return true
}

func (m *member) begun() bool { return m.off > 0 }

// piece appends frames, or a part of one.
func (m *member) piece(dst []byte) []byte {
	for limit := len(dst) + pieceLimit; len(dst) < limit && len(m.queue) > 0; {
		f := m.queue[0][m.off:]
		n := min(len(f), limit-len(dst))
		dst = append(dst, f[:n]...)
		if m.off += n; n == len(f) {
			m.bytes -= len(m.queue[0])
			m.queue[0] = nil
			m.queue, m.off = m.queue[1:], 0
		}
	}
	if len(m.queue) == 0 {
		m.queue = nil
	}
	return dst
}

// broadcast gives a frame to every member of the group, on all loops. Nobody writes
// to it any more.
func (w *worker) broadcast(name string, frame []byte) {
	for _, o := range w.server.workers {
		if o == w {
			continue
		}
		n := int64(len(frame))
		if w.server.crossing.Add(n) > crossLimit {
			w.server.crossing.Add(-n)
			continue
		}
		if !o.loop.Post(func() {
			w.server.crossing.Add(-n)
			o.deliver(name, frame)
		}) {
			w.server.crossing.Add(-n)
		}
	}
	w.deliver(name, frame)
}

func (w *worker) deliver(name string, frame []byte) {
	g := w.groups[name]
	if g == nil {
		return
	}
	// Backwards, since a member whose connection turns out to have gone leaves, and
	// the last one takes its place.
	for i := len(g.members) - 1; i >= 0; i-- {
		m := g.members[i]
		if len(m.queue) > 0 && (m.bytes+len(frame) > memberBytes || len(m.queue) >= memberFrames) {
			continue // it does not keep up, and misses this one
		}
		m.queue = append(m.queue, frame)
		m.bytes += len(frame)
		m.conn.serve()
	}
}
