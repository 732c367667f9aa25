package tunnel

import (
	"time"

	"wsgauge/internal/evloop"
)

const (
	// acceptBatch bounds the connections taken in one go, so that a storm of them
	// does not hold up the messages of open tunnels for long.
	acceptBatch = 16
	// acceptPause is the rest after a failed accept. The listening socket stays
	// readable when no descriptor is left, so going on at once would only spin.
	acceptPause = 20 * time.Millisecond
)

// acceptor takes connections.
type acceptor struct {
	server *Server
	fd     int
	pause  evloop.Timer
}

// Ready takes what waits.
func (a *acceptor) Ready(evloop.Events) {
	s := a.server
	for range acceptBatch {
		fd, _, err := evloop.Accept(a.fd)
		if err == evloop.ErrAgain {
			return
		}
		if err == nil {
			err = s.adopt(fd)
		}
		if err != nil {
			a.rest()
			return
		}
	}
}

// rest stops accepting for a moment: those who connect wait in the backlog, and
// tunnels that end meanwhile make room.
func (a *acceptor) rest() {
	s := a.server
	s.stats.paused.Add(1)
	s.loop.Arm(&a.pause, evloop.Now()+int64(acceptPause))
	if s.loop.Want(a.fd, 0) != nil {
		s.loop.Stop() // the kernel's own bookkeeping is broken; it does not happen
	}
}

// Expire ends the rest.
func (a *acceptor) Expire(int64) {
	if a.server.loop.Want(a.fd, evloop.Readable) != nil {
		a.server.loop.Stop()
	}
}

// adopt begins to read the request of a connection.
func (s *Server) adopt(fd int) error {
	t := &tunnel{server: s, client: end{fd: int32(fd)}, backend: end{fd: -1}}
	t.opening = s.lendOpening(t)
	t.secureClient()
	if err := t.watch(&t.client, evloop.Readable, (*clientSide)(t)); err != nil {
		t.end()
		return err
	}
	s.stats.accepted.Add(1)
	t.opening.arm(s.options.HeadTimeout)
	return nil
}

// keptOpenings bounds how many of them wait for the next connection.
const keptOpenings = 256

func (s *Server) lendOpening(t *tunnel) *opening {
	var o *opening
	if last := len(s.openings) - 1; last >= 0 {
		o = s.openings[last]
		s.openings[last] = nil
		s.openings = s.openings[:last]
	} else {
		o = new(opening)
	}
	o.tunnel = t
	o.timer.Owner = o
	return o
}

func (s *Server) releaseOpening(o *opening) {
	s.loop.Disarm(&o.timer)
	s.pool.put(o.spill)
	s.pool.put(o.early)
	*o = opening{}
	if len(s.openings) < keptOpenings {
		s.openings = append(s.openings, o)
	}
}
