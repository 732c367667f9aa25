package external

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"wsgauge/scenarios"
	"wsgauge/targets"
)

func find(t *testing.T, x scenarios.External) (*Target, *targets.Instance) {
	t.Helper()
	target := New(x, nil)
	v, err := target.Find()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(v.Text, "runs already") {
		t.Errorf("version %q", v.Text)
	}
	in, err := target.Prepare(targets.Site{})
	if err != nil {
		t.Fatal(err)
	}
	return target, in
}

func TestURL(t *testing.T) {
	for url, want := range map[string]struct{ addr, host, path, name string }{
		"ws://127.0.0.1:8080":        {"127.0.0.1:8080", "127.0.0.1:8080", "/", ""},
		"ws://127.0.0.1/a/b?c=d&e":   {"127.0.0.1:80", "127.0.0.1", "/a/b?c=d&e", ""},
		"wss://127.0.0.1/":           {"127.0.0.1:443", "127.0.0.1", "/", "127.0.0.1"},
		"wss://[::1]:8443/x%20y":     {"[::1]:8443", "[::1]:8443", "/x%20y", "::1"},
		"ws://[::ffff:127.0.0.2]:81": {"127.0.0.2:81", "[::ffff:127.0.0.2]:81", "/", ""},
	} {
		target, in := find(t, scenarios.External{URL: url})
		name := ""
		if in.Reach.TLS != nil {
			name = in.Reach.TLS.Name
		}
		if len(in.Addrs) != 1 || in.Addrs[0].String() != want.addr || in.Reach.Host != want.host || in.Reach.Path != want.path || name != want.name {
			t.Errorf("%s: %v, %+v", url, in.Addrs, in.Reach)
		}
		if len(in.Argv) != 0 || in.Processes != nil || in.Status != nil {
			t.Errorf("%s: something would be started or watched: %+v", url, in)
		}
		if local, err := target.Local(); err != nil || !local {
			t.Errorf("%s: local %v, %v", url, local, err)
		}
		if want := strings.HasPrefix(want.addr, "127."); target.Loopback() != want {
			t.Errorf("%s: loopback %v", url, !want)
		}
	}
	for _, url := range []string{"http://x/", "ws:///", "ws://u:p@127.0.0.1/", "ws://127.0.0.1:0/", "ws://127.0.0.1:70000/", "ws://127.0.0.1/#a", "ws://none.invalid/", "ws://a b/"} {
		if _, err := New(scenarios.External{URL: url}, nil).Find(); err == nil {
			t.Errorf("%s was found", url)
		} else if strings.Contains(err.Error(), "u:p") {
			t.Errorf("the password is in %v", err)
		}
	}
	if _, err := New(scenarios.External{URL: "ws://127.0.0.1/"}, nil).Prepare(targets.Site{}); err == nil {
		t.Error("prepared without being found")
	}
}

func TestElsewhere(t *testing.T) {
	target, _ := find(t, scenarios.External{URL: "ws://192.0.2.1:80/"}) // RFC 5737: nobody has it
	if local, err := target.Local(); err != nil || local || target.Loopback() {
		t.Errorf("local %v, %v", local, err)
	}
}

// Several addresses of a name are all dialled.
func TestLocalhost(t *testing.T) {
	target, in := find(t, scenarios.External{URL: "ws://localhost:9/"})
	if len(in.Addrs) == 0 || in.Reach.Host != "localhost:9" {
		t.Errorf("%v, %+v", in.Addrs, in.Reach)
	}
	if local, err := target.Local(); err != nil || !local {
		t.Errorf("local %v, %v", local, err)
	}
	target.Keep(in.Addrs[:1])
	if again, err := target.Prepare(targets.Site{}); err != nil || !slices.Equal(again.Addrs, in.Addrs[:1]) {
		t.Errorf("%v, %v", again, err)
	}
}

