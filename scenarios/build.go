package scenarios

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"
)

// builder turns raw values into a scenario and reports what only several of them
// together show.
type builder struct {
	*mistakes
	targets map[string]mark // by name
	steps   map[string]mark // by id, which is the place of those without
	parents []string        // the ids of those that run others
	total   int             // steps
	backend *rawBackend
	raw     *rawScenario
}

// build makes a scenario of raw values, and returns what knows their places.
func build(raw *rawScenario, m *mistakes) (*Scenario, *builder) {
	b := &builder{backend: &raw.Backend, raw: raw, mistakes: m, targets: map[string]mark{}, steps: map[string]mark{}}
	s := &Scenario{
		Name:    raw.Name.v,
		About:   raw.About.v,
		Backend: b.echoes(),
		Blocks:  raw.Blocks.v,
		Seed:    raw.Seed.v,
		Agents:  Agents{Count: raw.Agents.Count.v, Workers: raw.Agents.Workers.v, CPUs: raw.Agents.CPUs.v},
	}
	for i := range raw.Targets {
		s.Targets = append(s.Targets, b.target(&raw.Targets[i]))
	}
	s.Netns = b.netns()
	s.Steps = b.stepList(raw.Steps, "", 0)
	b.checkCourse(raw.Steps)
	b.checkOrders(raw.Steps)
	b.checkTogether(raw.Steps)
	b.checkLength(s.Steps)
	for _, t := range raw.Expect {
		b.expectation(s, t)
	}
	s.Claim = b.claim(s)
	return s, b
}

// longestTrial bounds the steps of one trial together: as long as one duration may
// be. More is a slip, such as a repeat within a repeat.
const longestTrial = 366 * 24 * time.Hour

// checkLength reports the step with which a trial becomes absurdly long, the
// innermost one that is too long by itself.
func (b *builder) checkLength(steps []Step) {
	sum := time.Duration(0)
	for i := range steps {
		one := steps[i].length()
		if sum += min(one, longestTrial); one <= longestTrial && sum <= longestTrial {
			continue
		}
		if r := steps[i].Repeat; r != nil && lengthOf(r.Steps) > longestTrial {
			b.checkLength(r.Steps)
			return
		}
		if t := steps[i].Together; t != nil {
			if i := slices.IndexFunc(t.Branches, func(list []Step) bool { return lengthOf(list) > longestTrial }); i >= 0 {
				b.checkLength(t.Branches[i])
				return
			}
		}
		length := lengthOf(steps[:i+1])
		total := fmt.Sprintf("%.0f days", length.Hours()/24)
		if length == math.MaxInt64 {
			total = "more than 292 years"
		}
		b.add(b.steps[steps[i].ID], "make it shorter, or repeat less often", "with this step one trial takes %s; %d days are the most", total, int(longestTrial.Hours()/24))
		return
	}
}

// figureHeads begin figures that take any word after them. A target or step of
// that name would make expectations mean two things.
var figureHeads = []string{"failures", "closures", "log", "http"}

func (b *builder) checkName(t text, what string) {
	if t.known && slices.Contains(figureHeads, t.v) {
		b.add(t.mark, "", "%s cannot be called %s: expectations begin figures with that word", what, t.v)
	}
}

func (b *builder) target(raw *rawTarget) Target {
	t := Target{Name: raw.Name.v, CPUs: raw.CPUs.v}
	if raw.Name.known {
		b.checkName(raw.Name, "a target")
		if first, twice := b.targets[t.Name]; twice {
			b.add(raw.Name.mark, fmt.Sprintf("line %d has it already", first.line), "duplicate target %q", t.Name)
		}
		b.targets[t.Name] = raw.Name.mark
	}
	if n := raw.Nofile; n.given() {
		t.Nofile = Nofile{Soft: uint64(n.Soft.v), Hard: uint64(n.Hard.v)}
		if n.Soft.known && n.Hard.known && n.Soft.v > n.Hard.v {
			b.add(n.Soft.mark, "", "nofile: the soft limit %d is more than the hard limit %d", n.Soft.v, n.Hard.v)
		}
	}
	b.oneKind(raw.section, raw, "target")
	switch {
	case raw.Apache.given():
		t.Apache = b.apache(&raw.Apache)
	case raw.Nginx.given():
		t.Nginx = b.peer(&raw.Nginx)
	case raw.HAProxy.given():
		t.HAProxy = b.peer(&raw.HAProxy)
	case raw.Caddy.given():
		t.Caddy = b.caddy(&raw.Caddy)
	case raw.Command.given():
		t.Command = b.command(&raw.Command)
	case raw.External.given():
		t.External = b.external(raw)
	case raw.Tunnel.given():
		t.Tunnel = b.tunnel(&raw.Tunnel)
	case raw.Direct.given():
		t.Direct = true
		if raw.Nofile.given() || raw.CPUs.given() {
			b.add(raw.mark, "remove nofile and cpus", "direct has no processes that a limit could hold")
		}
	}
	return t
}

