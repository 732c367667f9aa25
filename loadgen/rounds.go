package loadgen

import (
	"cmp"
	"slices"

	"wsgauge/loadgen/schedule"
)

// rounds is one message a period on every connection (`every`), each with a
// phase of its own. All connections share the period, so the order of one round
// is the order of all.
type rounds struct {
	every int64
	order []phased
	i     int
	round int64
	n     uint64
}

type phased struct {
	offset int64 // of the first message, below the period
	number uint32
}

func newRounds(p *SendPlan, members []uint32) *rounds {
	r := &rounds{every: int64(p.Every), order: make([]phased, len(members))}
	for i, number := range members {
		r.order[i] = phased{schedule.Phase(p.Phase, r.every, i, len(members), p.Seed), number}
	}
	slices.SortFunc(r.order, func(a, b phased) int {
		return cmp.Or(cmp.Compare(a.offset, b.offset), cmp.Compare(a.number, b.number))
	})
	return r
}

func (r *rounds) next() (uint64, int64, uint32) {
	m := r.order[r.i]
	n, at := r.n, r.round*r.every+m.offset
	r.n++
	if r.i++; r.i == len(r.order) {
		r.i, r.round = 0, r.round+1
	}
	return n, at, m.number
}
