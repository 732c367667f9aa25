package targettest

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wsgauge/scenarios"
	"wsgauge/targets"
)

// Serves is what every proxy has to do on each combination of legs with and without
// TLS: tunnels and plain requests on one port, spread over the backends, and nothing
// left behind. maker makes the target with the legs asked for.
func Serves(t *testing.T, maker func(scenarios.TLS) targets.Target) {
	for _, legs := range []scenarios.TLS{
		{}, {Frontend: true}, {Backend: true}, {Frontend: true, Backend: true, Min: "1.2", Max: "1.3"},
	} {
		t.Run(fmt.Sprintf("front %v back %v", legs.Frontend, legs.Backend), func(t *testing.T) {
			r := Start(t, maker(legs), Options{Backends: 2, Front: legs.Frontend, Back: legs.Backend})
			all := r.Open(6)
			for i, b := range r.Backends {
				if n := b.Connections(); n != 3 {
					t.Errorf("backend %d has %d of 6 tunnels", i, n)
				}
			}
			answer, body, err := r.Get("/page")
			if err != nil || answer.StatusCode != 200 || body == "" {
				t.Errorf("a plain request: %v %q %v", answer, body, err)
			}
			for i, c := range all {
				if err := c.Echo(); err != nil {
					t.Errorf("tunnel %d: %v", i, err)
				}
			}
			keepsToItsPlace(t, r)
		})
	}
}

// keepsToItsPlace looks for files that the target holds open outside its directories.
func keepsToItsPlace(t *testing.T, r *Running) {
	t.Helper()
	pid := r.Child.PID()
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range append([]string{fmt.Sprint(pid)}, strings.Fields(string(children))...) {
		dir := "/proc/" + pid + "/fd"
		fds, err := os.ReadDir(dir)
		if err != nil {
			t.Errorf("process %s: %v", pid, err)
		}
		for _, fd := range fds {
			to, err := os.Readlink(dir + "/" + fd.Name())
			switch {
			case errors.Is(err, os.ErrNotExist): // closed by now
			case err != nil:
				t.Error(err)
			case strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "/dev/") &&
				!strings.HasPrefix(to, r.Site.Dir) && !strings.HasPrefix(to, r.Site.LogDir):
				t.Errorf("process %s holds %s open", pid, to)
			}
		}
	}
}

// EndsIdle opens two tunnels through a target whose timeout is one second: the one that
// is used meanwhile stays, the silent one ends in time.
func EndsIdle(t *testing.T, target targets.Target) {
	t.Helper()
	r := Start(t, target, Options{})
	both := r.Open(2)
	begun := time.Now()
	ended := make(chan error, 1)
	go func() {
		_, err := both[0].Ended(Patience)
		ended <- err
	}()
	for {
		select {
		case err := <-ended:
			if took := time.Since(begun); err != nil || took < 800*time.Millisecond || took > 4*time.Second {
				t.Errorf("the silent tunnel: %v, %v; want an end after 1s", took, err)
			}
			if err := both[1].Echo(); err != nil {
				t.Errorf("the other tunnel: %v", err)
			}
			return
		case <-time.After(200 * time.Millisecond):
			if err := both[1].Echo(); err != nil {
				t.Fatalf("the other tunnel after %v: %v", time.Since(begun), err)
			}
		}
	}
}

// Reloads has a target reload while a tunnel is open: it serves as before, and keeps
// the tunnel or ends it, as it is said to do.
func Reloads(t *testing.T, target targets.Target, keeps bool) {
	t.Helper()
	r := Start(t, target, Options{})
	c := r.Open(1)[0]
	before := r.processes()
	r.Graceful()
	if keeps {
		again := time.Now().Add(3 * time.Second)
		r.Eventually("a new process", func() error {
			// HAProxy's master heeds no signal in its first moments, when its worker
			// serves already.
			if time.Now().After(again) {
				again = time.Now().Add(Patience)
				r.Graceful()
			}
			if now := r.processes(); slices.Equal(now, before) {
				return fmt.Errorf("processes %v", now)
			}
			return nil
		})
		if err := c.Echo(); err != nil {
			t.Errorf("after the reload the tunnel is gone: %v", err)
		}
	} else if _, err := c.Ended(Patience); err != nil {
		t.Errorf("after the reload: %v", err)
	}
	r.Eventually("an echo after the reload", r.Probe)
	if keeps {
		if err := c.Echo(); err != nil {
			t.Errorf("after the reload the tunnel is gone: %v", err)
		}
	}
}

// processes are the pids of the target's children.
func (r *Running) processes() []string {
	r.t.Helper()
	pid := r.Child.PID()
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.Fields(string(children))
}

// Refused has a target find out, before a run starts anything, that its program refuses
// a configuration; each of want has to be in what it says.
func Refused(t *testing.T, target targets.Target, want ...string) {
	t.Helper()
	Need(t, target)
	_, found := target.Find()
	_, prepared := target.Prepare(Site(t, Options{}).Site)
	for when, err := range map[string]error{"before the run": found, "in a trial": prepared} {
		if err == nil {
			t.Errorf("%s it was accepted", when)
			continue
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s %q is not in: %v", when, w, err)
			}
		}
	}
}

// Golden compares text with a file of testdata, or writes it.
func Golden(t *testing.T, name, text string, update bool) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("differs from %s (see the change with -update and git diff):\n%s", path, text)
	}
}

// Fixed is a place that is the same on every machine, for golden files.
func Fixed(backends int) targets.Site {
	site := targets.Site{
		Listen: netip.MustParseAddrPort("127.1.2.3:20000"),
		Dir:    "/tmp/trial", LogDir: "/results/logs/1-target",
		Certificates: &targets.Certificates{CA: "/tmp/tls/ca.pem", Cert: "/tmp/tls/cert.pem", Key: "/tmp/tls/key.pem"},
	}
	for i := range backends {
		site.Backends = append(site.Backends, netip.AddrPortFrom(netip.MustParseAddr("127.1.2.4"), uint16(20001+i)))
	}
	return site
}

// Fake writes a script that answers any question with a text.
func Fake(t *testing.T, name, answer string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\ncat <<'END'\n"+answer+"\nEND\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// WriteFile writes a user's own file and returns its path.
func WriteFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
