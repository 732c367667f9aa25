package scenarios

import (
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Values that are written in more than one way, or hold a number of others.

// Bounds on how much a file asks for.
const (
	maxTargets = 64
	maxSteps   = 1000 // repeat's own included
	maxRepeats = 4    // within each other, and together's
	maxExpects = 1000
	maxHeaders = 64
	maxChoices = 64

	maxBranches = 64
	maxTexts    = 64 // of a command
	maxFiles    = 16
	maxPIDs     = 64
)

// largestMessage is what the echo backend takes.
const (
	largestMessage = 16 << 20
	largestText    = "16MiB"
)

// rawParams has been read before everything else.
type rawParams struct{ section }

func (p *rawParams) read(d *decoder, n *node, _ *field) {
	p.mark = n.mark
	if n.kind != mappingNode && n.kind != nullNode {
		d.add(n.mark, "such as params: {n: 300}", "params is a mapping of names to values, not %s", n.describe())
	}
}

func (b *rawBackend) read(d *decoder, n *node, f *field) {
	if n.kind != scalarNode {
		d.section(n, reflect.ValueOf(b).Elem(), f.name)
		return
	}
	keys, _ := keysOf(reflect.TypeFor[rawBackend]())
	runtime := keys[0]
	runtime.name = f.name
	b.mark = n.mark
	b.Runtime.read(d, n, &runtime)
	d.defaults(reflect.ValueOf(b).Elem(), map[string]mark{"runtime": n.mark})
}

func (a *rawAgents) read(d *decoder, n *node, f *field) {
	if n.kind != scalarNode {
		d.section(n, reflect.ValueOf(a).Elem(), f.name)
		return
	}
	keys, _ := keysOf(reflect.TypeFor[rawAgents]())
	number := keys[0]
	number.name = f.name
	a.mark = n.mark
	a.Count.read(d, n, &number)
	d.defaults(reflect.ValueOf(a).Elem(), map[string]mark{"count": n.mark})
}

func (l *rawNofile) read(d *decoder, n *node, f *field) {
	if n.kind != scalarNode {
		d.section(n, reflect.ValueOf(l).Elem(), f.name)
		return
	}
	keys, _ := keysOf(reflect.TypeFor[rawNofile]())
	both := keys[0]
	both.name = f.name
	l.mark = n.mark
	l.Soft.read(d, n, &both)
	l.Hard = l.Soft
}

func (s *rawSignal) read(d *decoder, n *node, f *field) {
	if n.kind != scalarNode {
		d.section(n, reflect.ValueOf(s).Elem(), f.name)
		return
	}
	keys, _ := keysOf(reflect.TypeFor[rawSignal]())
	action := keys[0]
	action.name = f.name
	s.mark = n.mark
	s.Action.read(d, n, &action)
	d.defaults(reflect.ValueOf(s).Elem(), map[string]mark{"action": n.mark})
}

func (s *rawBackendStep) read(d *decoder, n *node, f *field) {
	if n.kind != scalarNode {
		d.section(n, reflect.ValueOf(s).Elem(), f.name)
		return
	}
	keys, _ := keysOf(reflect.TypeFor[rawBackendStep]())
	action := keys[0]
	action.name = f.name
	s.mark = n.mark
	s.Action.read(d, n, &action)
}

// A list alone is the branches.
func (t *rawTogether) read(d *decoder, n *node, f *field) {
	if n.kind != listNode {
		d.section(n, reflect.ValueOf(t).Elem(), f.name)
		return
	}
	before := len(d.found)
	keys, _ := keysOf(reflect.TypeFor[rawTogether]())
	branches := keys[0]
	branches.name = f.name
	t.Branches.read(d, n, &branches)
	t.locate(n.mark, len(d.found) > before)
}

// branch is steps one after the other; single tells that it was written as one step,
// not as a list.
type branch struct {
	steps  stepList
	single bool
}

type branchList []branch

func (l *branchList) read(d *decoder, n *node, f *field) {
	items, ok := d.list(n, f, "such as - hold: {for: 10s}", maxBranches)
	if !ok {
		return
	}
	for _, item := range items {
		var b branch
		if item.kind == listNode {
			b.steps.read(d, item, &field{name: "a branch"})
		} else {
			b.single = true
			b.steps = make(stepList, 1)
			d.section(item, reflect.ValueOf(&b.steps[0]).Elem(), "a branch")
		}
		*l = append(*l, b)
	}
}

type targetList []rawTarget

// bare are the kinds that may stand as a word alone.
var bare = []string{"direct", "tunnel"}

func (l *targetList) read(d *decoder, n *node, f *field) {
	items, ok := d.list(n, f, "such as targets: [direct, tunnel]", maxTargets)
	if !ok {
		return
	}
	for _, item := range items {
		var t rawTarget
		if item.kind == scalarNode {
			t.bareWord(d, item)
		} else {
			d.section(item, reflect.ValueOf(&t).Elem(), "a target")
		}
		*l = append(*l, t)
	}
}

func (t *rawTarget) bareWord(d *decoder, n *node) {
	t.section = section{n.mark, true}
	s, _, ok := d.substitute(n)
	if !ok {
		return
	}
	t.Name.leaf = leaf[string]{n.mark, s, true}
	keys, later := keysOf(reflect.TypeFor[rawTarget]())
	switch {
	case s == "direct":
		t.Direct.mark = n.mark
		return
	case s == "tunnel":
		t.Tunnel.mark = n.mark
		return
	case slices.Contains(later, s):
		d.unsupported(n, s)
	case slices.ContainsFunc(keys, func(f field) bool { return f.name == s }):
		d.add(n.mark, "write {name: NAME, "+s+": {...}}", "%q needs a name and keys of its own", s)
	default:
		hint := didYouMean(s, bare)
		d.add(n.mark, hint, "%s is no target; a word alone is %s", brief(s), strings.Join(bare, " or "))
	}
	t.Name.known = false
}

type stepList []rawStep

func (l *stepList) read(d *decoder, n *node, f *field) {
	items, ok := d.list(n, f, "such as - connect: {connections: 300}", maxSteps)
	if !ok {
		return
	}
	for _, item := range items {
		var s rawStep
		d.section(item, reflect.ValueOf(&s).Elem(), "a step")
		*l = append(*l, s)
	}
}

type expectTexts []text

func (l *expectTexts) read(d *decoder, n *node, f *field) {
	items, ok := d.list(n, f, `such as - "failures == 0"`, maxExpects)
	if !ok {
		return
	}
	for _, item := range items {
		var t text
		t.read(d, item, &field{name: "an expectation"})
		*l = append(*l, t)
	}
}

// list returns the entries of a list that has to hold at least one.
func (d *decoder) list(n *node, f *field, hint string, most int) ([]*node, bool) {
	switch {
	case n.kind != listNode:
		d.add(n.mark, hint, "%s is a list, not %s", f.name, n.describe())
	case len(n.items) == 0:
		d.add(n.mark, hint, "%s is empty", f.name)
	case len(n.items) > most:
		d.add(n.items[most].mark, "", "%s has %d entries, at most %d", f.name, len(n.items), most)
	default:
		return n.items, true
	}
	return nil, false
}

type header struct {
	name  string
	value text
}

type headers []header

var (
	headerName  = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
	headerValue = regexp.MustCompile("^[^\x00-\x08\x0a-\x1f\x7f]*$")
)

// handshake are the headers that the opening handshake writes itself (RFC 6455
// section 4.1), or that would break it.
var handshake = []string{"upgrade", "connection", "sec-websocket-key", "sec-websocket-version",
	"sec-websocket-protocol", "sec-websocket-extensions", "sec-websocket-accept", "content-length", "transfer-encoding"}

func (h *headers) read(d *decoder, n *node, f *field) {
	if n.kind == nullNode {
		return
	}
	if n.kind != mappingNode || len(n.entries) > maxHeaders {
		d.add(n.mark, "such as headers: {Origin: http://example.com}", "%s is a mapping of at most %d names to values, not %s", f.name, maxHeaders, n.describe())
		return
	}
	for _, e := range n.entries {
		name := e.key.text
		switch {
		case slices.ContainsFunc(*h, func(o header) bool { return strings.EqualFold(o.name, name) }):
			d.add(e.key.mark, "names of headers are the same in capitals and small letters", "duplicate header %s", brief(name))
			continue
		case !headerName.MatchString(name):
			d.add(e.key.mark, "", "%s is no name of a header", brief(name))
			continue
		case strings.EqualFold(name, "Sec-WebSocket-Protocol"):
			d.add(e.key.mark, "use the key subprotocol", "the header %s belongs to the handshake itself", name)
			continue
		case slices.Contains(handshake, strings.ToLower(name)):
			d.add(e.key.mark, "leave it out", "the header %s belongs to the handshake itself", name)
			continue
		}
		var v text
		v.read(d, e.value, &field{name: name})
		if v.known && !headerValue.MatchString(v.v) {
			d.add(v.mark, "", "%s: the value of a header holds no line breaks and other control characters", name)
			v.known = false
		}
		*h = append(*h, header{name, v})
	}
}

// rawSize is one size, or a mapping with exactly one of two keys.
type rawSize struct {
	section
	fixed   size
	uniform sizeRange
	choose  choices
}

// sizeField bounds every size of a message. An empty message is legal on the wire,
// but says nothing of who it is: its answer could not be told from another's.
var sizeField = field{name: "size", min: "1B", max: largestText, example: "128B"}

func (s *rawSize) read(d *decoder, n *node, f *field) {
	s.mark = n.mark
	if n.kind == scalarNode || n.kind == nullNode {
		s.fixed.read(d, n, &sizeField)
		return
	}
	const hint = "write 128B, {uniform: [16B, 1MiB]} or {choose: {128B: 9, 64KiB: 1}}"
	if n.kind != mappingNode || len(n.entries) != 1 {
		d.add(n.mark, hint, "%s is a size, or a mapping with one key, uniform or choose", f.name)
		return
	}
	switch key := n.entries[0].key; key.text {
	case "uniform":
		var u rawUniform
		d.section(n, reflect.ValueOf(&u).Elem(), f.name)
		s.uniform = u.Uniform
	case "choose":
		var c rawChoose
		d.section(n, reflect.ValueOf(&c).Elem(), f.name)
		s.choose = c.Choose
	default:
		d.add(key.mark, didYouMean(key.text, []string{"uniform", "choose"}), "unknown key %s in %s", brief(key.text), f.name)
	}
}

type sizeRange struct{ leaf[[2]int] }

func (r *sizeRange) read(d *decoder, n *node, f *field) {
	r.mark = n.mark
	if n.kind != listNode || len(n.items) != 2 {
		d.add(n.mark, "such as uniform: [16B, 1MiB]", "%s is a list of two sizes", f.name)
		return
	}
	var low, high size
	low.read(d, n.items[0], &sizeField)
	high.read(d, n.items[1], &sizeField)
	if !low.known || !high.known {
		return
	}
	if low.v >= high.v {
		d.add(low.mark, "the smaller one stands first; one size alone is size: 128B", "uniform: the first size is not less than the second")
		return
	}
	r.v, r.known = [2]int{low.v, high.v}, true
}

type choices struct{ leaf[[]Weighted] }

func (c *choices) read(d *decoder, n *node, f *field) {
	c.mark = n.mark
	if n.kind != mappingNode || len(n.entries) == 0 || len(n.entries) > maxChoices {
		d.add(n.mark, "such as choose: {128B: 9, 64KiB: 1}", "%s is a mapping of 1 to %d sizes to weights", f.name, maxChoices)
		return
	}
	c.known = true
	total := 0.0
	for _, e := range n.entries {
		var s size
		s.read(d, e.key, &sizeField)
		weight, ok := d.weight(e.value)
		if !s.known || !ok {
			c.known = false
			continue
		}
		if slices.ContainsFunc(c.v, func(w Weighted) bool { return w.Bytes == s.v }) {
			d.add(e.key.mark, "add its weights up", "choose: the size %s stands there already", e.key.text)
			c.known = false
		}
		total += weight
		c.v = append(c.v, Weighted{Bytes: s.v, Weight: weight})
	}
	if c.known && total == 0 {
		d.add(n.mark, "", "choose: every weight is 0")
		c.known = false
	}
}

var decimalForm = regexp.MustCompile(`^(0|[1-9][0-9]*)(\.[0-9]+)?$`)

// maxWeight bounds a weight, so that no sum of them overflows.
const maxWeight = 1e12

func (d *decoder) weight(n *node) (float64, bool) {
	f := &field{name: "weight", example: "1"}
	text, note, ok := d.number(n, f)
	if !ok {
		return 0, false
	}
	w, err := strconv.ParseFloat(text, 64)
	if !decimalForm.MatchString(text) || err != nil || w > maxWeight || math.IsNaN(w) {
		d.wrong(n, f, note, flawed("it is a number, 0 or more", "%s will not do", shown(text)))
		return 0, false
	}
	return w, true
}
