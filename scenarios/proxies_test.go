package scenarios

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestDefaultsOfTargets(t *testing.T) {
	s := read(t, `targets:
  - {name: a, apache: {balancer: {}, tls: {}}}
  - {name: b, apache: {config: /c, listen: "127.0.0.1:80"}}
  - {name: n, nginx: {}}
  - {name: c, command: {argv: [proxy, "{listen}", "{backend}"]}}
  - {name: x, external: {url: "ws://127.0.0.1:80"}}
steps: [wait: {for: 1s}]
`, Options{})
	a := s.Targets[0].Apache
	if !reflect.DeepEqual(a.Balancer, &Balancer{LBMethod: "byrequests"}) || a.TLS != (TLS{Frontend: true, Min: "1.2", Max: "1.3"}) {
		t.Errorf("apache: %s", asJSON(t, a))
	}
	for i, want := range map[int]any{
		1: &Apache{Config: "/c", Listen: "127.0.0.1:80", Scoreboard: true},
		2: &Peer{},
		3: &Command{Argv: []string{"proxy", "{listen}", "{backend}"}, StopGrace: 10 * time.Second},
		4: &External{URL: "ws://127.0.0.1:80"},
	} {
		target := s.Targets[i]
		got := map[string]any{"apache": target.Apache, "nginx": target.Nginx, "command": target.Command, "external": target.External}[target.Kind()]
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %s, want %s", target.Name, asJSON(t, got), asJSON(t, want))
		}
	}
}

func TestDefaultsOfSteps(t *testing.T) {
	s := read(t, `targets: [tunnel]
steps:
  - http: {rate: 10/s, for: 1s}
  - backend: restart
  - wait: {until: drained}
  - together: [wait: {for: 1s}, [signal: stop]]
`, Options{})
	want := []Step{
		{ID: "1", Place: "1", HTTP: &HTTP{Rate: 10, For: time.Second, Warmup: 2 * time.Second, Drain: 5 * time.Second, Arrivals: "poisson", Path: "/", Connections: 16, Timeout: 10 * time.Second}},
		{ID: "2", Place: "2", Backend: &BackendStep{Action: "restart"}},
		{ID: "3", Place: "3", Wait: &Wait{Until: "drained", Limit: time.Minute}},
		{ID: "4", Place: "4", Together: &Together{Branches: [][]Step{
			{{ID: "4.1", Place: "4.1", Wait: &Wait{For: time.Second}}}, {{ID: "4.2.1", Place: "4.2.1", Signal: &Signal{Action: "stop"}}}}}},
	}
	if !reflect.DeepEqual(s.Steps, want) {
		t.Errorf("got %s\nwant %s", asJSON(t, s.Steps), asJSON(t, want))
	}
	var kinds []string
	Walk(s.Steps, func(s *Step) { kinds = append(kinds, s.Place+" "+s.Kind()) })
	if got := strings.Join(kinds, ", "); got != "1 http, 2 backend, 3 wait, 4 together, 4.1 wait, 4.2.1 signal" {
		t.Error(got)
	}
}

// Relative paths start where the file is, not where wsgauge was called.
func TestPaths(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	const body = `name: paths
targets:
  - {name: a, apache: {config: ../mine.conf, listen: "127.0.0.1:80", server: httpd}}
  - {name: n, nginx: {server: /opt/nginx}}
  - {name: c, command: {argv: [./proxy, "{listen}", "{backend}"], version: [proxy, -v], restart: {argv: ["{dir}/run", ./x]}}}
  - {name: x, external: {url: "wss://127.0.0.1:443", tls: {ca: ca.pem}}}
steps: [wait: {for: 1s}]
`
	path := filepath.Join(dir, "sub", "s.yaml")
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	for _, given := range []string{path, "sub/s.yaml", "./sub/../sub/s.yaml"} {
		s, err := Load(given, Options{})
		if err != nil {
			t.Fatal(err)
		}
		c := s.Targets[2].Command
		got := []string{s.Targets[0].Apache.Config, s.Targets[0].Apache.Server, s.Targets[1].Nginx.Server, c.Argv[0], c.Version[0], c.Restart.Argv[0], c.Restart.Argv[1], s.Targets[3].External.TLS.CA}
		want := []string{dir + "/mine.conf", dir + "/sub/httpd", "/opt/nginx", dir + "/sub/proxy", "proxy", "{dir}/run", "./x", dir + "/sub/ca.pem"}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\ngot  %q\nwant %q", given, got, want)
		}
	}
	// A shipped scenario is no file.
	if _, err := Parse("quickstart", []byte(body), Options{}); err == nil || strings.Count(err.Error(), "a shipped scenario has no directory") != 4 {
		t.Error(err)
	}
}

