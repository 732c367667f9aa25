package scenarios

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

func (b *builder) wait(raw *rawWait) *Wait {
	w := &Wait{For: raw.For.v, Until: raw.Until.v}
	switch {
	case raw.For.given() && raw.Until.given():
		b.add(raw.Until.mark, "with until, limit is the longest wait", "wait has either for or until, not both")
	case !raw.For.given() && !raw.Until.given() && !raw.mistaken:
		b.add(raw.mark, "such as for: 1s, or until: drained", "wait needs one of the keys for and until")
	case raw.Until.given():
		w.Limit = raw.Limit.v
	case raw.Limit.given():
		b.add(raw.Limit.mark, "remove it", "limit goes with until; for says how long it is")
	}
	return w
}

func (b *builder) http(raw *rawHTTP) *HTTP {
	const hint = "requests have no numbers; leave it out"
	if strings.Contains(raw.Path.v, "{conn}") {
		b.add(raw.Path.mark, hint, "path: there is no {conn} in http")
	}
	for _, h := range raw.Headers {
		if strings.Contains(h.value.v, "{conn}") {
			b.add(h.value.mark, hint, "%s: there is no {conn} in http", h.name)
		}
	}
	return &HTTP{Rate: raw.Rate.v, For: raw.For.v, Warmup: raw.Warmup.v, Drain: raw.Drain.v, Arrivals: raw.Arrivals.v,
		Path: raw.Path.v, Headers: raw.Headers.values(), Connections: raw.Connections.v, Timeout: raw.Timeout.v, NewEach: raw.NewEach.v}
}

func (b *builder) signal(raw *rawSignal) *Signal {
	s := &Signal{Action: raw.Action.v}
	switch s.Action {
	case "graceful", "restart":
		s.Within = raw.Within.v
	default:
		if raw.Within.given() && raw.Action.known {
			b.add(raw.Within.mark, "remove it", "within goes with graceful and restart; no handshake is waited for after %s", s.Action)
		}
	}
	return s
}

func (b *builder) backendStep(raw *rawBackendStep) *BackendStep {
	if x := b.backend.External; x.given() {
		b.add(raw.mark, "remove the step", "backend: an external one is not wsgauge's to %s", cmp.Or(raw.Action.v, "act on"))
	} else if n, have := raw.Instance, b.backend.Instances; n.known && have.known && n.v > have.v {
		b.add(n.mark, "raise the backend's instances", "instance %d: the backend has %d", n.v, have.v)
	}
	return &BackendStep{Action: raw.Action.v, Instance: raw.Instance.v}
}

func (b *builder) tooDeep(at mark) {
	b.add(at, "", "more than %d repeats and togethers stand within each other", maxRepeats)
}

// together gives a branch that is one step the place of the branch, and the steps of
// a list places within it.
func (b *builder) together(raw *rawTogether, place string, depth int) *Together {
	t := &Together{Until: raw.Until.v}
	if depth+1 > maxRepeats {
		b.tooDeep(raw.mark)
		return t
	}
	for i := range raw.Branches {
		branch, at := &raw.Branches[i], place+"."+strconv.Itoa(i+1)
		if branch.single {
			t.Branches = append(t.Branches, []Step{b.step(&branch.steps[0], at, depth+1)})
		} else {
			t.Branches = append(t.Branches, b.stepList(branch.steps, at, depth+1))
		}
	}
	return t
}

// touch is a step that works on the connections of a group; of all for an empty one.
type touch struct {
	at    mark
	kind  string
	group string
}

// touches lists the steps of a branch that work on connections.
func (l stepList) touches() []touch {
	var all []touch
	l.each(func(s *rawStep) {
		for _, k := range []struct {
			kind  string
			at    mark
			group text
		}{
			{"connect", s.Connect.mark, s.Connect.Group}, {"send", s.Send.mark, s.Send.Group},
			{"hold", s.Hold.mark, s.Hold.Group}, {"close", s.Close.mark, s.Close.Group},
		} {
			if k.at.given() && (k.group.known || !k.group.given()) {
				all = append(all, touch{k.at, k.kind, k.group.v})
			}
		}
	})
	return all
}

// checkTogether reports branches of one together that work on the same connections:
// what a step finds there would depend on who is faster.
func (b *builder) checkTogether(steps stepList) {
	steps.each(func(s *rawStep) {
		var before []touch
		for i := range s.Together.Branches {
			mine := s.Together.Branches[i].steps.touches()
			if b.apart(before, mine) {
				before = append(before, mine...)
			}
		}
	})
}

// apart tells whether no step of one list works on the connections of one of the
// others, and reports the first that does.
func (b *builder) apart(others, mine []touch) bool {
	for _, m := range mine {
		i := slices.IndexFunc(others, func(o touch) bool { return m.group == "" || o.group == "" || m.group == o.group })
		if i < 0 {
			continue
		}
		o := others[i]
		b.add(m.at, "give each branch groups of its own, or put the steps into one branch",
			"together: %s works on %s, and so does the %s on line %d of another branch", m.kind, groupName(cmp.Or(m.group, o.group)), o.kind, o.at.line)
		return false
	}
	return true
}

func groupName(group string) string {
	if group == "" {
		return "all groups"
	}
	return "group " + group
}
