package loadgen

import (
	"wsgauge/echo/order"
	"wsgauge/internal/evloop"
)

// joining is the step before a broadcast: the members of the group join it at the
// backend, and it ends when all have. So no message of the broadcast comes before.
type joining struct {
	worker *worker
	step   *running
	plan   *JoinPlan
	conns  []*conn // not begun
	left   int     // begun, the answer awaited
	over   bool
	timer  evloop.Timer
}

// joinWait bounds the wait for the backend's answers.
const joinWait = int64(5e9)

func (r *running) startJoin(p *JoinPlan, g *group, start int64) {
	w := r.worker
	s := &joining{worker: w, step: r, plan: p}
	s.timer.Owner = s
	for _, c := range g.conns {
		if c != nil && c.state == open {
			s.conns = append(s.conns, c)
		}
	}
	r.joining = s
	w.loop.Arm(&s.timer, start)
}

func (s *joining) done() bool { return s.over }

// Expire sends the orders of some connections, or ends the wait for answers.
func (s *joining) Expire(now int64) {
	if len(s.conns) == 0 {
		s.over = true
		s.step.check()
		return
	}
	n := min(messagesATurn, len(s.conns))
	turn := s.conns[:n]
	s.conns = s.conns[n:]
	for _, c := range turn {
		if c.state == open {
			s.left++
			s.worker.ask(c, order.Order{Join: &order.Join{Group: s.plan.Room}})
		}
	}
	at := now
	if len(s.conns) == 0 && s.left > 0 {
		at += joinWait
	}
	s.worker.loop.Arm(&s.timer, at)
}

// joined is told of a connection that has joined, or ended before.
func (s *joining) joined() {
	if s.left--; s.left == 0 && len(s.conns) == 0 {
		s.worker.loop.Arm(&s.timer, s.worker.now)
	}
}
