package runner

import (
	"fmt"
	"sync"

	"wsgauge/loadgen"
)

// hub hands what the agents say to whoever gathers the step that it is about. Several
// steps may run at a time.
type hub struct {
	failed chan struct{} // closed when an agent cannot go on
	ended  chan struct{} // closed when the hub's goroutine has ended

	mu   sync.Mutex
	ears map[int]*ear // by the step's serial
	err  error        // why failed is closed
}

// ear is one step's part of what is said.
type ear struct {
	messages chan loadgen.Message
	gone     chan struct{} // closed when nobody listens any more
}

func newHub() *hub {
	return &hub{failed: make(chan struct{}), ended: make(chan struct{}), ears: map[int]*ear{}}
}

// listen begins to collect what is said of a step; the caller has to leave it.
func (h *hub) listen(serial int) *ear {
	e := &ear{messages: make(chan loadgen.Message, 64), gone: make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ears[serial] = e
	return e
}

func (h *hub) leave(serial int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.ears[serial].gone)
	delete(h.ears, serial)
}

// run hands on what comes until done is closed. A step that is slow to take what is
// its own makes the others wait, and in the end the agents: nothing is lost.
func (h *hub) run(inbox <-chan loadgen.Message, deaths <-chan error, done <-chan struct{}) {
	defer close(h.ended)
	for {
		select {
		case <-done:
			return
		case err := <-deaths:
			if err != nil { // nil: we ended it
				h.fail(err)
			}
		case m := <-inbox:
			if m.Error != "" {
				h.fail(fmt.Errorf("agent %d: %s", m.Agent, m.Error))
				continue
			}
			e := h.of(serialOf(m))
			if e == nil {
				continue // of a step that nobody waits for any more
			}
			select {
			case e.messages <- m:
			case <-e.gone:
			case <-done:
				return
			}
		}
	}
}

func (h *hub) of(serial int) *ear {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ears[serial]
}

// fail keeps the first reason; what follows from it says less.
func (h *hub) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.err = err
		close(h.failed)
	}
}

func (h *hub) why() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// serialOf is the step that a message is about; 0: none.
func serialOf(m loadgen.Message) int {
	switch {
	case m.Interval != nil:
		return m.Interval.Serial
	case m.Step != nil:
		return m.Step.Serial
	}
	return m.Failed
}
