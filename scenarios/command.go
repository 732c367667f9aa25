package scenarios

import (
	"regexp"
	"slices"
	"strings"
)

// placeholders are the words in braces that the texts of a command may hold, as
// [Command] explains them.
var placeholders = []string{"listen", "host", "port", "backend", "backend_host", "backend_port", "backends",
	"dir", "logs", "cert", "key", "ca", "pem"}

// placeholder finds words in braces. Braces around anything else are themselves.
var placeholder = regexp.MustCompile(`\{([a-z][a-z0-9_]*)\}`)

func (b *builder) command(raw *rawCommand) *Command {
	c := &Command{Argv: b.program(raw.Argv), ErrorLog: raw.ErrorLog.v, Version: b.program(raw.Version),
		Graceful: b.action(&raw.Graceful, "graceful"), Restart: b.action(&raw.Restart, "restart"),
		TLS: b.tls(&raw.TLS), StopGrace: raw.StopGrace.v}
	used := map[string]bool{}
	for _, t := range slices.Concat(raw.Argv, raw.Graceful.Argv, raw.Restart.Argv, texts{raw.ErrorLog}) {
		b.template(t, &c.TLS, used)
	}
	known := !raw.mistaken
	for _, f := range raw.Files {
		if c.Files == nil {
			c.Files = map[string]string{}
		}
		c.Files[f.name] = f.text.v
		b.template(f.text, &c.TLS, used)
	}
	for _, t := range raw.Version {
		if found := placeholder.FindString(t.v); found != "" {
			b.add(t.mark, "", "version: %s has no value yet: the command runs before there is a trial", found)
		}
	}
	for key, at := range map[string]mark{"min": raw.TLS.Min.mark, "max": raw.TLS.Max.mark} {
		if at.given() {
			b.add(at, "write it there, and remove the key", "tls: %s: which versions a command speaks is in its own texts", key)
		}
	}
	switch {
	case !known:
	case !used["listen"] && !used["port"]:
		b.add(raw.mark, "put {listen}, or {host} and {port}, into argv or a file", "nothing tells the command where to listen")
	case !used["backend"] && !used["backend_port"] && !used["backends"] && !b.backend.External.given():
		b.add(raw.mark, "put {backend}, {backends}, or {backend_host} and {backend_port}, into argv or a file", "nothing tells the command where the backend is")
	}
	return c
}

// template checks the placeholders of a text, and notes which of them are used.
func (b *builder) template(t text, tls *TLS, used map[string]bool) {
	if !t.known {
		return
	}
	for _, found := range placeholder.FindAllStringSubmatch(t.v, -1) {
		word := found[1]
		if used[word] {
			continue
		}
		used[word] = true
		switch {
		case !slices.Contains(placeholders, word):
			hint := "known are {" + strings.Join(placeholders, "} {") + "}"
			if best, ok := nearest(word, placeholders); ok {
				hint = "did you mean {" + best + "}?"
			}
			b.add(t.mark, hint, "there is no placeholder {%s}", word)
		case slices.Contains([]string{"cert", "key", "ca", "pem"}, word) && !tls.Frontend && !tls.Backend:
			b.add(t.mark, "write tls: {} beside argv, or backend: {tls: true}", "{%s}: a trial without TLS has no certificates", word)
		}
	}
}

func (b *builder) action(raw *rawAction, what string) Action {
	switch {
	case !raw.given():
	case raw.Signal.given() && raw.Argv.given():
		b.add(raw.Argv.place(), "", "%s has either signal or argv, not both", what)
	case !raw.Signal.given() && !raw.Argv.given() && !raw.mistaken:
		b.add(raw.mark, "such as signal: HUP", "%s needs one of the keys signal and argv", what)
	}
	return Action{Signal: raw.Signal.v, Argv: b.program(raw.Argv)}
}
