package tunnel

import "wsgauge/internal/evloop"

// readLen bounds one read of a tunnel, and so what waits when the other side
// takes none of it.
const readLen = 64 << 10

// tunnel is one client's connection and the one to its backend. While it is
// open and idle this is all there is of it.
type tunnel struct {
	server  *Server
	client  end
	backend end
	opening *opening // until it is open, or over
	idle    *idle    // when it has an idle timeout, once it is open
	counted bool     // takes one of MaxTunnels
	open    bool
	spared  bool // nothing is injected into it
}

// end is one side of a tunnel.
type end struct {
	fd      int32
	watched bool    // by the loop
	readEnd bool    // its FIN has been read
	sentEnd bool    // FIN has been sent to it
	paused  bool    // not read: what was read before is held back (injector)
	out     *buffer // what waits to be written to it; the other side is not read meanwhile
}

// The loop tells the two sides of a tunnel apart by the type it calls: both are
// the tunnel itself, so that neither costs an allocation.
type (
	clientSide  tunnel
	backendSide tunnel
)

// Ready is the client's side being ready.
func (c *clientSide) Ready(ready evloop.Events) {
	t := (*tunnel)(c)
	if t.opening != nil {
		t.opening.clientReady(ready)
		return
	}
	t.ready(&t.client, &t.backend, ready)
}

// Ready is the backend's side being ready.
func (b *backendSide) Ready(ready evloop.Events) {
	t := (*tunnel)(b)
	if t.opening != nil {
		t.opening.backendReady(ready)
		return
	}
	t.ready(&t.backend, &t.client, ready)
}

// ready serves one side of an open tunnel: at most one write of what waited and
// one read.
func (t *tunnel) ready(e, other *end, ready evloop.Events) {
	if e.out != nil && ready.Has(evloop.Writable) && !t.flush(e, other) {
		return
	}
	broken := ready.Has(evloop.Broken | evloop.HungUp)
	switch reading := !e.readEnd && other.out == nil; {
	case reading && (broken || ready.Has(evloop.Readable)):
		t.pump(e, other) // what came before a reset first, then the reset
	case broken:
		t.reset() // nothing is read from here now, so nothing else would tell
	}
}

// pump carries what one read brings from one side to the other.
func (t *tunnel) pump(from, to *end) {
	p := t.server.loop.Scratch()[:readLen]
	n, err := t.readFrom(from, p)
	switch {
	case err == evloop.ErrAgain:
		return
	case err != nil:
		t.insecure(err)
		t.reset()
		return
	case t.server.injector != nil && from == &t.client && !t.spared && t.server.injector.take(t, p[:n]):
		if t.atEnd(from) {
			t.settle()
		}
		return
	case n == 0:
		from.readEnd = true
		t.settle()
		return
	}
	t.touch()
	if err := t.write(to, p[:n]); err != nil {
		t.reset()
	} else if to.out != nil || t.atEnd(from) {
		t.settle()
	}
}

// write sends p to e; what the kernel does not take now waits.
func (t *tunnel) write(e *end, p []byte) error {
	if e.out == nil {
		n, err := t.writeTo(e, p)
		if err != nil && err != evloop.ErrAgain {
			return err
		}
		p = p[n:]
	}
	if len(p) > 0 {
		e.out = t.server.pool.keep(e.out, p)
	}
	return nil
}

// drain writes once what waits for e, and gives the buffer back when it is empty.
func (t *tunnel) drain(e *end) error {
	n, err := t.writeTo(e, e.out.rest())
	if err != nil && err != evloop.ErrAgain {
		return err
	}
	if e.out.sent += n; e.out.sent == len(e.out.bytes) {
		t.server.pool.put(e.out)
		e.out = nil
	}
	return nil
}

// flush does that for an open tunnel, and tells whether e is still to be read.
func (t *tunnel) flush(e, other *end) bool {
	if err := t.drain(e); err != nil {
		t.reset()
		return false
	}
	t.touch()
	if e.out == nil {
		t.settle()
	}
	return t.open && e.watched
}

