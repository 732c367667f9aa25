package loadgen

import (
	"fmt"
	"testing"
	"time"
)

// Of every worker's connections one in so many is stamped, however the numbers are
// dealt: nobody who may be late goes unseen.
func TestEveryWorkerIsStamped(t *testing.T) {
	for agents := 1; agents <= 9; agents++ {
		for workers := 1; workers <= 5; workers++ {
			stride := agents * workers
			for agent := range agents {
				for index := range workers {
					w := &worker{index: index, assignment: Assignment{Agent: agent, Agents: agents, Workers: workers}}
					stamped := 0
					for n := w.firstOwn(0); n < stride*stampEvery*5; n += stride {
						if w.stamps(uint32(n)) {
							stamped++
						}
					}
					if stamped != 5 || !w.stamps(uint32(w.firstOwn(0))) {
						t.Errorf("worker %d of %d, agent %d of %d: %d of %d stamped", index, workers, agent, agents, stamped, stampEvery*5)
					}
				}
			}
		}
	}
}

// Each agent reports a receive lag, so that one that is starved is found out.
func TestEveryAgentHasReceiveLag(t *testing.T) {
	t.Parallel()
	addr := echoServer(t)
	for _, agents := range []int{2, 4} {
		t.Run(fmt.Sprint(agents), func(t *testing.T) {
			t.Parallel()
			r := startRig(t, agents, 1, addr)
			r.connect(32)
			r.send(32, func(p *SendPlan) { p.Rate, p.Closed, p.For = 0, true, 200*time.Millisecond })
			has := map[int]bool{}
			for _, s := range r.seconds {
				if s.Hist[ReceiveLag.String()] != nil {
					has[s.Agent] = true
				}
			}
			if len(has) != agents {
				t.Errorf("of %d agents these have a receive lag: %v", agents, has)
			}
		})
	}
}
