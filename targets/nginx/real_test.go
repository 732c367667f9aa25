package nginx

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"wsgauge/scenarios"
	"wsgauge/targets"
	"wsgauge/targets/targettest"
)

func TestMain(m *testing.M) { targettest.Main(m) }

func TestServes(t *testing.T) {
	targettest.Serves(t, func(legs scenarios.TLS) targets.Target { return New(scenarios.Peer{TLS: legs, Workers: 1}) })
}

func TestTimeout(t *testing.T) {
	targettest.EndsIdle(t, New(scenarios.Peer{Timeout: time.Second}))
}

func TestGracefulKeepsTunnels(t *testing.T) {
	targettest.Reloads(t, New(scenarios.Peer{}), true)
}

// Of worker_connections the listener takes one and a tunnel two. What comes then is accepted and closed.
func TestPastTheLimit(t *testing.T) {
	r := targettest.Start(t, New(scenarios.Peer{Limit: 20}), targettest.Options{})
	r.Eventually("the probe to be gone", func() error {
		if n := r.Backends[0].Connections(); n > 0 {
			return fmt.Errorf("%d connections", n)
		}
		return nil
	})
	r.Open(9)
	c, err := r.Dial()
	if err == nil {
		defer c.Close()
		err = c.Upgraded(targettest.Patience)
	}
	if err == nil {
		t.Error("a tenth tunnel")
	}
	codes := map[string]int{}
	r.Eventually("the code", func() error {
		for code, n := range r.Codes() {
			codes[code] += n
		}
		if codes["worker_connections_not_enough"] == 0 {
			return fmt.Errorf("%v", codes)
		}
		return nil
	})
}

// Without a descriptor left a connection waits to be accepted, and the log says why.
func TestNoDescriptorLeft(t *testing.T) {
	r := targettest.Start(t, New(scenarios.Peer{Limit: 1000}), targettest.Options{Nofile: 40})
	codes := map[string]int{}
	for i := 0; i < 40 && codes["too_many_open_files"] == 0; i++ {
		c, err := r.Dial()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Upgraded(300 * time.Millisecond); err != nil {
			t.Logf("tunnel %d: %v", i, err)
		}
		for code, n := range r.Codes() {
			codes[code] += n
		}
	}
	if codes["too_many_open_files"] == 0 {
		t.Errorf("the log names %v", codes)
	}
}

func TestExtraIsNginxs(t *testing.T) {
	r := targettest.Start(t, New(scenarios.Peer{Extra: "location = /here {\n  return 200 extra;\n}"}), targettest.Options{})
	if _, body, err := r.Get("/here"); err != nil || body != "extra" {
		t.Errorf("%q %v", body, err)
	}
	targettest.Refused(t, New(scenarios.Peer{Extra: "# fine\nnonsense on;\n"}),
		`unknown directive "nonsense"`, "(line 2 of `extra:`)", "nginx.conf:")
}

const ownFile = `
%s
events {}
http {
  map $http_upgrade $connection_upgrade { default upgrade; '' close; }
  server {
    listen %s;
    location / {
      proxy_pass http://%s;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }
  }
}
`

// A user's own file runs as it is, whether it says what a target needs or not.
func TestOwnFile(t *testing.T) {
	backend := targettest.Site(t, targettest.Options{}).Site.Backends[0]
	for name, head := range map[string]string{"bare": "", "daemon off": "daemon off;", "with a pid": "pid %s/own.pid;"} {
		t.Run(name, func(t *testing.T) {
			if strings.Contains(head, "%s") {
				head = fmt.Sprintf(head, t.TempDir())
			}
			listen := targettest.Free(t, 3)
			text := fmt.Sprintf(ownFile, head, listen, backend)
			path := targettest.WriteFile(t, "own.conf", text)
			r := targettest.Start(t, New(scenarios.Peer{Config: path, Listen: listen.String()}), targettest.Options{})
			if r.Addrs[0] != listen || r.Config != text {
				t.Errorf("listens on %v", r.Addrs)
			}
			c := r.Open(1)[0]
			r.Graceful()
			r.Eventually("an echo after the reload", r.Probe)
			if err := c.Echo(); err != nil {
				t.Errorf("after the reload: %v", err)
			}
		})
	}
}

func TestOwnFileRefused(t *testing.T) {
	own := func(text string) *Target {
		return New(scenarios.Peer{Config: targettest.WriteFile(t, "own.conf", text), Listen: "127.0.0.1:8080"})
	}
	targettest.Refused(t, own("events {}\nhttp {\n  nonsense 1;\n}\n"), `unknown directive "nonsense"`, "own.conf:3")
	targettest.Refused(t, own("daemon on;\nevents {}\n"), "own.conf says `daemon on`")
	targettest.Refused(t, New(scenarios.Peer{Config: "/nowhere/own.conf", Listen: "127.0.0.1:8080"}), "config: /nowhere/own.conf", "no such file")
	targettest.Refused(t, New(scenarios.Peer{Config: targettest.WriteFile(t, "x", ""), Listen: "here"}), "listen: here", "127.0.0.1:8080")
}

// A tunnel to a backend that has gone is refused by nginx, which says why.
func TestBackendGone(t *testing.T) {
	gone := targettest.Free(t, 4)
	r := targettest.Start(t, New(scenarios.Peer{Extra: fmt.Sprintf("location /gone { proxy_pass http://%s; }", gone)}), targettest.Options{})
	answer, _, err := r.Get("/gone")
	if err != nil || answer.StatusCode != 502 {
		t.Errorf("%v %v", answer, err)
	}
	r.Eventually("the code", func() error {
		if codes := r.Codes(); codes["connection_refused"] != 1 {
			return fmt.Errorf("%v", codes)
		}
		return nil
	})
}
