package caddy

import (
	"errors"
	"flag"
	"strings"
	"testing"
	"time"

	"wsgauge/scenarios"
	"wsgauge/targets"
	"wsgauge/targets/program"
	"wsgauge/targets/targettest"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestGolden(t *testing.T) {
	for name, peer := range map[string]scenarios.Peer{
		"plain":      {},
		"everything": {Extra: "encode gzip\n", TLS: scenarios.TLS{Frontend: true, Backend: true}},
		"tls-1.2":    {TLS: scenarios.TLS{Frontend: true, Max: "1.2"}},
	} {
		t.Run(name, func(t *testing.T) {
			site := targettest.Fixed(1 + min(1, len(peer.Extra)))
			c := configuration{Peer: peer, site: site, certificates: *site.Certificates,
				program: program.Program{Text: "Caddy/2.6.2"}, socket: site.Dir + "/admin.sock"}
			text, extraAt := c.text()
			targettest.Golden(t, name+".caddyfile", text, *update)
			if peer.Extra != "" && strings.Split(text, "\n")[extraAt] != "\tencode gzip" {
				t.Errorf("`extra:` does not begin after line %d", extraAt)
			}
		})
	}
}

func TestWhatCaddyHasNot(t *testing.T) {
	for want, peer := range map[string]scenarios.Peer{
		"timeout: Caddy has no": {Timeout: time.Second},
		"limit: Caddy has no":   {Limit: 1},
		"workers: Caddy has no": {Workers: 1},
		"tls: Caddy chooses":    {TLS: scenarios.TLS{Backend: true, Min: "1.3"}},
	} {
		if _, err := New(peer).Find(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
		if _, err := New(peer).Prepare(targettest.Fixed(1)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("prepared: got error %v, want %q", err, want)
		}
	}
}

func TestVersions(t *testing.T) {
	for answer, want := range map[string]string{
		"2.6.2":             "",
		"v2.7.6 h1:w0NymbG": "",
		"v2.5.0 h1:w0NymbG": "Caddy 2.6.0 or newer is needed",
		"(devel)":           "its answer names no version",
	} {
		_, err := New(scenarios.Peer{Server: targettest.Fake(t, "caddy", answer)}).Find()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", answer, err, want)
		}
	}
	var missing *targets.MissingError
	if _, err := New(scenarios.Peer{Server: "/nowhere/caddy"}).Find(); !errors.As(err, &missing) {
		t.Errorf("got %v", err)
	}
}

func TestSocketPathIsBounded(t *testing.T) {
	targettest.Need(t, New(scenarios.Peer{}))
	site := targettest.Fixed(1)
	site.Dir = "/tmp/" + strings.Repeat("long", 30)
	if _, err := New(scenarios.Peer{}).Prepare(site); err == nil || !strings.Contains(err.Error(), "longer than the 107 bytes") {
		t.Errorf("got %v", err)
	}
}

func TestCode(t *testing.T) {
	for line, want := range map[string]string{
		`{"level":"error","ts":1,"logger":"http.log.error","msg":"dial tcp 127.0.0.1:1: connect: connection refused"}`: "connection_refused",
		`{"level":"info","ts":1,"msg":"connection refused"}`:                                                           "",
		`{"level":"warn","ts":1,"msg":"accept4: too many open files"}`:                                                 "too_many_open_files",
		"": "",
	} {
		if got := Code(line); got != want {
			t.Errorf("%q is %q, want %q", line, got, want)
		}
	}
}
