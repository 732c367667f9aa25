package scenarios

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// texts is a list of texts: a program and its arguments.
type texts []text

func (l *texts) read(d *decoder, n *node, f *field) {
	items, ok := d.list(n, f, "such as "+f.name+": [/usr/sbin/lighttpd, -D, -f, \"{dir}/lighttpd.conf\"]", maxTexts)
	if !ok {
		return
	}
	for _, item := range items {
		var t text
		t.read(d, item, &field{name: "an entry of " + f.name})
		if t.known && strings.Contains(t.v, "\x00") {
			d.add(t.mark, "", "an entry of %s: no program takes a zero byte in an argument", f.name)
			t.known = false
		}
		*l = append(*l, t)
	}
}

// given tells whether the list is there, right or not.
func (l texts) given() bool { return len(l) > 0 }

// place is where its first entry stands.
func (l texts) place() mark {
	if len(l) == 0 {
		return mark{}
	}
	return l[0].mark
}

// values are the entries; nil when one is mistaken.
func (l texts) values() []string {
	var all []string
	for _, t := range l {
		if !t.known {
			return nil
		}
		all = append(all, t.v)
	}
	return all
}

// fileText is one entry of `files`.
type fileText struct {
	name string
	text text
}

type fileTexts []fileText

var fileName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$`)

func (l *fileTexts) read(d *decoder, n *node, f *field) {
	if n.kind == nullNode {
		return
	}
	if n.kind != mappingNode || len(n.entries) > maxFiles {
		d.add(n.mark, "such as files: {proxy.conf: \"listen {listen}\"}", "%s is a mapping of at most %d names to texts, not %s", f.name, maxFiles, n.describe())
		return
	}
	for _, e := range n.entries {
		name := e.key.text
		switch {
		case !fileName.MatchString(name):
			d.add(e.key.mark, "it is letters, digits, . _ -, without a directory", "%s: %s is no name of a file in {dir}", f.name, brief(name))
			continue
		case slices.ContainsFunc(*l, func(o fileText) bool { return o.name == name }):
			d.add(e.key.mark, "", "duplicate file %s", brief(name))
			continue
		}
		var t text
		t.read(d, e.value, &field{name: name})
		*l = append(*l, fileText{name, t})
	}
}

// pids is a list of process numbers.
type pids struct{ leaf[[]int] }

// largestPID is the most that the kernel takes for kernel.pid_max.
const largestPID = "4194304"

func (p *pids) read(d *decoder, n *node, f *field) {
	p.mark = n.mark
	items, ok := d.list(n, f, "such as pids: [1234]", maxPIDs)
	if !ok {
		return
	}
	p.known = true
	for _, item := range items {
		var c count
		c.read(d, item, &field{name: "an entry of " + f.name, max: largestPID})
		if slices.Contains(p.v, c.v) && c.known {
			d.add(item.mark, "", "%s: process %s stands there already", f.name, strconv.Itoa(c.v))
		}
		p.known = p.known && c.known
		p.v = append(p.v, c.v)
	}
}
