package scenarios

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// leaf is a single value and its place; a default has none. known is false when
// the value is not there or is mistaken, so that nothing more is said about it.
type leaf[T any] struct {
	mark
	v     T
	known bool
}

type (
	text     struct{ leaf[string] }
	word     struct{ leaf[string] }
	boolean  struct{ leaf[bool] }
	count    struct{ leaf[int] }
	seed     struct{ leaf[uint64] }
	size     struct{ leaf[int] }     // bytes
	rate     struct{ leaf[float64] } // a second
	duration struct{ leaf[time.Duration] }
	decimal  struct{ leaf[float64] }
	percent  struct{ leaf[float64] } // a share, 0 to 1
)

// form is what a text has to look like.
type form struct {
	pattern *regexp.Regexp
	is      string
}

var forms = map[string]form{
	"name":        {regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`), "a small letter, then small letters, digits, - and _, 64 at most"},
	"path":        {regexp.MustCompile(`^/([!"$-z|~]|\{conn\})*$`), "a / and printable ASCII without # and spaces; the only braces are {conn}"},
	"subprotocol": {regexp.MustCompile(`^[!#$%&'*+.^_|~0-9A-Za-z` + "`" + `-]+(, *[!#$%&'*+.^_|~0-9A-Za-z` + "`" + `-]+)*$`), "a token, or several with commas"},
	"cpus":        {regexp.MustCompile(`^[0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}(-[0-9]{1,4})?)*$`), `CPU numbers and ranges as in 0, 1-3 or 0,2-3, the highest 1023`},
	"listen":      {regexp.MustCompile(`^([0-9]{1,3}(\.[0-9]{1,3}){3}|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$`), "an IP address and a port, as in 127.0.0.1:8080 or [::1]:8080"},
	"url":         {regexp.MustCompile(`^wss?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}(/[!"$-~]*)?$`), "ws:// or wss://, a host, a port and perhaps a path, as in ws://127.0.0.1:8080/"},
	"page":        {regexp.MustCompile(`^https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?(/[!"$-~]*)?$`), "http:// or https://, a host and a path, as in http://127.0.0.1/server-status?auto"},
	"host":        {regexp.MustCompile(`^[A-Za-z0-9:._-]{1,253}$`), "the name of a host, or its address"},
	"unit":        {regexp.MustCompile(`^[A-Za-z0-9:_.@\\-]{1,255}$`), "the name of a systemd unit, as in apache2.service"},
	"loglevel":    {regexp.MustCompile(`^[A-Za-z0-9_.:]+( [A-Za-z0-9_.:]+)*$`), "a level and, if needed, levels of modules, as in warn proxy:trace2"},
}

func (t *text) read(d *decoder, n *node, f *field) {
	t.mark = n.mark
	s, note, ok := d.scalar(n, f)
	if !ok {
		return
	}
	switch form, has := forms[f.form]; {
	case s == "":
		d.wrong(n, f, note, flawed("", "it is empty"))
		return
	case f.form == "name" && n.typed:
		d.wrong(n, f, note, flawed("quote it, if it is meant", "%s is no text", s))
		return
	case has && !form.pattern.MatchString(s), f.form == "cpus" && !cpusInRange(s):
		d.wrong(n, f, note, flawed("it is "+form.is, "%s will not do", brief(s)))
		return
	}
	t.v, t.known = s, true
}

// cpusInRange tells whether a list of the right form names CPUs that can exist.
func cpusInRange(list string) bool {
	for part := range strings.SplitSeq(list, ",") {
		low, high, isRange := strings.Cut(part, "-")
		from, err := strconv.Atoi(low)
		to, err2 := from, error(nil)
		if isRange {
			to, err2 = strconv.Atoi(high)
		}
		if err != nil || err2 != nil || from > to || to > 1023 {
			return false
		}
	}
	return true
}

func (w *word) read(d *decoder, n *node, f *field) {
	w.mark = n.mark
	s, note, ok := d.scalar(n, f)
	switch {
	case !ok:
	case slices.Contains(f.words, s):
		w.v, w.known = s, true
	case slices.Contains(f.later, s):
		d.unsupported(n, f.name+": "+s)
	default:
		hint := didYouMean(s, f.words)
		if !strings.HasPrefix(hint, "known") {
			hint += " It is one of " + strings.Join(f.words, ", ")
		}
		d.wrong(n, f, note, flawed(hint, "%s is none of its values", brief(s)))
	}
}

func (b *boolean) read(d *decoder, n *node, f *field) {
	b.mark = n.mark
	s, note, ok := d.scalar(n, f)
	switch {
	case !ok:
	case (s == "true" || s == "false") && (!n.quoted || note != ""):
		b.v, b.known = s == "true", true
	case n.quoted && note == "":
		d.wrong(n, f, note, flawed("write true or false, without quotes", "%s is a text", shown(s)))
	default:
		d.wrong(n, f, note, flawed("write true or false", "%s is neither true nor false", shown(s)))
	}
}

func (c *count) read(d *decoder, n *node, f *field) {
	c.mark = n.mark
	s, note, ok := d.number(n, f)
	if !ok {
		return
	}
	v, err := parseCount(s)
	if err == nil {
		err = bounds(s, v, "1", f, parseCount)
	}
	if err != nil {
		d.wrong(n, f, note, err)
		return
	}
	c.v, c.known = int(v), true
}

func (s *seed) read(d *decoder, n *node, f *field) {
	s.mark = n.mark
	text, note, ok := d.number(n, f)
	if !ok {
		return
	}
	v, err := strconv.ParseUint(text, 10, 64)
	if err != nil || len(text) > 1 && text[0] == '0' {
		d.wrong(n, f, note, flawed("", "%s is no whole number from 0 to 2^64-1", shown(text)))
		return
	}
	s.v, s.known = v, true
}

// number is a scalar that has to be a number to YAML too.
func (d *decoder) number(n *node, f *field) (text, note string, ok bool) {
	text, note, ok = d.scalar(n, f)
	if ok && n.quoted && note == "" {
		d.wrong(n, f, note, flawed("write it without quotes", "%s is a text", shown(text)))
		ok = false
	}
	return text, note, ok
}

func (s *size) read(d *decoder, n *node, f *field) {
	s.mark = n.mark
	text, note, ok := d.scalar(n, f)
	if !ok {
		return
	}
	v, err := parseSize(text)
	if err == nil {
		err = bounds(text, v, "1B", f, parseSize)
	}
	if err != nil {
		d.wrong(n, f, note, err)
		return
	}
	s.v, s.known = int(v), true
}

func (r *rate) read(d *decoder, n *node, f *field) {
	r.mark = n.mark
	text, note, ok := d.scalar(n, f)
	if !ok {
		return
	}
	v, err := parseRate(text)
	if err == nil && v < slowest {
		err = flawed("", "%s is less than one a year", shown(text))
		if v == 0 {
			err = flawed("", "%s never does anything; it is more than 0", shown(text))
		}
	}
	if err == nil && v > fastest {
		err = flawed("", "%s is more than %d/s", shown(text), int64(fastest))
	}
	if err != nil {
		d.wrong(n, f, note, err)
		return
	}
	r.v, r.known = v, true
}

// Bounds of a rate, a second.
const (
	slowest = 1.0 / (366 * 24 * 3600)
	fastest = 1e7
)

func (t *duration) read(d *decoder, n *node, f *field) {
	t.mark = n.mark
	text, note, ok := d.scalar(n, f)
	if !ok {
		return
	}
	v, err := parseDuration(text)
	if err == nil {
		err = bounds(text, v, "", f, parseDuration)
	}
	if err != nil {
		d.wrong(n, f, note, err)
		return
	}
	t.v, t.known = v, true
}

// bounds compares a value with the key's bounds; least is the one of a key that
// names none, and empty when anything above 0 will do.
func bounds[T int64 | time.Duration](text string, v T, least string, f *field, parse func(string) (T, *flaw)) *flaw {
	if f.min != "" {
		least = f.min
	}
	if least == "" && v <= 0 {
		return flawed("", "%s is too little; it is more than 0", shown(text))
	}
	if min, err := parse(least); err == nil && v < min {
		return flawed("", "%s is too little, at least %s", shown(text), least)
	}
	if max, err := parse(f.max); err == nil && v > max {
		return flawed("", "%s is too much, at most %s", shown(text), f.max)
	}
	return nil
}

// A number written with digits and perhaps a point; its bounds are those of the tags.
func (c *decimal) read(d *decoder, n *node, f *field) {
	c.mark = n.mark
	text, note, ok := d.number(n, f)
	if !ok {
		return
	}
	v, err := strconv.ParseFloat(text, 64)
	switch low, high := numberOr(f.min, 0), numberOr(f.max, maxWeight); {
	case err != nil || !decimalForm.MatchString(text):
		d.wrong(n, f, note, flawed("it is a number such as 1.5", "%s will not do", shown(text)))
	case v < low:
		d.wrong(n, f, note, flawed("", "%s is too little, at least %s", shown(text), f.min))
	case v > high:
		d.wrong(n, f, note, flawed("", "%s is too much, at most %s", shown(text), f.max))
	default:
		c.v, c.known = v, true
	}
}

// A share is written as a percentage.
func (p *percent) read(d *decoder, n *node, f *field) {
	p.mark = n.mark
	text, note, ok := d.scalar(n, f)
	if !ok {
		return
	}
	digits, is := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(digits, 64)
	switch {
	case !is && err == nil:
		d.wrong(n, f, note, flawed("write it in percent, such as 20%", "%s has no unit", shown(text)))
	case err != nil || !decimalForm.MatchString(digits):
		d.wrong(n, f, note, flawed("it is a percentage such as 20%", "%s will not do", shown(text)))
	case v > 100:
		d.wrong(n, f, note, flawed("", "%s is too much, at most 100%%", shown(text)))
	default:
		p.v, p.known = v/100, true
	}
}
