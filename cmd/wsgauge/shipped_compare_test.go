package main

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"wsgauge/results"
)

// allWell wants a run in which nothing failed and every tunnel was closed by its client,
// with a trial of each of these targets.
func allWell(t *testing.T, r *running, targets ...string) map[string]*results.Trial {
	t.Helper()
	r.passed(3 * time.Minute)
	data := r.records()
	trials := map[string]*results.Trial{}
	for i := range data.Trials {
		trial := &data.Trials[i]
		trials[trial.Target] = trial
		opened := trial.Connections.Opened
		if m := trial.Messages; trial.Error != "" || m.Sent == 0 || m.Answered != m.Sent || len(trial.Failures) > 0 ||
			opened == 0 || trial.Closures["closed_by_us"] != opened || len(trial.Closures) > 1 {
			t.Errorf("%s: %q, messages %+v, failures %v, %d opened, closures %v", trial.Target, trial.Error, m, trial.Failures, opened, trial.Closures)
		}
	}
	if len(trials) != len(targets) {
		t.Errorf("%d targets were run, want %v; skipped: %+v", len(trials), targets, data.Run.Skipped)
	}
	for _, name := range targets {
		if trials[name] == nil {
			t.Fatalf("there is no trial of %s", name)
		}
	}
	return trials
}

// needPrograms skips a test that is about a proxy that is not here.
func needPrograms(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if p == "apache2" {
			needApache(t)
		} else if _, err := exec.LookPath(p); err != nil {
			t.Skipf("skipped: %v (make setup-peers installs it where it may)", err)
		}
	}
}

// Every handshake of the scenario tls is of the version and the kind that its step is
// called after, at whichever proxy.
func TestShippedTLS(t *testing.T) {
	atLeisure(t)
	t.Parallel()
	needPrograms(t, "apache2", "nginx")
	short := []string{"--blocks", "1", "--set", "n=12", "--set", "messages=200/s", "--set", "for=500ms", "--set", "warmup=200ms"}
	t.Run("front", func(t *testing.T) {
		t.Parallel()
		secured := []string{"tunnel-tls", "apache-tls", "nginx-tls"}
		r := startRun(t, "tls", append(short, "--targets", strings.Join(secured, ","))...)
		trials := allWell(t, r, secured...)
		for _, name := range secured {
			handshakes(t, trials[name], 12)
		}
	})
	t.Run("back", func(t *testing.T) {
		t.Parallel()
		r := startRun(t, "tls", append(short, "--targets", "direct,apache", "--set", "backend_tls=true")...)
		trials := allWell(t, r, "direct", "apache")
		handshakes(t, trials["direct"], 12)
		if seen := trials["apache"].Connections.TLS; len(seen) > 0 {
			t.Errorf("the clients of apache speak ws: %v", seen)
		}
		if !strings.Contains(r.records().Run.Targets[1].Config, "wss://") {
			t.Errorf("apache does not lead to wss:\n%s", r.records().Run.Targets[1].Config)
		}
	})
}

// handshakes wants n of them in each connect step, of the version that ends its name.
func handshakes(t *testing.T, trial *results.Trial, n int64) {
	t.Helper()
	for _, id := range []string{"full-12", "full-13", "again-12", "again-13"} {
		s := of(t, trial, id)
		kind, digits, _ := strings.Cut(id, "-")
		version, all, resumed := "TLS 1."+digits[1:]+" ", int64(0), int64(0)
		for text, count := range s.Connections.TLS {
			if !strings.HasPrefix(text, version) {
				t.Errorf("%s, %s: %d handshakes agreed on %s", trial.Target, id, count, text)
			}
			all += count
			if strings.HasSuffix(text, " resumed") {
				resumed += count
			}
		}
		// The first has no ticket yet, and the second may begin before it has come.
		if all != n || kind == "full" && resumed != 0 || kind == "again" && (resumed < n/2 || resumed == n) {
			t.Errorf("%s, %s: %d handshakes, %d resumed, of %d", trial.Target, id, all, resumed, n)
		}
		if s.TLS == nil || s.TLS.Count != n {
			t.Errorf("%s, %s: tls is %+v", trial.Target, id, s.TLS)
		}
	}
}

