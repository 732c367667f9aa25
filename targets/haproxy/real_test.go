package haproxy

import (
	"fmt"
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

// At maxconn the next connection waits, and is served when another leaves.
func TestPastTheLimit(t *testing.T) {
	r := targettest.Start(t, New(scenarios.Peer{Limit: 5}), targettest.Options{})
	all := r.Open(5)
	c, err := r.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Upgraded(500 * time.Millisecond); err == nil {
		t.Error("a sixth tunnel")
	}
	if err := all[0].Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Upgraded(targettest.Patience); err != nil {
		t.Errorf("after another left: %v", err)
	}
}

// The limit on open files makes the maxconn that is not given.
func TestDescriptors(t *testing.T) {
	r := targettest.Start(t, New(scenarios.Peer{Workers: 1}), targettest.Options{Nofile: 300})
	opened := 0
	for range 150 {
		c, err := r.Dial()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Upgraded(500 * time.Millisecond); err != nil {
			break
		}
		opened++
	}
	// Some twenty are HAProxy's own.
	if opened < 100 || opened > 145 {
		t.Errorf("%d tunnels with 300 descriptors", opened)
	}
}

func TestExtraIsHAProxys(t *testing.T) {
	r := targettest.Start(t, New(scenarios.Peer{Extra: "http-response set-header X-Extra yes"}), targettest.Options{})
	if answer, _, err := r.Get("/"); err != nil || answer.Header.Get("X-Extra") != "yes" {
		t.Errorf("%v %v", answer, err)
	}
	targettest.Refused(t, New(scenarios.Peer{Extra: "# fine\nnonsense on\n"}),
		"unknown keyword 'nonsense'", "(line 2 of `extra:`)", "haproxy.cfg:")
}

const ownFile = `
defaults
  mode http
  timeout connect 5s
  timeout client 1m
  timeout server 1m
listen mine
  bind "${WSGAUGE_LISTEN}"
  server one "${WSGAUGE_BACKEND}"
`

// A user's own file learns from its environment where to lead to.
func TestOwnFile(t *testing.T) {
	for _, head := range []string{"", "global\n  daemon\n"} {
		listen := targettest.Free(t, 3)
		path := targettest.WriteFile(t, "own.cfg", head+ownFile)
		r := targettest.Start(t, New(scenarios.Peer{Config: path, Listen: listen.String()}), targettest.Options{Listen: listen})
		c := r.Open(1)[0]
		r.Graceful()
		r.Eventually("an echo after the reload", r.Probe)
		if err := c.Echo(); err != nil {
			t.Errorf("after the reload: %v", err)
		}
	}
	targettest.Refused(t, New(scenarios.Peer{Config: targettest.WriteFile(t, "own.cfg", "global\n  nonsense 1\n"), Listen: "127.0.0.1:8080"}),
		"own.cfg:2", "unknown keyword 'nonsense'")
}

// How a connection ended stands in the log, when it ended otherwise than it should.
func TestBackendGone(t *testing.T) {
	gone := targettest.Free(t, 4)
	r := targettest.Start(t, New(scenarios.Peer{Extra: fmt.Sprintf("retries 0\nuse-server gone if { path /gone }\nserver gone %s weight 0", gone)}), targettest.Options{})
	if answer, _, err := r.Get("/"); err != nil || answer.StatusCode != 200 {
		t.Errorf("%v %v", answer, err)
	}
	if answer, _, err := r.Get("/gone"); err != nil || answer.StatusCode != 503 {
		t.Errorf("%v %v", answer, err)
	}
	r.Eventually("the code", func() error {
		if codes := r.Codes(); codes["SC--"] != 1 {
			return fmt.Errorf("%v", codes)
		}
		return nil
	})
}
