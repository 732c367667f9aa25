package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wsgauge/internal/certs"
	"wsgauge/internal/netns"
	"wsgauge/internal/runner"
	"wsgauge/results"
	"wsgauge/scenarios"
)

// outside runs the steps of text over targets that run already.
func outside(t *testing.T, text string, o runner.Options, list ...scenarios.Target) (string, error) {
	t.Helper()
	s, err := scenarios.Parse("outside", []byte("name: outside\nabout: Does one that runs already hold?\nbackend: go\ntargets: [direct]\n"+text), scenarios.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if list != nil {
		s.Targets = list
	}
	o.Scenario, o.Executable, o.Out = s, binary, filepath.Join(t.TempDir(), "run")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = runner.Run(ctx, o)
	return o.Out, err
}

const shortLoad = `
blocks: 1
steps:
  - connect: {connections: 12, rate: 100/s}
  - id: load
    send: {rate: 200/s, for: 2s, warmup: 200ms, arrivals: constant}
  - close: {}
`

// Apache on "another machine": behind a veth pair, over wss by an authority of its own.
// Nothing of it can be watched but its server-status.
func TestExternal(t *testing.T) {
	needApache(t)
	if err := netns.Missing(); err != nil {
		t.Skipf("skipped: %v", err)
	}
	space, err := netns.Open(t.Context(), netns.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := space.Close(); err != nil {
			t.Error(err)
		}
	})
	ca, pid := apacheInside(t, space)
	const secret = "swordfish-8731"
	t.Setenv("WSGAUGE_TEST_TOKEN", secret)
	target := scenarios.Target{Name: "far", External: &scenarios.External{
		URL: fmt.Sprintf("wss://%v:8443/echo", space.Inside), TLS: scenarios.ExternalTLS{CA: ca},
		Headers: map[string]string{"X-Token": "env:WSGAUGE_TEST_TOKEN"},
		Status:  fmt.Sprintf("https://%v:8443/server-status?auto", space.Inside)}}
	r := start(t, fmt.Sprintf(`
name: far
about: What does a proxy that runs already carry?
targets:
  - name: far
    external:
      url: "%s"
      tls: {ca: "%s"}
      headers: {X-Token: "env:WSGAUGE_TEST_TOKEN"}
      status: "%s"
%s
expect: ["failures == 0"]
`, target.External.URL, ca, target.External.Status, shortLoad))
	r.passed(time.Minute)
	dir := r.dir
	checkOutside(t, dir, true)
	checkBoard(t, r.records())
	// The value of the variable is in no record.
	if err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), secret) {
			t.Errorf("%s holds the variable's value", path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}

	for name, c := range map[string]struct {
		change func(x *scenarios.External)
		want   []string
	}{
		"no variable": {func(x *scenarios.External) { x.Headers = map[string]string{"X-Token": "env:WSGAUGE_TEST_NONE"} },
			[]string{"no variable WSGAUGE_TEST_NONE", "export WSGAUGE_TEST_NONE="}},
		"wrong token":       {func(x *scenarios.External) { x.Headers = nil }, []string{"status 403", "wsgauge echo --listen"}},
		"unknown authority": {func(x *scenarios.External) { x.TLS.CA = "" }, []string{"tls: ", "ca: FILE"}},
		"wrong name":        {func(x *scenarios.External) { x.TLS.ServerName = "other.example" }, []string{"tls: ", "other.example", "server_name"}},
		"wrong path":        {func(x *scenarios.External) { x.URL += "/../none" }, []string{"status 404", "wsgauge echo --listen"}},
		"nobody listens":    {func(x *scenarios.External) { x.URL = fmt.Sprintf("wss://%v:9/", space.Inside) }, []string{"dial: ", "is the proxy running"}},
		"no status page": {func(x *scenarios.External) {
			x.Status += "&x"
			x.Status = strings.Replace(x.Status, "server-status", "none", 1)
		}, []string{"status: ", "404", "leave status out"}},
		"no such process": {func(x *scenarios.External) { x.PIDs = []int{1 << 21} }, []string{"watch process 2097152", "there is none"}},
		"no such unit":    {func(x *scenarios.External) { x.Unit = "wsgauge-test-none" }, []string{"watch unit wsgauge-test-none", "systemctl status"}},
	} {
		bad := *target.External
		c.change(&bad)
		dir, err := outside(t, shortLoad, runner.Options{}, scenarios.Target{Name: "far", External: &bad})
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", name, err, want)
			}
		}
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%s: there is a run directory", name)
		}
	}
	signalledOutside(t, target.External, ca, pid)
	insecure := *target.External
	insecure.TLS = scenarios.ExternalTLS{Insecure: true}
	dir, err = outside(t, shortLoad, runner.Options{Sources: []netip.Addr{space.Outside}}, scenarios.Target{Name: "far", External: &insecure})
	if err != nil {
		t.Fatal(err)
	}
	checkOutside(t, dir, true)
}

