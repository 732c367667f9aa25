package echo

import (
	"errors"
	"fmt"
	"time"

	"wsgauge/internal/evloop"
	"wsgauge/internal/tlsconn"
)

const (
	// acceptBatch bounds the connections taken in one go, so that a storm of them
	// does not hold up the messages of those that are open.
	acceptBatch = 64
	// acceptPause is the rest after a failed accept. The socket stays readable
	// when no descriptor is left, so going on at once would only spin.
	acceptPause = 20 * time.Millisecond
)

// acceptor takes connections on the first worker's loop and deals them out in
// turn. One queue for all loops keeps the kernel's own spreading
// (SO_REUSEPORT, by hash) from loading them unevenly.
type acceptor struct {
	server *Server
	fd     int
	next   int
	pause  evloop.Timer
}

// Ready takes what waits.
func (a *acceptor) Ready(evloop.Events) {
	for range acceptBatch {
		fd, _, err := evloop.Accept(a.fd)
		if errors.Is(err, evloop.ErrAgain) {
			return
		}
		if err != nil {
			a.rest(fmt.Errorf("accept on %v: %w", a.server.addr, err))
			return
		}
		w := a.server.workers[a.next]
		a.next = (a.next + 1) % len(a.server.workers)
		if w == a.server.workers[0] {
			w.adopt(fd)
		} else if !w.loop.Post(func() { w.adopt(fd) }) {
			evloop.CloseSocket(fd) // that loop has ended, and this one will
		}
	}
}

func (a *acceptor) rest(why error) {
	a.server.tell(why)
	loop := a.server.workers[0].loop
	if err := loop.Want(a.fd, 0); err != nil {
		a.server.tell(err)
	}
	loop.Arm(&a.pause, evloop.Now()+int64(acceptPause))
}

// Expire ends the rest.
func (a *acceptor) Expire(now int64) {
	loop := a.server.workers[0].loop
	if err := loop.Want(a.fd, evloop.Readable); err != nil {
		a.server.tell(err)
		loop.Arm(&a.pause, now+int64(acceptPause))
	}
}

func (s *Server) tell(err error) {
	if s.refused != nil {
		s.refused(err)
	}
}

// worker is one event loop with its connections. What it owns is shared by them
// for the length of one call: the loop's scratch buffer, the codec, the pool.
type worker struct {
	server *Server
	loop   *evloop.Loop
	codec  codec
	pool   pool
	tls    *tlsconn.Engine   // nil until there is something to secure
	pushes *filler           // made by the first push
	groups map[string]*group // of broadcasts
	held   int               // bytes of messages that are gathered
	out    []byte            // scratch for what tasks send
}

func newWorker(s *Server, loop *evloop.Loop, maxMessage int64) *worker {
	w := &worker{server: s, loop: loop}
	w.codec.init(maxMessage)
	return w
}

func (w *worker) adopt(fd int) {
	c := &conn{worker: w, fd: fd}
	c.timer.Owner = c
	if err := w.loop.Add(fd, evloop.Readable, c); err != nil {
		evloop.CloseSocket(fd)
		w.server.tell(err)
		return
	}
	w.secure(c, w.server.tls)
	w.server.open.Add(1)
}
