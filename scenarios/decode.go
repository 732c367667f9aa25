package scenarios

import (
	"reflect"
	"slices"
	"strings"
)

// field is a key of a raw struct, as its tags say.
type field struct {
	index    int
	name     string
	about    string
	required bool
	words    []string
	later    []string
	value    string // when it is not given
	example  string
	min, max string
	form     string
}

// keysOf returns the keys of a raw struct in their order, and those that the design
// has and this version has not.
func keysOf(t reflect.Type) (keys []field, later []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Name == "_" {
			later = append(later, split(f.Tag.Get("later"))...)
		}
		if !f.IsExported() {
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		keys = append(keys, field{
			index: i, name: name, about: f.Tag.Get("jsonschema"), required: options != "omitempty",
			words: split(f.Tag.Get("words")), later: split(f.Tag.Get("later")),
			value: f.Tag.Get("default"), example: f.Tag.Get("example"),
			min: f.Tag.Get("min"), max: f.Tag.Get("max"), form: f.Tag.Get("form"),
		})
	}
	return keys, later
}

func split(words string) []string {
	if words == "" {
		return nil
	}
	return strings.Split(words, "|")
}

// reader is a value that knows how to read itself. Mistakes go to the decoder.
type reader interface {
	read(d *decoder, n *node, f *field)
}

// located is every raw struct, by the section in it.
type located interface {
	locate(at mark, mistaken bool)
}

// decoder fills raw types from nodes.
type decoder struct {
	*mistakes
	params map[string]*param
}

// value reads a node into a key's value.
func (d *decoder) value(n *node, v reflect.Value, f *field) {
	if r, ok := v.Addr().Interface().(reader); ok {
		r.read(d, n, f)
		return
	}
	d.section(n, v, f.name)
}

// section reads a mapping into a raw struct. Nothing after the colon is an empty
// mapping, so that `close:` is `close: {}`.
func (d *decoder) section(n *node, v reflect.Value, name string) {
	before := len(d.found)
	defer func() {
		v.Addr().Interface().(located).locate(n.mark, len(d.found) > before)
	}()
	if n.kind != mappingNode && n.kind != nullNode {
		d.add(n.mark, "its keys are "+strings.Join(keyNames(v.Type()), ", "), "%s is a mapping with keys of its own, not %s", name, n.describe())
		// Nothing of it is known, and nothing more is worth saying.
		d.defaults(v, nil)
		return
	}
	keys, later := keysOf(v.Type())
	seen := map[string]mark{}
	for _, e := range n.entries {
		if e.key.kind != scalarNode {
			d.add(e.key.mark, "", "a key is a word, not %s", e.key.describe())
			continue
		}
		key := e.key.text
		if first, twice := seen[key]; twice {
			d.add(e.key.mark, "", "duplicate key %q; it stands on line %d already", key, first.line)
			continue
		}
		seen[key] = e.key.mark
		i := slices.IndexFunc(keys, func(f field) bool { return f.name == key })
		switch {
		case i >= 0:
			d.value(e.value, v.Field(keys[i].index), &keys[i])
		case slices.Contains(later, key):
			d.unsupported(e.key, key)
		default:
			d.add(e.key.mark, d.keyHint(key, v.Type()), "unknown key %s in %s", brief(key), name)
		}
	}
	for _, f := range keys {
		if _, given := seen[f.name]; f.required && !given {
			d.add(n.mark, missingHint(f), "%s needs the key %q", name, f.name)
		}
	}
	d.defaults(v, seen)
}

func (d *decoder) unsupported(n *node, word string) {
	d.add(n.mark, "it is planned; leave it out for now", "%q is not supported by this version of wsgauge", word)
}

// keyHint names the key of the section that was meant, or says where the key would
// belong.
func (d *decoder) keyHint(key string, t reflect.Type) string {
	names := keyNames(t)
	if best, ok := nearest(key, names); ok {
		return "did you mean " + best + "?"
	}
	if len(names) == 0 {
		return "it has no keys"
	}
	return "its keys are " + strings.Join(names, ", ")
}

func missingHint(f field) string {
	if f.example == "" || strings.ContainsAny(f.example, "\n") {
		return ""
	}
	return "such as " + f.name + ": " + f.example
}

func keyNames(t reflect.Type) []string {
	keys, _ := keysOf(t)
	var names []string
	for _, f := range keys {
		names = append(names, f.name)
	}
	return names
}

// defaults reads the default of each key that was not given. Such a value has no
// mark: it was not in the file.
func (d *decoder) defaults(v reflect.Value, given map[string]mark) {
	keys, _ := keysOf(v.Type())
	for _, f := range keys {
		if _, is := given[f.name]; !is && f.value != "" {
			d.value(&node{kind: scalarNode, text: f.value}, v.Field(f.index), &f)
		}
	}
}

// scalar returns a scalar's text with params put in, and what was put in. Anything
// else than a scalar is a mistake.
func (d *decoder) scalar(n *node, f *field) (text, note string, ok bool) {
	if n.kind == nullNode {
		d.add(n.mark, missingHint(*f), "%s has no value", f.name)
		return "", "", false
	}
	if n.kind != scalarNode {
		d.add(n.mark, missingHint(*f), "%s is a single value, not %s", f.name, n.describe())
		return "", "", false
	}
	return d.substitute(n)
}

// wrong reports what a key's value is not.
func (d *decoder) wrong(n *node, f *field, note string, why *flaw) {
	hint := why.hint
	if strings.Contains(n.text, "${") {
		hint = "a param is written $name, without braces"
	}
	switch {
	case note == "":
	case hint == "":
		hint = note
	default:
		hint = note + "; " + hint
	}
	d.add(n.mark, hint, "%s: %s", f.name, why.message)
}