// One on this machine whose processes are watched, one whose are not, and beside them a
// target of the run's own with a backend of the run's own.
func TestExternalWatched(t *testing.T) {
	back := serving(t, "echo", "--listen", "127.0.0.1:0")
	addr, pid := servingProcess(t, "tunnel", "--listen", "127.0.0.1:0", "--backend", back)
	list := []scenarios.Target{
		{Name: "watched", External: &scenarios.External{URL: "ws://" + addr + "/", PIDs: []int{pid}}},
		{Name: "unwatched", External: &scenarios.External{URL: "ws://localhost:" + addr[strings.LastIndex(addr, ":")+1:] + "/any"}},
		{Name: "ours", Tunnel: &scenarios.Tunnel{Processes: 1}},
	}
	dir, err := outside(t, shortLoad, runner.Options{}, list...)
	if err != nil {
		t.Fatal(err)
	}
	d, err := results.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Trials) != 3 {
		t.Fatalf("%d trials", len(d.Trials))
	}
	for i := range d.Trials {
		trial := &d.Trials[i]
		checkSmall(t, trial, 12, 400)
		target := trial.Resources["target"]
		if ours := trial.Target == "ours"; (trial.Resources["backend"] != nil) != ours {
			t.Errorf("%s: backend %+v", trial.Target, trial.Resources["backend"])
		}
		switch {
		case trial.Target == "unwatched":
			if target != nil {
				t.Errorf("unwatched: %+v", target)
			}
		case target == nil || target.FDsPeak == nil || *target.FDsPeak < 24 || target.CPUUsPerMessage == nil || *target.CPUUsPerMessage <= 0:
			t.Errorf("%s: %+v", trial.Target, target)
		}
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Errorf("it runs no more: %v", err)
	}
}

// One that ends by itself ends the trial, as a target of the run's own would.
func TestExternalEnds(t *testing.T) {
	back := serving(t, "echo", "--listen", "127.0.0.1:0")
	addr, pid := servingProcess(t, "tunnel", "--listen", "127.0.0.1:0", "--backend", back)
	r := start(t, fmt.Sprintf(`
name: ends
about: Is it noticed?
targets:
  - {name: proxy, external: {url: "ws://%s/", pids: [%d]}}
blocks: 1
steps:
  - connect: {connections: 5, rate: 100/s}
  - id: load
    send: {rate: 100/s, for: 60s, warmup: 200ms}
`, addr, pid))
	r.inTheMiddle()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if code := r.exit(20 * time.Second); code != 5 {
		t.Errorf("exit code %d\n%s", code, r.output.String())
	}
	trial := &r.records().Trials[0]
	if !trial.TargetEnded || !strings.Contains(trial.Error, "have ended") || trial.Closures["closed_by_peer"]+trial.Closures["closed_reset"] != 5 {
		t.Errorf("target ended %v, error %q, closures %v", trial.TargetEnded, trial.Error, trial.Closures)
	}
}

// checkBoard wants what Apache's server-status says in the samples, in a row of the target
// that has nothing else: busy workers while tunnels are open, and of the rest nothing.
func checkBoard(t *testing.T, d *results.RunData) {
	t.Helper()
	most, rows := 0.0, 0
	for _, s := range d.Samples {
		if s.Group != "target" {
			continue
		}
		rows++
		if s.WorkersBusy != nil {
			most = max(most, *s.WorkersBusy)
		}
		if s.CPUSeconds != nil || s.FDs != nil || s.PSSBytes != nil {
			t.Errorf("nobody could measure %+v", s)
		}
	}
	if rows < 2 || most != 12 {
		t.Errorf("%d rows of the target; at most %v workers were busy, want 12", rows, most)
	}
}

