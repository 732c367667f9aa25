package scenarios

import (
	"fmt"
	"strconv"
	"time"
)

// stepList turns a list of raw steps into steps. Their places begin with that of
// what stands around them.
func (b *builder) stepList(raw stepList, around string, depth int) []Step {
	var steps []Step
	for i := range raw {
		place := strconv.Itoa(i + 1)
		if around != "" {
			place = around + "." + place
		}
		steps = append(steps, b.step(&raw[i], place, depth))
	}
	return steps
}

func (b *builder) step(raw *rawStep, place string, depth int) Step {
	s := Step{ID: place, Place: place}
	if raw.ID.known {
		s.ID = raw.ID.v
		b.stepName(raw.ID)
	}
	b.steps[s.ID] = raw.mark
	if b.total++; b.total == maxSteps+1 {
		b.add(raw.mark, "", "the scenario has more than %d steps", maxSteps)
	}
	b.oneKind(raw.section, raw, "step")
	switch {
	case raw.Connect.given():
		s.Connect = b.connect(&raw.Connect)
		s.Connect.TLS = b.clientTLS(&raw.Connect.TLS)
	case raw.Send.given():
		s.Send = b.send(&raw.Send)
	case raw.Hold.given():
		s.Hold = &Hold{Group: raw.Hold.Group.v, For: raw.Hold.For.v, PingEvery: raw.Hold.Ping.Every.v}
		if s.Hold.PingEvery > 0 {
			s.Hold.PingFrom = raw.Hold.Ping.From.v
		}
		b.backendPing(&raw.Hold.Ping)
	case raw.Close.given():
		s.Close = b.close(&raw.Close)
	case raw.Wait.given():
		s.Wait = b.wait(&raw.Wait)
	case raw.HTTP.given():
		s.HTTP = b.http(&raw.HTTP)
	case raw.Signal.given():
		s.Signal = b.signal(&raw.Signal)
	case raw.Backend.given():
		s.Backend = b.backendStep(&raw.Backend)
	case raw.Together.given():
		b.parents = append(b.parents, s.ID)
		s.Together = b.together(&raw.Together, place, depth)
	case raw.Repeat.given():
		b.parents = append(b.parents, s.ID)
		s.Repeat = b.repeat(&raw.Repeat, place, depth)
	}
	return s
}

func (b *builder) stepName(id text) {
	b.checkName(id, "a step")
	if first, twice := b.steps[id.v]; twice {
		b.add(id.mark, fmt.Sprintf("line %d has it already", first.line), "duplicate id %q", id.v)
	}
	if t, twice := b.targets[id.v]; twice {
		b.add(id.mark, fmt.Sprintf("line %d has the target; expectations name both", t.line), "the id %q is the name of a target", id.v)
	}
}

func (b *builder) connect(raw *rawConnect) *Connect {
	c := &Connect{
		Connections: raw.Connections.v, Until: raw.Until.v, Rate: raw.Rate.v, Group: raw.Group.v, Timeout: raw.Timeout.v,
		OnTimeout: raw.OnTimeout.v, Path: raw.Path.v, Subprotocol: raw.Subprotocol.v, Behave: raw.Behave.v, Lifetime: raw.Lifetime.v,
	}
	if r := &raw.Reconnect; r.given() {
		c.Reconnect = &Reconnect{After: r.After.v, Factor: r.Factor.v, Jitter: r.Jitter.v, Max: max(r.Max.v, r.After.v)}
		if r.Max.given() && r.Max.known && r.After.known && r.Max.v < r.After.v {
			b.add(r.Max.mark, "", "reconnect: the longest delay %v is less than the first, %v", r.Max.v, r.After.v)
		}
	}
	c.Headers = raw.Headers.values()
	return c
}

// values are the headers by name; nil for none.
func (h headers) values() map[string]string {
	if len(h) == 0 {
		return nil
	}
	all := map[string]string{}
	for _, one := range h {
		all[one.name] = one.value.v
	}
	return all
}

func (b *builder) send(raw *rawSend) *Send {
	s := &Send{
		Group: raw.Group.v, Rate: raw.Rate.v, Every: raw.Every.v, Phase: raw.Phase.v, For: raw.For.v,
		Warmup: raw.Warmup.v, Drain: raw.Drain.v, Arrivals: raw.Arrivals.v, Text: raw.Text.v, Fragments: raw.Fragments.v,
		Loop: raw.Loop.v, Pattern: raw.Pattern.v,
		Size: Size{Fixed: raw.Size.fixed.v, Choose: raw.Size.choose.v},
	}
	if raw.Size.uniform.known {
		s.Size.Uniform = &raw.Size.uniform.v
	}
	b.pattern(raw, s)
	switch {
	case raw.Loop.v == "closed":
		b.closedLoop(raw, s)
	case raw.Rate.given() && raw.Every.given():
		b.add(raw.Every.mark, "rate is of all connections together, every of each", "send has either rate or every, not both")
	case raw.Rate.given():
		s.Phase = ""
		if raw.Phase.given() {
			b.add(raw.Phase.mark, "remove it, or write every in place of rate", "phase goes with every; with rate each message has a random connection")
		}
	case raw.Every.given():
		s.Arrivals = ""
		if raw.Arrivals.given() {
			b.add(raw.Arrivals.mark, "remove it, or use phase", "arrivals goes with rate; with every each connection sends once a period")
		}
		if !raw.Warmup.given() {
			s.Warmup = s.Every
		}
	case !raw.mistaken:
		b.add(raw.mark, "such as rate: 3000/s, or every: 1s for each connection", "send needs one of the keys rate and every")
	}
	return s
}

