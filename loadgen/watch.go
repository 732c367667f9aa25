package loadgen

// watch tells whether any connection of some groups is left: open, or to be open again
// without our doing. It is asked at every end of a connection, of which there may be
// tens of thousands in a second, so it looks first at the one it has seen last, and goes
// on from there. Who has ended for good does not come back in the same step (but for
// attempts that were kept when they stalled), so all its answers together look at every
// connection once or twice.
type watch struct {
	groups []*group
	group  int // where it has looked last
	conn   int
	looks  int // connections looked at, in all
}

// watch begins to watch the group, or all when the name is empty.
func (w *worker) watch(name string) watch {
	var l watch
	for _, g := range w.groups {
		if len(g.conns) > 0 && (name == "" || g.name == name) {
			l.groups = append(l.groups, g)
		}
	}
	return l
}

// any goes round once at most.
func (l *watch) any() bool {
	total := 0
	for _, g := range l.groups {
		total += len(g.conns)
	}
	for range total {
		l.looks++
		conns := l.groups[l.group].conns
		if c := conns[l.conn]; c != nil && (c.state == open || c.returning()) {
			return true
		}
		if l.conn++; l.conn == len(conns) {
			l.group, l.conn = (l.group+1)%len(l.groups), 0
		}
	}
	return false
}
