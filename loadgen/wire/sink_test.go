package wire

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
)

// event is a whole message or control frame; op is Continuation for the part of a
// message that has not ended.
type event struct {
	op      Opcode
	payload string
}

func (e event) String() string { return fmt.Sprintf("%v(%q)", e.op, e.payload) }

// collector puts messages together again and checks what a sink is promised.
type collector struct {
	events []event
	inside bool
	kind   Opcode
	parts  []byte
	wrong  []string
	stopAt int // stop at this call, counted from 1
	calls  int
}

func (c *collector) wrongf(format string, args ...any) {
	c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
}

func (c *collector) Data(op Opcode, piece []byte, first, last bool) bool {
	c.calls++
	if first == c.inside {
		c.wrongf("first is %v, inside a message %v", first, c.inside)
	}
	if op != Text && op != Binary {
		c.wrongf("data of opcode %v", op)
	}
	if c.inside && op != c.kind {
		c.wrongf("a message began as %v and goes on as %v", c.kind, op)
	}
	if len(piece) == 0 && !last {
		c.wrongf("an empty piece that is not the last")
	}
	c.inside, c.kind = !last, op
	c.parts = append(c.parts, piece...)
	if last {
		c.events = append(c.events, event{op, string(c.parts)})
		c.parts = nil
	}
	return c.calls != c.stopAt
}

func (c *collector) Control(op Opcode, payload []byte) bool {
	c.calls++
	if op != Close && op != Ping && op != Pong {
		c.wrongf("a control frame of opcode %v", op)
	}
	if len(payload) > 125 {
		c.wrongf("a control payload of %d bytes", len(payload))
	}
	c.events = append(c.events, event{op, string(payload)})
	return c.calls != c.stopAt
}

// all returns the events, and the part of a message at the end.
func (c *collector) all() []event {
	if !c.inside {
		return c.events
	}
	return append(slices.Clone(c.events), event{Continuation, string(c.parts)})
}

// feed feeds p in chunks of these lengths, the rest whole, from a buffer that is
// overwritten after each: what is kept of it then shows.
func feed(f *Frames, s Sink, p, cuts []byte, limit int64) error {
	for len(p) > 0 {
		n := len(p)
		if len(cuts) > 0 {
			n, cuts = min(int(cuts[0]), n), cuts[1:]
		}
		chunk := bytes.Clone(p[:n])
		err := f.Feed(chunk, limit, s)
		for i := range chunk {
			chunk[i] = 0xA5
		}
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// code returns the close code of an error, 0 for none.
func code(t *testing.T, err error) uint16 {
	t.Helper()
	if err == nil {
		return 0
	}
	var broken *ProtocolError
	if !errors.As(err, &broken) {
		t.Fatalf("error %v (%T), want a *ProtocolError", err, err)
	}
	return broken.Code
}

func span(first, last int) string { return fmt.Sprintf("%d-%d", first, last) }