func TestDisruptive(t *testing.T) {
	const steps = "steps:\n- connect: {connections: 1, until: failure}\n- connect: {connections: 1, behave: garbage}\n- close: {how: vanish}\n- signal: graceful\n"
	for url, far := range map[string]bool{"ws://127.9.9.9:80": false, "ws://[::1]:80": false, "ws://localhost:80": false, "ws://192.0.2.1:80": true, "ws://host.example:80": true} {
		body := `targets: [direct, {name: x, external: {url: "` + url + `", pids: [1]}}]` + "\n" + steps
		if !far {
			read(t, body, Options{})
			continue
		}
		text := fails(t, body, Options{}).Error()
		for _, want := range []string{"until: failure would disturb target x", "behave: garbage would", "how: vanish would", "signal: graceful would", "--allow-disruptive"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is not in\n%s", url, want, text)
			}
		}
		read(t, strings.Replace(body, "- signal: graceful\n", "", 1), Options{Targets: []string{"direct"}}) // x is not run
		s := read(t, body, Options{AllowDisruptive: true})
		if got := string(s.AsRun()); !strings.HasPrefix(got, "# This was run with: --allow-disruptive\n") {
			t.Error(got)
		}
	}
	// A backend elsewhere is not restarted, but it is filled.
	body := "backend: {external: \"ws://192.0.2.1:80\"}\ntargets: [tunnel]\n" + steps
	if errs := fails(t, body, Options{}); len(errs) != 3 {
		t.Error(errs)
	}
}

// Signals are for those that are run.
func TestSignalled(t *testing.T) {
	body := "targets: [direct, tunnel, {name: x, external: {url: \"ws://127.0.0.1:80\"}}]\nsteps: [signal: graceful]\n"
	read(t, body, Options{Targets: []string{"direct", "tunnel"}})
	for chosen, want := range map[string]string{"direct": "there is no other target in this run", "tunnel,x": "of the external target x no process is known"} {
		if errs := fails(t, body, Options{Targets: strings.Split(chosen, ",")}); !strings.Contains(errs.Error(), want) {
			t.Errorf("%s: %v", chosen, errs)
		}
	}
}

// What a stop or a kill did to connections is not foreseen.
func TestAfterKill(t *testing.T) {
	read(t, `backend: {instances: 2}
targets: [tunnel]
steps:
  - connect: {connections: 10}
  - signal: kill
  - send: {rate: 1/s, for: 1s}
  - backend: kill
  - hold: {for: 1s}
  - close: {connections: 10}
`, Options{})
}

// What is said to watch is watched.
func TestWatched(t *testing.T) {
	const rest = "steps: [wait: {for: 1s}]\nexpect: [x.resources.target.fds_peak < 10]\n"
	for _, watched := range []string{"pids: [1]", "unit: apache2"} {
		read(t, `targets: [{name: x, external: {url: "ws://127.0.0.1:80", `+watched+"}}]\n"+rest, Options{})
	}
	fails(t, `targets: [{name: x, external: {url: "ws://127.0.0.1:80"}}]`+"\n"+rest, Options{})
}
