package loadgen

import (
	"wsgauge/internal/evloop"
	"wsgauge/loadgen/schedule"
)

// A closed loop has one message outstanding on each connection, and sends the next
// when its answer has come. A message is due when it is sent: there is no schedule
// to be late against, and no send lag.

// startClosed lists the connections that are to begin.
func (s *sending) startClosed(members []uint32) {
	s.turns = make([]uint32, len(s.group.conns))
	for _, number := range members {
		if c := s.group.own(s.worker, number); c != nil && c.fresh {
			s.idle = append(s.idle, c)
		}
	}
	s.sentAll = true // what is sent from now on is up to the answers
	s.armClosed(s.start)
}

func (s *sending) armClosed(at int64) {
	if len(s.idle) == 0 || at >= s.finish {
		at = max(s.finish, at)
	}
	s.worker.loop.Arm(&s.timer, at)
}

// first sends the first message of some connections that have not begun.
func (s *sending) first(now int64) {
	n := min(messagesATurn, len(s.idle))
	turn := s.idle[:n]
	s.idle = s.idle[n:]
	for _, c := range turn {
		s.again(c)
	}
	s.armClosed(now)
}

// again sends the next message of a connection that awaits no answer. The size is
// drawn by number and turn, whoever sends it and however fast answers come.
func (s *sending) again(c *conn) {
	now := evloop.Now()
	if c.group != s.group || c.state != open || now < s.start || now >= s.finish || c.owed() ||
		c.life != nil && c.life.retiring {
		return
	}
	i := int(c.number) / s.worker.stride()
	if i >= len(s.turns) {
		return // it was not there when the step began
	}
	size := s.sizes.Of(schedule.Uint64(s.plan.Seed, uint64(c.number)), uint64(s.turns[i]))
	s.turns[i]++
	if now >= s.window {
		s.step.rec.Counts.Scheduled++
	}
	s.attempt(c, now, now, size)
}

// opened is told of a connection that has come back while the step runs.
func (s *sending) opened(c *conn) {
	if s.plan.Closed && c.fresh {
		s.again(c)
	}
}