// settle carries FIN across where it is due, closes a side that is down in both
// directions, and brings up to date what the loop watches. It is called whenever
// something of that has changed; most messages change nothing.
func (t *tunnel) settle() {
	if t.takeEnd(&t.client, &t.backend) || t.takeEnd(&t.backend, &t.client) {
		return
	}
	if !t.carryEnd(&t.client, &t.backend) || !t.carryEnd(&t.backend, &t.client) {
		t.reset()
		return
	}
	for _, e := range []*end{&t.client, &t.backend} {
		if e.readEnd && e.sentEnd {
			t.closeEnd(e)
		}
	}
	if t.client.fd < 0 && t.backend.fd < 0 {
		t.end()
		return
	}
	err := t.watch(&t.client, t.wants(&t.client, &t.backend), (*clientSide)(t))
	if err == nil {
		err = t.watch(&t.backend, t.wants(&t.backend, &t.client), (*backendSide)(t))
	}
	if err != nil {
		t.reset()
	}
}

// takeEnd reads the end of a stream that TLS has found behind the last data, once
// that data has been written; whatever follows from it has been done then.
func (t *tunnel) takeEnd(from, to *end) bool {
	if from.readEnd || from.paused || to.out != nil || !t.atEnd(from) {
		return false
	}
	t.pump(from, to)
	return true
}

// carryEnd sends FIN to one side when the other's has been read. All that came
// before it is written by then, since nothing is read while bytes wait. It is
// false when that side has gone.
func (t *tunnel) carryEnd(from, to *end) bool {
	if !from.readEnd || to.sentEnd {
		return true
	}
	to.sentEnd = true
	return t.endWrites(to) == nil
}

func (t *tunnel) wants(e, other *end) (want evloop.Events) {
	if !e.readEnd && !e.paused && other.out == nil {
		want = evloop.Readable
	}
	if e.out != nil {
		want |= evloop.Writable
	}
	return want
}

// watch has the loop watch e for want. A side that is wanted for nothing after
// FIN was sent to it is not watched at all: when its own FIN is there too, the
// kernel would report a hang-up without end, while what came before that FIN has
// yet to be read.
func (t *tunnel) watch(e *end, want evloop.Events, h evloop.Handler) error {
	loop := t.server.loop
	fd := int(e.fd)
	switch {
	case fd < 0:
		return nil
	case want == 0 && e.sentEnd:
		if e.watched {
			loop.Remove(fd)
			e.watched = false
			t.server.unwatched[fd] = struct{}{}
		}
		return nil
	case e.watched:
		return loop.Want(fd, want)
	}
	delete(t.server.unwatched, fd)
	err := loop.Add(fd, want, h)
	e.watched = err == nil
	return err
}

// touch notes that bytes have moved.
func (t *tunnel) touch() {
	if t.idle != nil {
		t.idle.last = evloop.Now()
	}
}

// reset ends the tunnel and has both peers see RST.
func (t *tunnel) reset() {
	for _, e := range []*end{&t.client, &t.backend} {
		if e.fd >= 0 {
			// It fails only on what is not a socket.
			_ = evloop.ResetOnClose(int(e.fd))
		}
	}
	t.end()
}

// end closes what is still open and gives back all that the tunnel held. Nothing
// of the tunnel may be used after it.
func (t *tunnel) end() {
	t.closeEnd(&t.client)
	t.closeEnd(&t.backend)
	if t.idle != nil {
		t.server.loop.Disarm(&t.idle.timer)
		t.idle = nil
	}
	if t.server.injector != nil {
		t.server.injector.drop(t)
	}
	if t.opening != nil {
		t.server.releaseOpening(t.opening)
		t.opening = nil
	}
	t.uncount()
}

func (t *tunnel) closeEnd(e *end) {
	t.server.pool.put(e.out)
	e.out = nil
	if e.fd < 0 {
		return
	}
	t.forgetTLS(e)
	delete(t.server.unwatched, int(e.fd))
	t.server.loop.Close(int(e.fd))
	e.fd, e.watched = -1, false
}

// uncount gives its place to another tunnel.
func (t *tunnel) uncount() {
	if t.open {
		t.server.stats.open.Add(-1)
	}
	if t.counted {
		t.server.admitted--
	}
	t.open, t.counted = false, false
}
