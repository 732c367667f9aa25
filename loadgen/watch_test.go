package loadgen

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// A storm in which everyone leaves, in any order, costs a hold a look or two for each:
// to look at all of them at each end would keep the loop from its sockets.
func TestHoldWatchesEconomically(t *testing.T) {
	const conns = 4000
	up, down := make([]int, conns), make([]int, conns)
	for i := range conns {
		up[i], down[i] = i, conns-1-i
	}
	mixed := slices.Clone(up)
	rand.New(rand.NewPCG(1, 2)).Shuffle(conns, func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
	for name, order := range map[string][]int{"first to last": up, "last to first": down, "in any order": mixed} {
		for _, back := range []int{0, 1, 3} { // how often each comes back before it stays away
			w := bareWorker(t, Assignment{Agents: 1, Workers: 1})
			var all []*conn
			for i := range uint32(conns) { // in three groups, with gaps
				all = append(all, w.fake([]string{"a", "b", "c"}[i%3], i).conns[i])
			}
			for _, c := range all {
				c.life = &life{plan: &ConnectPlan{}}
			}
			r := w.alone(w.groups["a"], w.groups["b"], w.groups["c"])
			r.startHold(&HoldPlan{For: time.Hour}, "", 0)
			h := r.holding
			for range back {
				for _, i := range order {
					all[i].state, all[i].life.waiting = ended, true
					if h.done() {
						t.Fatalf("%s: over, and all come back", name)
					}
				}
				for _, i := range order {
					all[i].state, all[i].life.waiting = open, false
					if h.done() {
						t.Fatalf("%s: over, and all are back", name)
					}
				}
			}
			for n, i := range order {
				all[i].state = ended
				if over := h.done(); over != (n == conns-1) {
					t.Fatalf("%s: over: %v, after %d of %d ends", name, over, n+1, conns)
				}
			}
			asked := conns * (2*back + 1)
			if h.left.looks > asked+3*3*conns {
				t.Errorf("%s, back %d times: %d looks for %d ends", name, back, h.left.looks, asked)
			}
		}
	}
}

// One group's hold does not look at another group, and a hold of nobody is over.
func TestHoldWatchesItsGroup(t *testing.T) {
	w := bareWorker(t, Assignment{Agents: 1, Workers: 1})
	a, b := w.fake("a", 0, 2, 4), w.fake("b", 1)
	left := w.watch("b")
	if !left.any() {
		t.Error("b is open")
	}
	b.conns[1].state = ended
	if left.any() || a.conns[4].state != open {
		t.Error("b has ended")
	}
	for _, name := range []string{"", "a", "b", "c"} {
		left := w.watch(name)
		if got, want := left.any(), name == "" || name == "a"; got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}