func (b *builder) tunnel(raw *rawTunnel) *Tunnel {
	t := &Tunnel{MaxTunnels: raw.MaxTunnels.v, IdleTimeout: raw.IdleTimeout.v, Processes: max(raw.Processes.v, 1)}
	if max, n := raw.MaxTunnels, t.Processes; max.known && max.v < n {
		b.add(max.mark, "", "max_tunnels: %d is fewer than one for each of %d processes", max.v, n)
	}
	t.TLS = b.tls(&raw.TLS)
	i := &raw.Inject
	if !i.given() {
		return t
	}
	t.Inject = &Inject{Delay: i.Delay.v, Jitter: i.Jitter.v, Stall: Stall{For: i.Stall.For.v, Every: i.Stall.Every.v},
		CPU: i.CPU.v, Path: i.Path.v, LeakFDEvery: i.LeakFDEvery.v, LeakBytes: i.LeakBytes.v}
	switch p := i.Path; {
	case p.given() && i.Delay.v == 0 && i.Jitter.v == 0 && i.CPU.v == 0:
		b.add(p.mark, "add one of them, or remove path", "path narrows delay, jitter and cpu, and there is none of them")
	case strings.ContainsAny(p.v, "?#,{"):
		b.add(p.mark, "", "path: %q is compared with the path of a request: no query, no comma, no {conn}", p.v)
	}
	if s := &i.Stall; s.For.known && s.Every.known && s.For.v >= s.Every.v {
		b.add(s.For.mark, "make every longer", "stall: %v once every %v never ends", s.For.v, s.Every.v)
	}
	return t
}

// oneKind checks that exactly one section of a raw target or step is given. One
// whose key was mistaken has been reported by the decoder.
func (b *builder) oneKind(at section, entry any, what string) {
	v := reflect.ValueOf(entry).Elem()
	keys, _ := keysOf(v.Type())
	var kinds, given []string
	second := at.mark
	for _, f := range keys {
		s, isKind := v.Field(f.index).Interface().(interface{ kind() mark })
		if !isKind {
			continue
		}
		kinds = append(kinds, f.name)
		if m := s.kind(); m.given() {
			given = append(given, f.name)
			second = m
		}
	}
	switch {
	case len(given) > 1:
		b.add(second, "make a "+what+" of each", "a %s has exactly one kind; this one has %s", what, strings.Join(given, " and "))
	case len(given) == 0 && !at.mistaken:
		b.add(at.mark, "its kind is one of "+strings.Join(kinds, ", "), "the %s has no kind", what)
	}
}

// kind marks the sections that are kinds of a target or a step.
func (s rawDirect) kind() mark      { return s.mark }
func (s rawTunnel) kind() mark      { return s.mark }
func (s rawApache) kind() mark      { return s.mark }
func (s rawPeer) kind() mark        { return s.mark }
func (s rawCommand) kind() mark     { return s.mark }
func (s rawExternal) kind() mark    { return s.mark }
func (s rawConnect) kind() mark     { return s.mark }
func (s rawSend) kind() mark        { return s.mark }
func (s rawHold) kind() mark        { return s.mark }
func (s rawClose) kind() mark       { return s.mark }
func (s rawWait) kind() mark        { return s.mark }
func (s rawRepeat) kind() mark      { return s.mark }
func (s rawHTTP) kind() mark        { return s.mark }
func (s rawSignal) kind() mark      { return s.mark }
func (s rawBackendStep) kind() mark { return s.mark }
func (s rawTogether) kind() mark    { return s.mark }