func TestShippedBackends(t *testing.T) {
	atLeisure(t)
	t.Parallel()
	needPrograms(t, "apache2")
	for _, runtime := range []string{"go", "node", "python"} {
		t.Run(runtime, func(t *testing.T) {
			t.Parallel()
			if runtime != "go" {
				needBackend(t, runtime)
			}
			r := startRun(t, "backends", "--blocks", "1", "--set", "runtime="+runtime, "--targets", "direct,apache", "--set", "n=20", "--set", "rate=200/s",
				"--set", "for=500ms", "--set", "warmup=200ms")
			for name, trial := range allWell(t, r, "direct", "apache") {
				if b := trial.Resources["backend"]; b == nil || b.CPUUsPerMessage == nil || *b.CPUUsPerMessage <= 0 {
					t.Errorf("%s: resources of the backend: %+v", name, b)
				}
				if p := of(t, trial, "heartbeat").Ping; p == nil || p.Count == 0 {
					t.Errorf("%s: no ping was answered", name)
				}
			}
			if b := r.records().Run.Backend; b == nil || b.Runtime != runtime {
				t.Errorf("the record says of the backend: %+v", b)
			}
		})
	}
}

func TestShippedPeers(t *testing.T) {
	atLeisure(t)
	t.Parallel()
	needPrograms(t, "apache2", "nginx", "haproxy", "caddy")
	r := startRun(t, "peers", "--blocks", "1", "--targets", "apache,nginx,haproxy,caddy", "--set", "n=20", "--set", "rate=200/s", "--set", "for=500ms", "--set", "warmup=200ms")
	for name, trial := range allWell(t, r, "apache", "nginx", "haproxy", "caddy") {
		if x := trial.Resources["target"]; x == nil || x.CPUUsPerMessage == nil || x.PSSBytesPerTunnel == nil {
			t.Errorf("%s: resources of the target: %+v", name, x)
		}
	}
	versions := ""
	for _, info := range r.records().Run.Targets {
		versions += fmt.Sprintln(info.Version)
	}
	for _, word := range []string{"Apache/", "nginx/", "HAProxy/", "Caddy/"} {
		if !strings.Contains(versions, word) {
			t.Errorf("there is no version of %s among:\n%s", word, versions)
		}
	}
}

// The old process of lighttpd serves its tunnels on until its time is over; the new one
// is there at once.
func TestShippedLighttpd(t *testing.T) {
	atLeisure(t)
	t.Parallel()
	needPrograms(t, "lighttpd")
	r := startRun(t, "lighttpd", "--targets", "lighttpd", "--set", "n=30", "--set", "old=2")
	r.passed(2 * time.Minute)
	trial := &r.records().Trials[0]
	if len(trial.Failures) > 0 || trial.Error != "" {
		t.Errorf("failures %v, %q", trial.Failures, trial.Error)
	}
	if ends := of(t, trial, "after").Closures; len(ends) > 0 {
		t.Errorf("at once after the restart tunnels ended: %v", ends)
	}
	if n := of(t, trial, "new").Messages; n.Answered == 0 || n.Answered != n.Sent {
		t.Errorf("through the new process: %+v", n)
	}
	if trial.Closures["closed_by_peer"] != 30 || trial.Closures["closed_by_us"] != 20 {
		t.Errorf("closures %v, want the 30 of the old process ended by it, and the 20 of the new by us", trial.Closures)
	}
	// Until the signal arrives, on a busy machine after the step, no process is new.
	g := of(t, trial, "3").Generations
	if g == nil || g.Before == 0 || g.Old+g.New == 0 {
		t.Errorf("generations %+v", g)
	}
}
