package tunnel

import (
	"errors"
	"time"

	"wsgauge/internal/evloop"
)

// phase is how far a connection has come on its way to a tunnel.
type phase uint8

const (
	readRequest  phase = iota // the client's head is coming
	dialling                  // the backend has not taken the first byte yet
	securing                  // the TLS handshake with the backend is under way
	readResponse              // the backend's head is coming
	relaying                  // it is not a tunnel: the response passes to its end
	lingering                 // all is said; the client is to see it before we close
)

// maxInterim bounds the 1xx responses before the final one.
const maxInterim = 8

// opening is what a connection needs besides until its tunnel is open. It is
// lent by the server and given back with the 101.
type opening struct {
	timer   evloop.Timer
	tunnel  *tunnel
	phase   phase
	interim uint8
	finder  finder
	request request
	body    body    // of the response, while relaying
	spill   *buffer // a head that did not come whole
	early   *buffer // what the client sent after an upgrade request
	drained int     // bytes thrown away while lingering
}

// clientReady serves the client's side of a connection that is no tunnel (yet).
func (o *opening) clientReady(ready evloop.Events) {
	t := o.tunnel
	if t.client.out != nil && ready.Has(evloop.Writable) && !o.flushClient() {
		return
	}
	broken := ready.Has(evloop.Broken | evloop.HungUp)
	if !o.readsClient() {
		if broken {
			t.reset()
		}
		return
	}
	if !broken && !ready.Has(evloop.Readable) {
		return
	}
	p := t.room(&t.client, headLimit)
	read := t.readFrom
	if o.phase == lingering {
		read = func(e *end, p []byte) (int, error) { return evloop.Read(int(e.fd), p) } // whatever it is
	}
	n, err := read(&t.client, p)
	switch {
	case err == evloop.ErrAgain:
	case err != nil && t.insecure(err) && o.phase == readRequest:
		o.finish() // the alert is out, and should be seen
	case err != nil:
		t.reset()
	case n == 0 && o.phase == lingering:
		t.end()
	case n == 0: // in the middle of what was to be its request
		t.end()
	case o.phase == readRequest:
		o.readHead(p[:n])
	case o.phase == lingering:
		o.discard(n)
	default:
		o.sendBody(p[:n])
	}
}

// readsClient tells whether the client has something to say now.
func (o *opening) readsClient() bool {
	switch o.phase {
	case readRequest:
		return true
	case lingering:
		return o.tunnel.client.out == nil
	}
	return !o.request.body.done() && o.tunnel.backend.out == nil
}

// whole collects a head: it gives all bytes that belong to the message so far
// once the head is among them, nil before. They are valid until [opening.forget].
func (o *opening) whole(p []byte) ([]byte, error) {
	found, err := o.finder.find(p)
	if err != nil {
		return nil, err
	}
	if found && o.spill == nil {
		return p, nil
	}
	o.spill = o.tunnel.server.pool.keep(o.spill, p)
	if found {
		return o.spill.bytes, nil
	}
	return nil, nil
}

// forget gives back what [opening.whole] has collected, for the next head.
func (o *opening) forget() {
	o.tunnel.server.pool.put(o.spill)
	o.spill, o.finder = nil, finder{}
}

// readHead goes on with the client's request.
func (o *opening) readHead(p []byte) {
	all, err := o.whole(p)
	if err == nil && all == nil {
		return // the rest is to come
	}
	n := o.finder.n
	if err == nil {
		o.request, err = parseRequest(all[:n])
	}
	if err != nil {
		o.answer(refusal(err))
		return
	}
	t := o.tunnel
	if i := t.server.injector; i != nil {
		t.spared = !i.concerns(o.request.target)
	}
	if !t.server.admit(t) {
		t.server.stats.refused.Add(1)
		o.answer(unavailable)
		return
	}
	first := all
	if o.request.upgrade {
		first = all[:n]
		o.early = t.server.pool.keep(nil, all[n:])
	} else if extra, err := o.request.body.take(all[n:]); err != nil {
		o.answer(badRequest)
		return
	} else {
		first = all[:n+extra]
	}
	o.dial(first)
	if t.opening != nil {
		o.forget()
	}
}

func refusal(err error) string {
	switch err {
	case errTooLarge:
		return headTooLarge
	case errCoding, errMethod:
		return notImplemented
	}
	return badRequest
}

// dial connects to a backend and sends it what there is of the request.
func (o *opening) dial(first []byte) {
	t := o.tunnel
	fd, backend, err := t.server.dial()
	if err != nil {
		o.failed(err)
		return
	}
	t.backend.fd = int32(fd)
	o.phase = dialling
	if t.secureBackend(backend) {
		t.backend.out = t.server.pool.keep(nil, first)
		o.arm(t.server.options.DialTimeout)
		o.watch()
		return
	}
	// On the same machine the connection usually stands by now, and this saves a
	// wake-up. When it does not, the kernel takes nothing yet.
	if err := t.write(&t.backend, first); err != nil {
		o.failed(err)
		return
	}
	o.arm(t.server.options.DialTimeout)
	if t.backend.out == nil {
		o.connected()
	}
	o.watch()
}

// connected begins to wait for the response.
func (o *opening) connected() {
	o.phase = readResponse
	o.arm(o.tunnel.server.options.HeadTimeout)
}

// failed answers for a backend that could not be reached.
func (o *opening) failed(err error) {
	o.tunnel.server.stats.failed.Add(1)
	switch {
	case evloop.NoDescriptor(err), errors.Is(err, evloop.ErrNoPort):
		o.answer(unavailable)
	case errors.Is(err, evloop.ErrTimeout):
		o.answer(gatewayTimeout)
	default:
		o.answer(badGateway)
	}
}

