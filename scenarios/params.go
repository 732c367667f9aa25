package scenarios

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// maxParamBytes bounds a param's value, and so what a file full of references
// grows to: some megabytes.
const maxParamBytes = 256

// param is one entry of `params`.
type param struct {
	mark
	value string
	set   bool // on the command line
	bad   bool // reported: nothing is said of what refers to it
}

var (
	paramName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	// reference finds $$ and $name. A dollar before anything else is itself, so
	// that raw directives may hold ${modules}, $1 and the end of an expression.
	reference = regexp.MustCompile(`\$(\$|[A-Za-z_][A-Za-z0-9_]*)`)
)

// readParams reads `params` before anything else, since the rest refers to them,
// and lets the command line's values take the place of the file's.
func (d *decoder) readParams(root *node, set map[string]string) {
	d.params = map[string]*param{}
	if root.kind == mappingNode {
		for _, e := range root.entries {
			if e.key.text == "params" && e.value.kind == mappingNode {
				d.readParamList(e.value)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		p := d.params[name]
		if p == nil {
			hint := didYouMean(name, d.paramNames())
			if len(d.params) == 0 {
				hint = "it has no params at all"
			}
			d.add(mark{}, hint, "--set %s=%s: the scenario has no param %q", name, set[name], name)
			continue
		}
		if len(set[name]) > maxParamBytes {
			d.add(mark{}, "", "--set %s: a param's value has at most %d bytes, this one has %d", name, maxParamBytes, len(set[name]))
			continue
		}
		p.value, p.set, p.bad = set[name], true, false
	}
}

func (d *decoder) readParamList(n *node) {
	for _, e := range n.entries {
		name := e.key.text
		switch {
		case !paramName.MatchString(name):
			d.add(e.key.mark, "a name is a small letter, then small letters, digits and _", "%s is no name of a param", brief(name))
		case d.params[name] != nil:
			d.add(e.key.mark, "", "duplicate key %q; it stands on line %d already", name, d.params[name].line)
		case e.value.kind != scalarNode:
			d.add(e.value.mark, "it is a number or a text", "a param's value cannot be %s", e.value.describe())
			d.params[name] = &param{mark: e.key.mark, bad: true}
		case isReference(e.value.text):
			d.add(e.value.mark, "write its value", "a param cannot refer to another param")
			d.params[name] = &param{mark: e.key.mark, bad: true}
		default:
			d.params[name] = &param{mark: e.key.mark, value: e.value.text}
			if len(e.value.text) > maxParamBytes {
				d.add(e.value.mark, "", "a param's value has at most %d bytes, this one has %d", maxParamBytes, len(e.value.text))
				d.params[name].bad = true
			}
		}
	}
}

func isReference(text string) bool {
	return slices.ContainsFunc(reference.FindAllString(text, -1), func(ref string) bool { return ref != "$$" })
}

func (d *decoder) paramNames() []string { return slices.Sorted(maps.Keys(d.params)) }

// substitute replaces $name by the param's value and $$ by a dollar. note says what
// was replaced, for messages; ok is false when a param does not exist, which has
// been reported then.
func (d *decoder) substitute(n *node) (text, note string, ok bool) {
	if !strings.Contains(n.text, "$") {
		return n.text, "", true
	}
	ok = true
	var notes []string
	text = reference.ReplaceAllStringFunc(n.text, func(ref string) string {
		name := ref[1:]
		if name == "$" {
			return "$"
		}
		p := d.params[name]
		if p == nil {
			hint := didYouMean(name, d.paramNames())
			if len(d.params) == 0 {
				hint = "write it under params, or $$ for a dollar"
			}
			d.add(n.mark, hint, "there is no param %q", name)
			ok = false
			return ref
		}
		ok = ok && !p.bad
		from := ""
		if p.set {
			from = " (by --set)"
		}
		if replaced := fmt.Sprintf("$%s is %s%s", name, brief(p.value), from); !slices.Contains(notes, replaced) {
			notes = append(notes, replaced)
		}
		return p.value
	})
	if len(text) > maxFileBytes {
		d.add(n.mark, "", "with its params put in, the text has %d bytes, at most %d are read", len(text), maxFileBytes)
		ok = false
	}
	return text, strings.Join(notes, ", "), ok
}

// checkParams reports what nothing refers to: a misspelt $name would otherwise
// pass for a constant. It looks at the tree, not at what was decoded, so that a
// mistake elsewhere does not make a param look unused.
func (d *decoder) checkParams(root *node) {
	used := map[string]bool{}
	var walk func(n *node)
	walk = func(n *node) {
		for _, ref := range reference.FindAllString(n.text, -1) {
			used[ref[1:]] = true
		}
		for _, e := range n.entries {
			if n != root || e.key.text != "params" {
				walk(e.key)
				walk(e.value)
			}
		}
		for _, item := range n.items {
			walk(item)
		}
	}
	walk(root)
	for _, name := range d.paramNames() {
		if !used[name] {
			d.add(d.params[name].mark, fmt.Sprintf("write $%s where its value belongs, or remove it", name), "param %s is not used", name)
		}
	}
}

// paramValues is what the scenario was read with.
func (d *decoder) paramValues() map[string]string {
	values := make(map[string]string, len(d.params))
	for name, p := range d.params {
		values[name] = p.value
	}
	return values
}