// closedLoop refuses what has no meaning when answers decide when messages are sent.
func (b *builder) closedLoop(raw *rawSend, s *Send) {
	s.Phase, s.Arrivals = "", ""
	for _, k := range []struct {
		key string
		at  mark
	}{{"rate", raw.Rate.mark}, {"every", raw.Every.mark}, {"phase", raw.Phase.mark}, {"arrivals", raw.Arrivals.mark}} {
		if k.at.given() {
			b.add(k.at, "remove it: each connection sends when its answer came", "a closed loop has no %s", k.key)
		}
	}
	if raw.Pattern.known && raw.Pattern.v != "echo" {
		b.add(raw.Pattern.mark, "remove loop: closed", "pattern %s has no answers that a closed loop could wait for", raw.Pattern.v)
	}
}

// Messages that are not answered have to say when they were due, and a broadcast
// stands in the backend's memory as a whole.
const (
	smallestTold     = 16
	smallestToldText = 40
	largestBroadcast = 1 << 20
)

// What the backend does on its own schedule is bounded for each connection: it refuses
// an order for more.
const (
	shortestPing   = time.Millisecond
	shortestPush   = time.Microsecond
	fastestPush    = 1e6 // a second
	longestPushGap = 366 * 24 * time.Hour
)

// backendPing refuses heartbeats that the backend would not send so often.
func (b *builder) backendPing(raw *rawPing) {
	if e := raw.Every; e.known && raw.From.v == "backend" && e.v < shortestPing {
		b.add(e.mark, "make it longer, or leave out from: backend", "ping: every %v is too little for the backend, at least %v", e.v, shortestPing)
	}
}

// pattern checks that sizes and periods suit the pattern.
func (b *builder) pattern(raw *rawSend, s *Send) {
	if s.Pattern != "push" && s.Pattern != "broadcast" {
		return
	}
	least := smallestTold
	if s.Text {
		least = smallestToldText
	}
	low, high := s.Size.bounds()
	if low > 0 && low < least {
		b.add(raw.sizePlace(), "", "pattern %s: a message of %d bytes cannot say when it was due, which takes %d (%d as text)",
			s.Pattern, low, smallestTold, smallestToldText)
	}
	if e := raw.Every; s.Pattern == "push" && e.known && e.v < shortestPush {
		b.add(e.mark, "make it longer, and open more connections", "pattern push: every %v is too little for the backend, at least %v", e.v, shortestPush)
	}
	if s.Pattern == "broadcast" && high > largestBroadcast {
		b.add(raw.sizePlace(), "", "pattern broadcast: the backend keeps a message until everyone has it, and takes 1MiB at most")
	}
}

// bounds returns the smallest and largest size that can be drawn; 0 when unknown.
func (s Size) bounds() (low, high int) {
	if s.Uniform != nil {
		return s.Uniform[0], s.Uniform[1]
	}
	low, high = s.Fixed, s.Fixed
	for i, w := range s.Choose {
		if i == 0 {
			low, high = w.Bytes, w.Bytes
		}
		low, high = min(low, w.Bytes), max(high, w.Bytes)
	}
	return low, high
}

// sizePlace is where a size is written, or the step when it is the default.
func (raw *rawSend) sizePlace() mark {
	if raw.Size.given() {
		return raw.Size.mark
	}
	return raw.mark
}

func (b *builder) close(raw *rawClose) *Close {
	if raw.Pick.given() && !raw.Connections.given() {
		b.add(raw.Pick.mark, "remove it, or say how many connections", "pick goes with connections; without, all are closed")
	}
	return &Close{Group: raw.Group.v, Connections: raw.Connections.v, Pick: raw.Pick.v, How: raw.How.v}
}

func (b *builder) repeat(raw *rawRepeat, place string, depth int) *Repeat {
	switch {
	case raw.Times.given() && raw.For.given():
		b.add(raw.For.mark, "", "repeat has either times or for, not both")
	case !raw.Times.given() && !raw.For.given() && !raw.mistaken:
		b.add(raw.mark, "such as times: 10, or for: 10m", "repeat needs one of the keys times and for")
	}
	if depth+1 > maxRepeats {
		b.tooDeep(raw.mark)
		return &Repeat{}
	}
	return &Repeat{Times: raw.Times.v, For: raw.For.v, Steps: b.stepList(raw.Steps, place, depth+1)}
}
