package scenarios

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// Claim is something that guides say of a proxy, and the rules by which the figures of
// a run decide whether it is so.
type Claim struct {
	ID        string
	Says      string
	Param     string      // a param of the file; empty: none is varied
	Values    []string    // of Param, each with a run of its own
	Rules     []ClaimRule // tried in order
	Otherwise string      // what is said when none of them holds; may hold placeholders
}

// ClaimRule gives a verdict when all of its expressions hold. They are texts here, as
// they stand in records, and have been checked: docs/scenarios.md has their grammar.
type ClaimRule struct {
	Verdict string   // holds | in_part | does_not_hold
	When    []string // expressions
	Because string   // may hold placeholders: {target.step.figure}
}

// maxClaimRules and maxClaimTerms bound the work of checking a claim.
const (
	maxClaimRules     = 32
	maxClaimRuns      = 16
	maxClaimTerms     = 64
	maxClaimExprBytes = 512
	maxClaimPattern   = 256 // bytes of a regular expression
	maxClaimPlaces    = 64  // placeholders of one text
)

// ruleList and claimTexts are lists of a claim.
type (
	ruleList   []rawRule
	claimTexts []text
)

func (l *ruleList) read(d *decoder, n *node, f *field) {
	items, ok := d.list(n, f, "such as - {verdict: holds, when: [...], because: ...}", maxClaimRules)
	if !ok {
		return
	}
	for _, item := range items {
		var r rawRule
		d.section(item, reflect.ValueOf(&r).Elem(), "a rule")
		*l = append(*l, r)
	}
}

func (l *claimTexts) read(d *decoder, n *node, f *field) {
	items, ok := d.list(n, f, `such as - "failures == 0"`, maxClaimTerms)
	if !ok {
		return
	}
	for _, item := range items {
		var t text
		t.read(d, item, &field{name: "an expression"})
		*l = append(*l, t)
	}
}

// eachParam is {name: [value, ...]} with the name of a param.
type eachParam struct {
	section
	name   text
	values []text
}

func (e *eachParam) read(d *decoder, n *node, f *field) {
	e.mark = n.mark
	const hint = "such as each: {backend: [go, node]}"
	if n.kind != mappingNode || len(n.entries) != 1 || n.entries[0].key.kind != scalarNode {
		d.add(n.mark, hint, "%s is a mapping of one param to its values", f.name)
		return
	}
	key := n.entries[0].key
	e.name.leaf = leaf[string]{key.mark, key.text, true}
	if d.params[key.text] == nil {
		d.add(key.mark, didYouMean(key.text, d.paramNames()), "%s: the scenario has no param %q", f.name, key.text)
		e.name.known = false
	}
	items, ok := d.list(n.entries[0].value, &field{name: key.text}, hint, maxClaimRuns)
	if !ok {
		return
	}
	for _, item := range items {
		var t text
		t.read(d, item, &field{name: key.text})
		switch {
		case !t.known:
		case slices.ContainsFunc(e.values, func(o text) bool { return o.v == t.v }):
			d.add(t.mark, "", "%s stands there already", brief(t.v))
		case len(t.v) > maxParamBytes:
			d.add(t.mark, "", "a param's value has at most %d bytes, this one has %d", maxParamBytes, len(t.v))
		default:
			e.values = append(e.values, t)
		}
	}
}

// claim checks what stands in a claim against the targets and steps of the file.
func (b *builder) claim(s *Scenario) *Claim {
	raw := &b.raw.Claim
	if !raw.given() {
		return nil
	}
	words := b.words(s)
	c := &Claim{ID: raw.ID.v, Says: strings.TrimSpace(raw.Says.v), Otherwise: strings.TrimSpace(raw.Otherwise.v)}
	if raw.Each.name.known {
		c.Param = raw.Each.name.v
	}
	for _, t := range raw.Each.values {
		c.Values = append(c.Values, t.v)
	}
	b.claimPlaces(raw.Otherwise, words)
	for i := range raw.Rules {
		r := &raw.Rules[i]
		rule := ClaimRule{Verdict: r.Verdict.v, Because: strings.TrimSpace(r.Because.v)}
		for _, t := range r.When {
			if !t.known {
				continue
			}
			rule.When = append(rule.When, strings.TrimSpace(t.v))
			if err := words.expression(t.v); err != nil {
				b.add(t.mark, err.hint, "%s", err.message)
			}
		}
		b.claimPlaces(r.Because, words)
		c.Rules = append(c.Rules, rule)
	}
	return c
}

