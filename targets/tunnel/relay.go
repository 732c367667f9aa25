package tunnel

import "time"

// While lingering we wait for the client's FIN, so long and through so much.
const (
	lingerTime  = time.Second
	lingerBytes = 1 << 20
)

// The proxy's own answers.
const (
	badRequest     = answerHead + "400 Bad Request" + answerTail
	headTooLarge   = answerHead + "431 Request Header Fields Too Large" + answerTail
	notImplemented = answerHead + "501 Not Implemented" + answerTail
	badGateway     = answerHead + "502 Bad Gateway" + answerTail
	unavailable    = answerHead + "503 Service Unavailable" + answerTail
	gatewayTimeout = answerHead + "504 Gateway Timeout" + answerTail

	answerHead = "HTTP/1.1 "
	answerTail = "\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
)

// answer ends the exchange with an answer of the proxy's own.
func (o *opening) answer(text string) {
	t := o.tunnel
	if err := t.write(&t.client, []byte(text)); err != nil {
		t.reset()
		return
	}
	o.finish()
}

// sendBody goes on with the body of a request. Nothing beyond its end is sent.
func (o *opening) sendBody(p []byte) {
	t := o.tunnel
	n, err := o.request.body.take(p)
	if err != nil {
		if o.phase == readResponse && t.client.out == nil {
			o.answer(badRequest)
		} else {
			t.reset()
		}
		return
	}
	o.arm(t.server.options.HeadTimeout)
	if err := t.write(&t.backend, p[:n]); err != nil {
		o.refusesBody()
	}
	o.watch()
}

// refusesBody stops sending to a backend that has stopped reading. What it has
// answered may still be there to be read.
func (o *opening) refusesBody() {
	o.request.body = body{}
	t := o.tunnel
	t.server.pool.put(t.backend.out)
	t.backend.out = nil
}

// startRelay passes on a final response that opens no tunnel; the first head bytes
// of all are its head. What the client
// sent after an upgrade request is thrown away here: the backend would take it
// for another request.
func (o *opening) startRelay(all []byte, head int) {
	t := o.tunnel
	t.server.pool.put(o.early)
	o.early = nil
	o.phase = relaying
	n, err := o.body.take(all[head:])
	if err == nil {
		err = t.write(&t.client, all[:head+n])
	}
	if err != nil {
		t.reset()
		return
	}
	o.forget()
	o.advance()
}

// relay passes on a piece of the response; none is the end of the connection.
func (o *opening) relay(p []byte) {
	t := o.tunnel
	if len(p) == 0 {
		if o.body.kind != toEnd {
			t.reset() // cut short, and so it must look to the client
			return
		}
		o.body = body{}
	}
	n, err := o.body.take(p)
	if err == nil {
		err = t.write(&t.client, p[:n])
	}
	if err != nil {
		t.reset()
		return
	}
	o.advance()
}

// advance finishes a response that is complete, and gives another the time to go on.
func (o *opening) advance() {
	if o.body.done() {
		o.finish()
		return
	}
	o.arm(o.tunnel.server.options.HeadTimeout)
	o.watch()
}

// flushClient writes what waited for the client, and tells whether there is still
// a client to serve.
func (o *opening) flushClient() bool {
	t := o.tunnel
	if err := t.drain(&t.client); err != nil {
		t.reset()
		return false
	}
	switch {
	case o.phase == lingering && t.client.out == nil:
		o.linger()
	case o.phase == lingering, o.phase == relaying:
		o.arm(t.server.options.HeadTimeout)
	}
	o.watch()
	return t.opening != nil
}

// finish lets the backend go: the client has, or waits only for, what is written
// already. The place is free for another tunnel.
func (o *opening) finish() {
	t := o.tunnel
	t.closeEnd(&t.backend)
	t.uncount()
	t.server.pool.put(o.early)
	o.early = nil
	o.forget()
	o.phase = lingering
	if t.client.out == nil {
		o.linger()
	} else {
		o.arm(t.server.options.HeadTimeout)
	}
	o.watch()
}

// linger sends FIN and then reads what the client is still sending: closing at
// once would answer that with RST, and RST takes the answer away from a client
// that has not read it yet (RFC 9112 section 9.6).
func (o *opening) linger() {
	t := o.tunnel
	if err := t.endWrites(&t.client); err != nil {
		t.reset()
		return
	}
	o.arm(lingerTime)
}

func (o *opening) discard(n int) {
	if o.drained += n; o.drained > lingerBytes {
		o.tunnel.end()
	}
}
