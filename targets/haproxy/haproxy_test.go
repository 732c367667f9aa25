package haproxy

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
		"everything": {Timeout: 1500 * time.Millisecond, Limit: 4096, Workers: 2, Extra: "option redispatch\n",
			TLS: scenarios.TLS{Frontend: true, Backend: true, Min: "1.2", Max: "1.3"}},
	} {
		t.Run(name, func(t *testing.T) {
			site := targettest.Fixed(1 + min(1, len(peer.Extra)))
			c := configuration{Peer: peer, site: site, certificates: *site.Certificates, program: program.Program{Text: "HAProxy/2.6.12"}}
			text, extraAt, err := c.text()
			if err != nil {
				t.Fatal(err)
			}
			targettest.Golden(t, name+".cfg", text, *update)
			if peer.Extra != "" && strings.Split(text, "\n")[extraAt] != "  option redispatch" {
				t.Errorf("`extra:` does not begin after line %d", extraAt)
			}
		})
	}
}

func TestVersions(t *testing.T) {
	for answer, want := range map[string]string{
		"HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/": "",
		"HA-Proxy version 1.8.30 2020/11/01":                                 "HAProxy 1.9.0 or newer is needed",
		"HAProxy version of mine":                                            "its answer names no version",
		"BusyBox":                                                            "its answer names no version",
	} {
		v, err := New(scenarios.Peer{Server: targettest.Fake(t, "haproxy", answer)}).Find()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", answer, err, want)
		}
		if want == "" && v.Text != "HAProxy/2.6.12-1+deb12u4" {
			t.Errorf("it is %q", v.Text)
		}
	}
}

func TestMissing(t *testing.T) {
	var missing *targets.MissingError
	if _, err := New(scenarios.Peer{Server: "/nowhere/haproxy"}).Find(); !errors.As(err, &missing) {
		t.Errorf("got %v", err)
	}
}

func TestCode(t *testing.T) {
	for line, want := range map[string]string{
		`127.0.0.1:4 [25/Nov/2026:18:00:00.000] clients backends/backend1 0/0/-1/-1/0 503 217 - - SC-- 1/1/0/0/0 0/0 "GET /gone HTTP/1.1"`:                 "SC--",
		`127.0.0.1:4 [25/Nov/2026:18:00:00.000] clients~ backends/backend1 0/0/0/1/1001 101 150 - - cD-- 2/2/1/1/0 0/0 "GET / HTTP/1.1"`:                   "cD--",
		`127.0.0.1:4 [25/Nov/2026:18:00:00.000] clients backends/backend1 0/0/0/-1/3 -1 0 - - CD-- 1/1/0/0/+3 0/0 "GET /evil SC-- 1/1/0/0/0 0/0 HTTP/1.1"`: "CD--",
		`[ALERT]    (12) : Starting frontend clients: cannot bind socket (Cannot assign requested address) [127.0.0.1:80]`:                                 "no_port",
		`Proxy clients reached process FD limit (maxsock=90). Please check 'ulimit-n' and restart.`:                                                        "too_many_open_files",
		`[NOTICE]   (12) : Loading success.`: "",
		``:                                   "",
	} {
		if got := Code(line); got != want {
			t.Errorf("%q is %q, want %q", line, got, want)
		}
	}
}