// claimWords is what the expressions of a claim may name.
type claimWords struct {
	targets []string
	steps   []string
	parents []string // steps that have no figures of their own
	all     []Target
}

func (b *builder) words(s *Scenario) *claimWords {
	return &claimWords{slices.Sorted(maps.Keys(b.targets)), slices.Sorted(maps.Keys(b.steps)), b.parents, s.Targets}
}

const claimGrammar = `write [target.][step.]figure op value, or A op B, A op 2 * B, A op B + value with figures of targets`

// expression checks one expression of a rule:
//
//	[target.][step.]figure op value
//	A op [number *] B [+ value | - value]
//
// where A and B are target.[step.]figure or target.lines("regexp").
func (w *claimWords) expression(src string) *flaw {
	src = strings.TrimSpace(src)
	if len(src) > maxClaimExprBytes {
		return flawed(claimGrammar, "%s is too long, at most %d bytes", brief(src), maxClaimExprBytes)
	}
	left, rest := cutFigure(src)
	op := ""
	for _, o := range operators {
		if strings.HasPrefix(rest, o) {
			op, rest = o, strings.TrimSpace(rest[len(o):])
			break
		}
	}
	switch {
	case left == "":
		return flawed(claimGrammar, "%s does not begin with a figure", brief(src))
	case op == "":
		return flawed("they are < <= > >= == !=", "%s has no operator after its figure", brief(src))
	case rest == "":
		return flawed(claimGrammar, "%s has no value after the operator", brief(src))
	}
	a, err := w.figure(left)
	if err != nil {
		return err
	}
	first, tail := cutFigure(rest)
	if isLetter(first[:min(1, len(first))]) {
		return w.right(a, first, tail)
	}
	if !strings.HasPrefix(tail, "*") {
		if tail != "" {
			return flawed(claimGrammar, "%s follows the value", brief(tail))
		}
		return named(a, w.value(first, a.Unit))
	}
	if !decimalForm.MatchString(first) {
		return flawed("such as 1.5 * B", "%s is no factor", brief(first))
	}
	first, tail = cutFigure(strings.TrimSpace(tail[1:]))
	return w.right(a, first, tail)
}

// right checks B [+ value | - value].
func (w *claimWords) right(a Expectation, other, tail string) *flaw {
	b, err := w.figure(other)
	switch {
	case err != nil:
		return err
	case a.Target == "" || b.Target == "":
		return flawed("write target.figure on both sides", "which targets are compared is not said")
	case a.Unit != b.Unit:
		return flawed("", "%s is %s and %s is %s: they cannot be compared", a.Figure, unitWord(a.Unit), b.Figure, unitWord(b.Unit))
	case tail == "":
		return nil
	case tail[0] != '+' && tail[0] != '-':
		return flawed(claimGrammar, "%s follows the second figure", brief(tail))
	}
	return named(a, w.value(strings.TrimSpace(tail[1:]), a.Unit))
}

func named(a Expectation, err *flaw) *flaw {
	if err != nil {
		return &flaw{a.Figure + ": " + err.message, err.hint}
	}
	return nil
}

func (w *claimWords) value(text, unit string) *flaw {
	_, err := parseFigureValue(text, unit)
	return err
}

func unitWord(unit string) string {
	switch unit {
	case "ns":
		return "a duration"
	case "B":
		return "a size"
	case "/s":
		return "a rate"
	}
	return "a number of things"
}

// figure checks a reference, and returns it in the parts of an expectation that name
// a figure.
func (w *claimWords) figure(ref string) (Expectation, *flaw) {
	var e Expectation
	if target, pattern, is := cutLines(ref); is {
		return w.lines(target, pattern)
	}
	if err := e.place(ref, w.targets, w.steps); err != nil {
		return e, err
	}
	unit, err := figureUnit(e.Figure)
	if err != nil {
		return e, err
	}
	e.Unit = unit
	if slices.Contains(w.parents, e.Step) {
		return e, flawed("name a step inside it", "step %s runs others and has no figures of its own", e.Step)
	}
	if err := e.sense(); err != nil {
		return e, err
	}
	return e, e.watched(w.all)
}

