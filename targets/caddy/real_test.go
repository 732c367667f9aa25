package caddy

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"wsgauge/scenarios"
	"wsgauge/targets"
	"wsgauge/targets/targettest"
)

func TestMain(m *testing.M) { targettest.Main(m) }

func TestServes(t *testing.T) {
	targettest.Serves(t, func(legs scenarios.TLS) targets.Target { return New(scenarios.Peer{TLS: legs}) })
}

// A reload ends tunnels; where a later version keeps them, this test says so.
func TestGracefulEndsTunnels(t *testing.T) {
	targettest.Reloads(t, New(scenarios.Peer{}), false)
}

func TestExtraIsCaddys(t *testing.T) {
	r := targettest.Start(t, New(scenarios.Peer{Extra: "header X-Extra yes"}), targettest.Options{})
	if answer, _, err := r.Get("/"); err != nil || answer.Header.Get("X-Extra") != "yes" {
		t.Errorf("%v %v", answer, err)
	}
	targettest.Refused(t, New(scenarios.Peer{Extra: "# fine\nnonsense on\n"}),
		"unrecognized directive: nonsense", "(line 2 of `extra:`)", "Caddyfile:")
}

const ownFile = `{
	admin unix/{$WSGAUGE_DIR}/own.sock
	auto_https off
}
http://:%d {
	bind {$WSGAUGE_LISTEN_HOST}
	reverse_proxy {$WSGAUGE_BACKEND}
}
`

// A user's own file learns from its environment where to lead to, at a reload
// too.
func TestOwnFile(t *testing.T) {
	listen := targettest.Free(t, 3)
	path := targettest.WriteFile(t, "own.caddy", fmt.Sprintf(ownFile, listen.Port()))
	r := targettest.Start(t, New(scenarios.Peer{Config: path, Listen: listen.String()}), targettest.Options{Listen: listen})
	c := r.Open(1)[0]
	if _, err := os.Stat(filepath.Join(r.Site.Dir, "own.sock")); err != nil {
		t.Error(err)
	}
	r.Graceful()
	if _, err := c.Ended(targettest.Patience); err != nil {
		t.Errorf("after the reload: %v", err)
	}
	r.Eventually("an echo after the reload", r.Probe)
	r.Open(1)

	targettest.Refused(t, New(scenarios.Peer{Config: targettest.WriteFile(t, "own.caddy", "{\n\tnonsense 1\n}\n"), Listen: "127.0.0.1:8080"}),
		"own.caddy:2", "unrecognized global option: nonsense")
	targettest.Refused(t, New(scenarios.Peer{Config: targettest.WriteFile(t, "own.json", `{"apps": {"nonsense": {}}}`), Listen: "127.0.0.1:8080"}), "unknown module: nonsense")
}

// That the backend has gone stands in the log.
func TestBackendGone(t *testing.T) {
	r := targettest.Start(t, New(scenarios.Peer{Extra: fmt.Sprintf("reverse_proxy /gone %s", targettest.Free(t, 4))}), targettest.Options{})
	if answer, _, err := r.Get("/gone"); err != nil || answer.StatusCode != 502 {
		t.Errorf("%v %v", answer, err)
	}
	r.Eventually("the code", func() error {
		if codes := r.Codes(); codes["connection_refused"] != 1 {
			return fmt.Errorf("%v", codes)
		}
		return nil
	})
}