// backendReady serves the backend's side of a connection that is no tunnel (yet).
func (o *opening) backendReady(ready evloop.Events) {
	t := o.tunnel
	if o.phase == dialling {
		if err := evloop.SocketError(int(t.backend.fd)); err != nil {
			o.failed(err)
			return
		}
	}
	if c := t.tls(&t.backend); c != nil && o.phase == dialling {
		o.phase = securing
		o.arm(t.server.options.HeadTimeout)
		if err := c.Start(int(t.backend.fd)); err != nil {
			o.failed(err)
			return
		}
		o.watch()
		return
	}
	if o.phase == securing {
		o.secured()
		return
	}
	if t.backend.out != nil && ready.Has(evloop.Writable) {
		if o.phase == dialling {
			o.connected()
		}
		if err := t.drain(&t.backend); err != nil {
			o.refusesBody()
		}
		o.watch()
	}
	if t.backend.fd >= 0 && ready.Has(evloop.Readable|evloop.Broken|evloop.HungUp) {
		o.readBackend(ready.Has(evloop.Broken | evloop.HungUp))
	}
}

func (o *opening) readBackend(broken bool) {
	t := o.tunnel
	if t.client.out != nil { // not read meanwhile, so nothing else would tell
		if broken {
			t.reset()
		}
		return
	}
	limit := readLen
	if o.phase == readResponse {
		limit = headLimit
	}
	p := t.room(&t.backend, limit)
	n, err := t.readFrom(&t.backend, p)
	if err != evloop.ErrAgain {
		defer o.readOn(t)
		t.insecure(err)
	}
	switch {
	case err == evloop.ErrAgain:
	case o.phase == readResponse && (err != nil || n == 0):
		t.server.stats.failed.Add(1)
		o.answer(badGateway)
	case err != nil:
		t.reset()
	case o.phase == readResponse:
		o.readAnswer(p[:n])
	default:
		o.relay(p[:n])
	}
}

// readOn goes on when TLS has found the end of the response behind its last bytes:
// no event of the socket tells of it again.
func (o *opening) readOn(t *tunnel) {
	if t.opening == o && o.tunnel == t && t.client.out == nil && t.atEnd(&t.backend) {
		o.readBackend(false)
	}
}

// readAnswer goes on with the backend's response.
func (o *opening) readAnswer(p []byte) {
	t := o.tunnel
	all, err := o.whole(p)
	if err == nil && all == nil {
		return // the rest is to come
	}
	n := o.finder.n
	var r response
	if err == nil {
		r, err = parseResponse(all[:n], o.request)
	}
	if err == nil && r.status < 200 && r.status != 101 {
		if o.interim++; o.interim > maxInterim {
			err = errTooLarge
		}
	}
	switch {
	case err != nil:
		t.server.stats.failed.Add(1)
		o.answer(badGateway)
	case r.status == 101 && r.webSocket && o.request.upgrade:
		o.open(all)
	case r.status < 200 && r.status != 101:
		o.passInterim(all[:n], all[n:])
	default:
		o.body = r.body
		o.startRelay(all, n)
	}
}

// passInterim relays a 1xx (RFC 9110 section 15.2) and goes on with what follows.
func (o *opening) passInterim(head, rest []byte) {
	t := o.tunnel
	if err := t.write(&t.client, head); err != nil {
		t.reset()
		return
	}
	held := o.spill
	o.spill = nil
	o.forget()
	o.watch()
	if len(rest) > 0 && t.opening != nil {
		o.readAnswer(rest)
	}
	t.server.pool.put(held)
}

// open makes it a tunnel. The 101 and what the backend sent right after it leave
// together, and what the client sent too early goes to the backend now.
func (o *opening) open(all []byte) {
	t := o.tunnel
	// Counted before the client can know of it, so that whoever has seen the 101
	// sees the tunnel in the statistics too.
	t.open = true
	t.server.stats.open.Add(1)
	t.server.stats.total.Add(1)
	err := t.write(&t.client, all)
	if err == nil && o.early != nil {
		err = t.write(&t.backend, o.early.bytes)
	}
	if err != nil {
		t.reset()
		return
	}
	t.opening = nil
	t.server.releaseOpening(o)
	if t.server.injector != nil {
		t.server.injector.opened()
	}
	t.startIdle()
	t.settle()
}

// watch brings up to date what the loop watches.
func (o *opening) watch() {
	t := o.tunnel
	if t == nil {
		return // given back: it is over
	}
	var client, backend evloop.Events
	if o.readsClient() {
		client = evloop.Readable
	}
	if t.client.out != nil {
		client |= evloop.Writable
	} else if o.phase != dialling {
		backend = evloop.Readable
	}
	if t.backend.out != nil && (o.phase != securing || t.tls(&t.backend).Blocked()) {
		backend |= evloop.Writable
	}
	err := t.watch(&t.client, client, (*clientSide)(t))
	if err == nil {
		err = t.watch(&t.backend, backend, (*backendSide)(t))
	}
	if err != nil {
		t.reset()
	}
}

func (o *opening) arm(timeout time.Duration) {
	o.tunnel.server.loop.Arm(&o.timer, evloop.Now()+int64(timeout))
}

// Expire ends a phase that took too long.
func (o *opening) Expire(int64) {
	switch o.phase {
	case dialling, securing, readResponse:
		o.tunnel.server.stats.failed.Add(1)
		o.answer(gatewayTimeout)
	case relaying:
		o.tunnel.reset() // the client must not take what it has for the whole
	default:
		o.tunnel.end()
	}
}