// lines checks target.lines("regexp").
func (w *claimWords) lines(target, pattern string) (Expectation, *flaw) {
	e := Expectation{Target: target, Figure: "lines"}
	if !slices.Contains(w.targets, target) {
		return e, flawed(didYouMean(target, w.targets), "lines: there is no target %s", brief(target))
	}
	if len(pattern) > maxClaimPattern {
		return e, flawed("", "lines: a regular expression has at most %d bytes", maxClaimPattern)
	}
	if _, err := regexp.Compile(pattern); err != nil {
		return e, flawed("", "lines: %s is no regular expression: %v", brief(pattern), err)
	}
	if i := slices.IndexFunc(w.all, func(t Target) bool { return t.Name == target && (t.Direct || t.External != nil) }); i >= 0 {
		return e, flawed("", "the log of the %s target %s is not read", w.all[i].Kind(), target)
	}
	return e, nil
}

// cutLines takes target.lines("regexp") apart. The expression holds no quotes.
func cutLines(ref string) (target, pattern string, is bool) {
	target, rest, found := strings.Cut(ref, `.lines("`)
	pattern, end := strings.CutSuffix(rest, `")`)
	return target, pattern, found && end && !strings.Contains(pattern, `"`)
}

// cutFigure splits a figure, or a value, from what follows: an operator or a space
// ends it, but not within the quotes of lines("...").
func cutFigure(src string) (first, rest string) {
	src = strings.TrimSpace(src)
	from := 0
	if at := strings.Index(src, `.lines("`); at >= 0 && !strings.ContainsAny(src[:at], " \t<>=!*+") {
		if end := strings.Index(src[at:], `")`); end >= 0 {
			from = at + end + 2
		}
	}
	at := strings.IndexAny(src[from:], " \t<>=!*+")
	if at < 0 {
		return src, ""
	}
	return src[:from+at], strings.TrimSpace(src[from+at:])
}

func isLetter(s string) bool {
	return s != "" && (s[0] >= 'a' && s[0] <= 'z' || s[0] >= 'A' && s[0] <= 'Z')
}

var claimPlace = regexp.MustCompile(`\{[^{}]*\}`)

// claimPlaces checks the placeholders of a text: {A}, {A / B} and {A - B}.
func (b *builder) claimPlaces(t text, w *claimWords) {
	if !t.known {
		return
	}
	found := claimPlace.FindAllString(t.v, maxClaimPlaces+1)
	if rest := claimPlace.ReplaceAllString(t.v, ""); strings.ContainsAny(rest, "{}") {
		b.add(t.mark, "such as {event.failures}", "a brace without its other one")
	}
	if len(found) > maxClaimPlaces {
		b.add(t.mark, "", "more than %d placeholders in one text", maxClaimPlaces)
		return
	}
	for _, p := range found {
		if err := w.placeholder(p[1 : len(p)-1]); err != nil {
			b.add(t.mark, err.hint, "%s: %s", p, err.message)
		}
	}
}

func (w *claimWords) placeholder(src string) *flaw {
	if len(src) > maxClaimExprBytes {
		return flawed("", "it is too long, at most %d bytes", maxClaimExprBytes)
	}
	left, rest := cutFigure(src)
	a, err := w.figure(left)
	if err != nil || rest == "" {
		if err == nil && a.Target == "" {
			err = flawed("write {target.figure}", "which target is meant is not said")
		}
		return err
	}
	if rest[0] != '/' && rest[0] != '-' {
		return flawed("write {A}, {A / B} or {A - B}", "%s follows the figure", brief(rest))
	}
	other, tail := cutFigure(rest[1:])
	if tail != "" {
		return flawed("write {A}, {A / B} or {A - B}", "%s follows the second figure", brief(tail))
	}
	return w.right(a, other, "")
}
