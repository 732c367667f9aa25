package command

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"wsgauge/scenarios"
	"wsgauge/targets/targettest"
)

func TestMain(m *testing.M) { targettest.Main(m) }

// lighttpd is a proxy that wsgauge does not know.
func lighttpd(legs scenarios.TLS) scenarios.Command {
	conf := `server.bind = "{host}"
server.port = {port}
server.document-root = "{dir}"
server.errorlog = "{logs}/error.log"
server.modules = ("mod_proxy")
server.feature-flags = ("server.graceful-restart-bg" => "enable", "server.graceful-shutdown-timeout" => 3)
proxy.server = ("" => (("host" => "{backend_host}", "port" => {backend_port})))
proxy.header = ("upgrade" => "enable")
`
	if legs.Frontend {
		conf += "server.modules += (\"mod_openssl\")\nssl.engine = \"enable\"\nssl.pemfile = \"{pem}\"\n"
	}
	return scenarios.Command{
		Argv:     []string{"lighttpd", "-D", "-f", "{dir}/lighttpd.conf"},
		Files:    map[string]string{"lighttpd.conf": conf},
		ErrorLog: "{logs}/error.log",
		Version:  []string{"lighttpd", "-v"},
		Graceful: scenarios.Action{Signal: "USR1"},
		TLS:      legs,
	}
}

func TestLighttpd(t *testing.T) {
	for _, legs := range []scenarios.TLS{{}, {Frontend: true}} {
		t.Run(fmt.Sprintf("front %v", legs.Frontend), func(t *testing.T) {
			target := New(lighttpd(legs))
			r := targettest.Start(t, target, targettest.Options{Front: legs.Frontend})
			if v, err := target.Find(); err != nil || !strings.HasPrefix(v.Text, "lighttpd/1.") || len(v.SHA256) != 64 {
				t.Errorf("found %+v, %v", v, err)
			}
			for _, c := range r.Open(3) {
				if err := c.Echo(); err != nil {
					t.Error(err)
				}
			}
			if answer, body, err := r.Get("/page"); err != nil || answer.StatusCode != 200 {
				t.Errorf("a plain request: %v %q %v", answer, body, err)
			}
		})
	}
}

// lighttpd's graceful restart keeps a tunnel for as long as it is told to: the old
// process serves on in the background.
func TestLighttpdReloads(t *testing.T) {
	r := targettest.Start(t, New(lighttpd(scenarios.TLS{})), targettest.Options{})
	c := r.Open(1)[0]
	r.Graceful()
	r.Eventually("the restart in the log", func() error {
		if r.Codes()[""] == 0 {
			return errors.New("nothing is there")
		}
		return nil
	})
	r.Eventually("an echo after the reload", r.Probe)
	if err := c.Echo(); err != nil {
		t.Errorf("the tunnel after the reload: %v", err)
	}
	if took, err := c.Ended(targettest.Patience); err != nil || took < 500*time.Millisecond {
		t.Errorf("the tunnel ended after %v, %v; want 3s, give or take a second of its clock", took, err)
	}
}

// A program that does not end is killed after its stop_grace, and a file with #! can be
// the program.
func TestScript(t *testing.T) {
	conf := lighttpd(scenarios.TLS{})
	conf.Files["run"] = "#!/bin/sh\ntrap '' TERM\nPATH=$PATH:/usr/sbin lighttpd -D -f \"$WSGAUGE_DIR/lighttpd.conf\"\nsleep 30\n"
	conf.Argv = []string{"{dir}/run"}
	conf.StopGrace = 500 * time.Millisecond
	targettest.Need(t, New(lighttpd(scenarios.TLS{})))
	r := targettest.Start(t, New(conf), targettest.Options{})
	if err := r.Child.Stop(t.Context(), r.StopGrace); err != nil {
		t.Error(err)
	}
	if !r.Child.Forced() {
		t.Error("it was not killed")
	}
	r.Child = nil
}