// signalledOutside reloads Apache, whose processes are known and whose address is not of
// this machine, under tunnels.
func signalledOutside(t *testing.T, x *scenarios.External, ca string, pid int) {
	t.Helper()
	text := fmt.Sprintf(`
name: reload
about: Do tunnels live on?
targets:
  - name: far
    external: {url: "%s", tls: {ca: "%s"}, headers: {X-Token: "env:WSGAUGE_TEST_TOKEN"}, status: "%s", pids: [%d]}
blocks: 1
steps:
  - connect: {connections: 8, rate: 100/s}
  - id: reload
    signal: graceful
  - send: {rate: 100/s, for: 1s, warmup: 100ms}
  - id: pages
    http: {rate: 40/s, for: 1s, warmup: 0s, path: /echo/}
  - close: {}
  - id: drained
    wait: {until: drained, limit: 10s}
expect: ["failures == 0"]
`, x.URL, ca, x.Status, pid)
	r := start(t, text)
	if code := r.exit(time.Minute); code != 2 || !strings.Contains(r.output.String(), "--allow-disruptive") {
		t.Errorf("a reload of another machine: exit code %d\n%s", code, r.output.String())
	}
	r = start(t, text, "--allow-disruptive")
	r.passed(time.Minute)
	trial := &r.records().Trials[0]
	if target := trial.Resources["target"]; target == nil || target.ProcessesPeak == nil || *target.ProcessesPeak < 2 {
		t.Errorf("it was watched, and has %+v", target)
	}
	for _, s := range trial.Steps {
		switch s.ID {
		case "reload":
			if g := s.Generations; g == nil || g.Old == 0 || g.New == 0 {
				t.Errorf("reloaded: %+v, note %q", g, s.Note)
			}
		case "pages": // the headers of every request are theirs too
			if h := s.HTTP; len(h.Status) != 1 || h.Status["200"] == 0 {
				t.Errorf("http: %+v", h)
			}
		case "drained":
			if strings.Contains(s.Note, "not drained") {
				t.Errorf("drained: %s", s.Note)
			}
		}
	}
	if n := trial.Closures["closed_by_us"]; n != 8 {
		t.Errorf("closures %v", trial.Closures)
	}
}

// checkOutside wants a whole trial of a target that is not watched.
func checkOutside(t *testing.T, dir string, remote bool) {
	t.Helper()
	d, err := results.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Trials) != 1 {
		t.Fatalf("%d trials", len(d.Trials))
	}
	trial := &d.Trials[0]
	checkSmall(t, trial, 12, 400)
	for _, group := range []string{"target", "backend"} {
		if r := trial.Resources[group]; r != nil {
			t.Errorf("%s was not watched, and has %+v", group, r)
		}
	}
	if trial.Resources["agents"] == nil || trial.TLS == nil && remote {
		t.Errorf("the agents' resources or the handshakes are missing")
	}
	if i := d.Run.Targets[0]; i.Kind != "external" || i.Remote != remote {
		t.Errorf("the record says of the target: %+v", i)
	}
}

// apacheInside runs a wsgauge echo and Apache before it in the namespace.
func apacheInside(t *testing.T, space *netns.Space) (ca string, pid int) {
	t.Helper()
	const modules = "/usr/lib/apache2/modules"
	if _, err := os.Stat(modules + "/mod_ssl.so"); err != nil {
		t.Skipf("skipped: %v", err)
	}
	dir := t.TempDir()
	files, err := certs.Make(dir, []netip.Addr{space.Inside})
	if err != nil {
		t.Fatal(err)
	}
	launch := func(argv ...string) (pid int) {
		argv = space.Command(argv...)
		c := exec.Command(argv[0], argv[1:]...)
		var out strings.Builder
		c.Stdout, c.Stderr = &out, &out
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			c.Process.Signal(os.Interrupt)
			late := time.AfterFunc(10*time.Second, func() { c.Process.Kill() })
			defer late.Stop()
			c.Wait() // of a signal
			if t.Failed() {
				t.Logf("%q:\n%s", argv, out.String())
			}
		})
		return c.Process.Pid
	}
	launch(binary, "echo", "--listen", "127.0.0.1:7000")
	conf := filepath.Join(dir, "httpd.conf")
	text := "ServerRoot " + dir + "\nServerName far\nPidFile " + dir + "/pid\nErrorLog " + dir + "/error.log\nListen 8443\n"
	for _, m := range []string{"mpm_event", "authz_core", "authz_host", "proxy", "proxy_http", "ssl", "status", "socache_shmcb"} {
		text += fmt.Sprintf("LoadModule %s_module %s/mod_%s.so\n", m, modules, m)
	}
	text += fmt.Sprintf(`ServerLimit 8
StartServers 1
ThreadsPerChild 32
MaxRequestWorkers 64
SSLEngine on
SSLCertificateFile %s
SSLCertificateKeyFile %s
<Location /server-status>
  SetHandler server-status
</Location>
<Location /echo>
  Require expr "%%{HTTP:X-Token} == 'swordfish-8731'"
</Location>
ProxyPass /echo http://127.0.0.1:7000/ upgrade=websocket
`, files.Cert, files.Key)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	path, err := apachePath()
	if err != nil {
		t.Fatal(err)
	}
	apache := launch(path, "-f", conf, "-DFOREGROUND")
	// It is ready when it has written its pid and listens: asked from out here.
	for limit := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.DialTimeout("tcp", fmt.Sprintf("%v:8443", space.Inside), time.Second)
		if err == nil {
			c.Close()
			return files.CA, apache
		}
		if time.Now().After(limit) {
			t.Fatalf("Apache in the namespace: %v", err)
		}
	}
}
