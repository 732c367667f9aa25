package scenarios

import (
	"fmt"
	"strconv"
)

// stepList turns a list of raw steps into steps. Their places begin with that of
// the repeat around them.
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
		s.Connect = raw.Connect.build()
		s.Connect.TLS = b.clientTLS(&raw.Connect.TLS)
	case raw.Send.given():
		s.Send = b.send(&raw.Send)
	case raw.Hold.given():
		s.Hold = &Hold{Group: raw.Hold.Group.v, For: raw.Hold.For.v, PingEvery: raw.Hold.Ping.Every.v}
	case raw.Close.given():
		s.Close = b.close(&raw.Close)
	case raw.Wait.given():
		s.Wait = &Wait{For: raw.Wait.For.v}
	case raw.Repeat.given():
		b.repeats = append(b.repeats, s.ID)
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

func (raw *rawConnect) build() *Connect {
	c := &Connect{
		Connections: raw.Connections.v, Rate: raw.Rate.v, Group: raw.Group.v, Timeout: raw.Timeout.v,
		OnTimeout: raw.OnTimeout.v, Path: raw.Path.v, Subprotocol: raw.Subprotocol.v,
	}
	for _, h := range raw.Headers {
		if c.Headers == nil {
			c.Headers = map[string]string{}
		}
		c.Headers[h.name] = h.value.v
	}
	return c
}

func (b *builder) send(raw *rawSend) *Send {
	s := &Send{
		Group: raw.Group.v, Rate: raw.Rate.v, Every: raw.Every.v, Phase: raw.Phase.v, For: raw.For.v,
		Warmup: raw.Warmup.v, Drain: raw.Drain.v, Arrivals: raw.Arrivals.v, Text: raw.Text.v, Fragments: raw.Fragments.v,
		Size: Size{Fixed: raw.Size.fixed.v, Choose: raw.Size.choose.v},
	}
	if raw.Size.uniform.known {
		s.Size.Uniform = &raw.Size.uniform.v
	}
	switch {
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
		b.add(raw.mark, "", "more than %d repeats stand within each other", maxRepeats)
		return &Repeat{}
	}
	return &Repeat{Times: raw.Times.v, For: raw.For.v, Steps: b.stepList(raw.Steps, place, depth+1)}
}
