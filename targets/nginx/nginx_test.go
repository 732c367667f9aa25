package nginx

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
		"plain": {},
		"everything": {Timeout: 1500 * time.Millisecond, Limit: 4096, Workers: 2, Extra: "gzip off;\n",
			TLS: scenarios.TLS{Frontend: true, Backend: true, Min: "1.3"}},
		"tls-1.2": {TLS: scenarios.TLS{Frontend: true, Max: "1.2"}},
	} {
		t.Run(name, func(t *testing.T) {
			site := targettest.Fixed(1 + len(peer.Extra)/5)
			c := configuration{Peer: peer, site: site, certificates: *site.Certificates,
				program: program.Program{Text: "nginx/1.22.1", Version: program.Version{1, 22, 1}}}
			text, extraAt, err := c.text()
			if err != nil {
				t.Fatal(err)
			}
			targettest.Golden(t, name+".conf", text, *update)
			if peer.Extra != "" && !strings.HasPrefix(strings.Split(text, "\n")[extraAt], "    gzip off;") {
				t.Errorf("`extra:` does not begin after line %d", extraAt)
			}
		})
	}
	if _, _, err := (&configuration{Peer: scenarios.Peer{Timeout: 1500}}).text(); err == nil || !strings.Contains(err.Error(), "whole milliseconds") {
		t.Errorf("a timeout of 1.5 µs: %v", err)
	}
}

func TestVersions(t *testing.T) {
	with := "\nconfigure arguments: --with-http_ssl_module"
	for _, c := range []struct {
		answer string
		peer   scenarios.Peer
		want   string // in the error; empty: none
	}{
		{"nginx version: nginx/1.22.1", scenarios.Peer{}, ""},
		{"nginx version: openresty/1.25.3.1" + with, scenarios.Peer{TLS: scenarios.TLS{Frontend: true}}, ""},
		{"nginx version: nginx/1.2.0", scenarios.Peer{}, "nginx 1.3.13 or newer is needed"},
		{"nginx version: nginx/1.12.2" + with, scenarios.Peer{TLS: scenarios.TLS{Backend: true, Min: "1.3"}}, "TLS 1.3 needs nginx 1.13.0 or newer"},
		{"nginx version: nginx/1.12.2" + with, scenarios.Peer{TLS: scenarios.TLS{Backend: true}}, ""},
		{"nginx version: nginx/1.22.1", scenarios.Peer{TLS: scenarios.TLS{Frontend: true}}, "http_ssl_module is not compiled into"},
		{"hello", scenarios.Peer{}, "its answer names no version"},
	} {
		c.peer.Server = targettest.Fake(t, "nginx", c.answer)
		_, err := New(c.peer).Find()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want %q", c.answer, err, c.want)
		}
	}
}

func TestMissing(t *testing.T) {
	var missing *targets.MissingError
	if _, err := New(scenarios.Peer{Server: "/nowhere/nginx"}).Find(); !errors.As(err, &missing) || !strings.Contains(err.Error(), "server: /nowhere/nginx") {
		t.Errorf("got %v", err)
	}
}

func TestCode(t *testing.T) {
	for line, want := range map[string]string{
		"2026/11/25 18:00:00 [alert] 12#12: 20 worker_connections are not enough":                                       "worker_connections_not_enough",
		"2026/11/25 18:00:00 [crit] 12#12: accept4() failed (24: Too many open files)":                                  "too_many_open_files",
		"2026/11/25 18:00:00 [error] 12#12: *1 connect() failed (111: Connection refused) while connecting to upstream": "connection_refused",
		"2026/11/25 18:00:00 [error] 12#12: *1 upstream timed out (110: Connection timed out) while proxying upgraded":  "upstream_timed_out",
		"2026/11/25 18:00:00 [notice] 12#12: signal 1 (SIGHUP) received from 1, reconfiguring; too many open files":     "",
		"too many open files": "",
		"":                    "",
	} {
		if got := Code(line); got != want {
			t.Errorf("%q is %q, want %q", line, got, want)
		}
	}
}
