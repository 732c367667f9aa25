// Package order is what a client can ask of wsgauge's echo backend that the backend
// does not do unasked: to push messages on a schedule, to broadcast what the members
// of a group send, to ping.
//
// An order is one binary message in one frame of at most [MaxBytes]: [Magic], which
// no other message of the generator begins with, and JSON. The backend answers
// each with a message of the same form, in its turn among all else that it sends. A
// backend that knows no orders sends the order itself back.
//
//	{"serial": 3, "push": {...}}     one answer at once, another when all is pushed
//	{"serial": 4, "join": {...}}     from now on messages are broadcast, not echoed
//	{"serial": 5, "ping": {...}}     pings with a payload of [PingBytes]
//	{"serial": 6, "stop": true}      ends any of them
//
// The package also has the arithmetic of a pushed stream, so that the client knows
// what was due without being told.
package order

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"wsgauge/loadgen/schedule"
)

// Magic begins every order and answer.
const Magic = "\x00wsgauge order\r\n"

// MaxBytes bounds an order and an answer.
const MaxBytes = 4 << 10

// Bounds of what can be asked for.
const (
	MaxMessage   = 16 << 20 // bytes of a pushed message
	MaxBroadcast = 1 << 20  // bytes of a message that is broadcast
	MinMessage   = 16       // bytes of a message that says when it was due
	MinText      = 40       // the same of a text
	maxFragments = 1024
	maxRate      = 1e6 // a second, of one stream
	minEvery     = 1000
	maxLength    = int64(400 * 24 * 3600 * 1e9)
	maxGroup     = 256
)

// Order asks for exactly one thing.
type Order struct {
	Serial uint32 `json:"serial"` // comes back in the answers
	Push   *Push  `json:"push,omitempty"`
	Join   *Join  `json:"join,omitempty"`
	Ping   *Ping  `json:"ping,omitempty"`
	Stop   bool   `json:"stop,omitempty"`
}

// Push asks for a stream of messages. Times are nanoseconds.
type Push struct {
	Conn  uint32 `json:"conn"` // what the messages say as their connection
	Seed  uint64 `json:"seed"` // of this stream
	Clock string `json:"clock"`
	Start int64  `json:"start"` // on Clock, when the backend has the same
	In    int64  `json:"in"`    // else so long after the order comes

	// One of Rate, a second, and Every.
	Rate    float64 `json:"rate,omitempty"`
	Poisson bool    `json:"poisson,omitempty"` // with Rate; else even distances
	Every   int64   `json:"every,omitempty"`
	Offset  int64   `json:"offset,omitempty"` // of the first message; without Poisson

	Warmup int64 `json:"warmup,omitempty"` // before For; what is skipped in it is not counted
	For    int64 `json:"for"`

	Min       int       `json:"min,omitempty"`
	Max       int       `json:"max,omitempty"`
	Bytes     []int     `json:"bytes,omitempty"`
	Weights   []float64 `json:"weights,omitempty"`
	Text      bool      `json:"text,omitempty"`
	Fragments int       `json:"fragments,omitempty"`
}

// Join makes the connection a member of a group: what one member sends goes to all,
// to the sender too, whole and in the order of their arrival.
type Join struct {
	Group string `json:"group"`
}

// Ping asks for a ping every so many nanoseconds, the first after In.
type Ping struct {
	Every int64 `json:"every"`
	In    int64 `json:"in"`
}

// Answer is what the backend says to an order.
type Answer struct {
	Serial uint32 `json:"serial"`
	Answer bool   `json:"answer"`          // always true: an order has none
	Error  string `json:"error,omitempty"` // nothing was done
	Clock  string `json:"clock"`
	// Ended tells that everything of a push has been sent before this, but for
	// Skipped messages of the window that were due while too much waited already.
	Ended   bool  `json:"ended,omitempty"`
	Skipped int64 `json:"skipped,omitempty"`
	// Round is the last round trip of a ping that no ping has told, in nanoseconds.
	Round int64 `json:"round,omitempty"`
}