func TestHeaders(t *testing.T) {
	t.Setenv("EXTERNAL_TEST_TOKEN", "s3cret")
	_, in := find(t, scenarios.External{URL: "ws://127.0.0.1/", Headers: map[string]string{"Authorization": "env:EXTERNAL_TEST_TOKEN", "X-A": "b"},
		Status: "http://127.0.0.1:81/server-status?auto"})
	if h := in.Reach.Headers; h["Authorization"] != "s3cret" || h["X-A"] != "b" || in.Status.Headers["X-A"] != "b" {
		t.Errorf("%v", in.Reach.Headers)
	}
	if strings.Contains(in.Config, "s3cret") || !strings.Contains(in.Config, "env:EXTERNAL_TEST_TOKEN") {
		t.Errorf("the record would say:\n%s", in.Config)
	}
	// A credential goes to no other host.
	if _, in = find(t, scenarios.External{URL: "ws://127.0.0.1/", Headers: map[string]string{"X-A": "b"}, Status: "http://127.0.0.2/s"}); in.Status.Headers != nil {
		t.Errorf("%v", in.Status.Headers)
	}
	t.Setenv("EXTERNAL_TEST_LINES", "a\r\nX-Evil: b")
	_, err := New(scenarios.External{URL: "ws://127.0.0.1/", Headers: map[string]string{"A": "env:EXTERNAL_TEST_NONE", "B": "env:EXTERNAL_TEST_LINES"}}, nil).Find()
	for _, want := range []string{"header A", "no variable EXTERNAL_TEST_NONE", "header B", "control character"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if err != nil && strings.Contains(err.Error(), "X-Evil") {
		t.Errorf("the value is in %v", err)
	}
}

func TestTrust(t *testing.T) {
	for name, ca := range map[string]string{"none": "", "empty": filepath.Join(t.TempDir(), "empty.pem")} {
		if ca == "" {
			ca = filepath.Join(t.TempDir(), "nowhere.pem")
		} else if err := os.WriteFile(ca, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(scenarios.External{URL: "wss://127.0.0.1/", TLS: scenarios.ExternalTLS{CA: ca}}, nil).Find(); err == nil || !strings.Contains(err.Error(), ca) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, in := find(t, scenarios.External{URL: "wss://127.0.0.1/", TLS: scenarios.ExternalTLS{ServerName: "a.example", Insecure: true}, Status: "https://127.0.0.1/s"})
	if c := in.Status.TLS; in.Reach.TLS.Name != "a.example" || !in.Reach.TLS.Insecure || !c.InsecureSkipVerify || c.ServerName != "a.example" {
		t.Errorf("%+v, %+v", in.Reach.TLS, in.Status.TLS)
	}
	if c, err := TLS(nil); c != nil || err != nil {
		t.Errorf("%v, %v", c, err)
	}
}

// sleeper starts a process whose program has the name.
func sleeper(t *testing.T, name string) int {
	t.Helper()
	path, err := exec.LookPath("sleep")
	if err != nil {
		t.Skipf("skipped: %v", err)
	}
	link := filepath.Join(t.TempDir(), name)
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(link, program, 0o755); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(link, "60")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	return c.Process.Pid
}

func TestSignals(t *testing.T) {
	for name, want := range map[string]map[string]syscall.Signal{
		"apache2": {"graceful": syscall.SIGUSR1, "restart": syscall.SIGHUP, "stop": syscall.SIGTERM},
		"nginx":   {"graceful": syscall.SIGHUP, "restart": 0, "kill": syscall.SIGKILL},
		"unheard": {"graceful": 0, "pause": syscall.SIGSTOP, "resume": syscall.SIGCONT},
	} {
		pid := sleeper(t, name)
		target, in := find(t, scenarios.External{URL: "ws://127.0.0.1/", PIDs: []int{pid}})
		if got, err := in.Processes(); err != nil || !slices.Equal(got, []int{pid}) || !target.Watched() {
			t.Errorf("%s: watched %v, %v", name, got, err)
		}
		for step, want := range want {
			got, err := target.Signal(step)
			if got != want || (err == nil) != (want != 0) {
				t.Errorf("%s: %s is %v, %v", name, step, got, err)
			}
		}
		if in.Graceful.Signal != want["graceful"] {
			t.Errorf("%s: %+v", name, in.Graceful)
		}
		if !strings.Contains(in.Config, fmt.Sprint([]int{pid})) {
			t.Errorf("%s: %s", name, in.Config)
		}
	}
}
