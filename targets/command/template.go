package command

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"wsgauge/targets"
)

// words are what templates may hold and what takes its place; of certificates only
// when the trial has them.
func words(site targets.Site) map[string]string {
	all := make([]string, len(site.Backends))
	for i, b := range site.Backends {
		all[i] = b.String()
	}
	first := site.Backends[0]
	w := map[string]string{
		"listen":       site.Listen.String(),
		"host":         site.Listen.Addr().String(),
		"port":         strconv.Itoa(int(site.Listen.Port())),
		"backend":      first.String(),
		"backend_host": first.Addr().String(),
		"backend_port": strconv.Itoa(int(first.Port())),
		"backends":     strings.Join(all, ","),
		"dir":          site.Dir,
		"logs":         site.LogDir,
	}
	if c := site.Certificates; c != nil {
		w["cert"], w["key"], w["ca"] = c.Cert, c.Key, c.CA
	}
	return w
}

var word = regexp.MustCompile(`\{[a-z_]+\}`)

// filler fills templates in and keeps the first thing that was wrong.
type filler struct {
	words   map[string]string
	pem     string // the path of {pem}; empty: there is none
	pemUsed bool
	err     error
}

// fill puts values in place of the words it knows. What comes of one is not looked
// at again.
func (f *filler) fill(text string) string {
	return word.ReplaceAllStringFunc(text, func(found string) string {
		name := strings.Trim(found, "{}")
		if value, ok := f.words[name]; ok {
			return value
		}
		switch name {
		case "pem":
			if f.pem != "" {
				f.pemUsed = true
				return f.pem
			}
			fallthrough
		case "cert", "key", "ca":
			if f.err == nil {
				f.err = fmt.Errorf("%s is asked for, and nothing of the trial speaks TLS (say tls: {frontend: true}, or remove it)", found)
			}
		}
		return found
	})
}