// Append appends an order or an answer as the payload of a message.
func Append(dst []byte, v any) ([]byte, error) {
	p, err := json.Marshal(v)
	if err != nil {
		return dst, err
	}
	if len(p) > MaxBytes-len(Magic) {
		return dst, fmt.Errorf("an order of %d bytes; the backend takes %d", len(p)+len(Magic), MaxBytes)
	}
	return append(append(dst, Magic...), p...), nil
}

// Is tells whether a payload is an order or an answer.
func Is(payload []byte) bool {
	return len(payload) >= len(Magic) && len(payload) <= MaxBytes && string(payload[:len(Magic)]) == Magic
}

// ReadOrder reads and checks an order.
func ReadOrder(payload []byte) (*Order, error) {
	o := &Order{}
	d := json.NewDecoder(bytes.NewReader(payload[len(Magic):]))
	d.DisallowUnknownFields()
	if err := d.Decode(o); err != nil {
		return nil, fmt.Errorf("order: %w", err)
	}
	return o, o.Check()
}

// ReadAnswer reads an answer; Answer is false when it is an order that came back.
func ReadAnswer(payload []byte) (*Answer, error) {
	a := &Answer{}
	if err := json.Unmarshal(payload[len(Magic):], a); err != nil {
		return nil, fmt.Errorf("answer to an order: %w", err)
	}
	return a, nil
}

// Check tells what the backend would refuse.
func (o *Order) Check() error {
	things := 0
	for _, is := range []bool{o.Push != nil, o.Join != nil, o.Ping != nil, o.Stop} {
		if is {
			things++
		}
	}
	switch {
	case things != 1:
		return errors.New("an order asks for exactly one of push, join, ping and stop")
	case o.Push != nil:
		return o.Push.check()
	case o.Join != nil && (o.Join.Group == "" || len(o.Join.Group) > maxGroup):
		return fmt.Errorf("join: a group has a name of 1 to %d bytes", maxGroup)
	case o.Ping != nil && (o.Ping.Every < 1e6 || o.Ping.Every > maxLength || o.Ping.In < 0 || o.Ping.In > maxLength):
		return errors.New("ping: every is 1 ms at least")
	}
	return nil
}

func (p *Push) check() error {
	switch {
	case (p.Rate != 0) == (p.Every != 0):
		return errors.New("push: one of rate and every")
	case p.Rate != 0 && !(p.Rate > 0 && p.Rate <= maxRate), p.Every != 0 && (p.Every < minEvery || p.Every > maxLength):
		return fmt.Errorf("push: at most %g messages a second", maxRate)
	case p.Warmup < 0 || p.For <= 0 || p.Warmup > maxLength || p.For > maxLength || p.Offset < 0 || p.Offset > maxLength || p.In < 0 || p.In > maxLength:
		return errors.New("push: a time that is negative or too long")
	case p.Fragments < 0 || p.Fragments > maxFragments:
		return fmt.Errorf("push: at most %d fragments", maxFragments)
	}
	least := MinMessage
	if p.Text {
		least = MinText
	}
	for _, n := range append([]int{p.Min, p.Max}, p.Bytes...) {
		if len(p.Bytes) > 0 && n == 0 {
			continue // Min and Max of a choice
		}
		if n < least || n > MaxMessage {
			return fmt.Errorf("push: a message of %d bytes; give %d to %d", n, least, MaxMessage)
		}
	}
	_, err := p.sizes()
	return err
}

func (p *Push) sizes() (schedule.Sizes, error) {
	return schedule.NewSizes(p.Min, p.Max, p.Bytes, p.Weights)
}

// Clock names the clock that [evloop.Now] reads: two processes whose clocks have
// the same name, which is not empty, read the same time.
func Clock() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	space, err := os.Readlink("/proc/self/ns/time") // CLOCK_MONOTONIC may differ by namespace
	if err != nil {
		space = ""
	}
	return strings.TrimSpace(strings.TrimSpace(string(boot)) + " " + space)
}
