package targettest

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"wsgauge/scenarios"
	"wsgauge/targets"
)

// Serves is what every proxy has to do on each combination of legs with and without
// TLS: tunnels and plain requests on one port, spread over the backends, and nothing
// left behind. maker makes the target with the legs asked for.
func Serves(t *testing.T, maker func(scenarios.TLS) targets.Target) {
	for _, legs := range []scenarios.TLS{
		{}, {Frontend: true}, {Backend: true}, {Frontend: true, Backend: true, Min: "1.2"},
	} {
		t.Run(fmt.Sprintf("front %v back %v", legs.Frontend, legs.Backend), func(t *testing.T) {
			target := maker(legs)
			if _, err := target.Find(); err != nil && legs.Min != "" {
				legs.Min = "" // this one lets nobody choose
				target = maker(legs)
			}
			r := Start(t, target, Options{Backends: 2, Front: legs.Frontend, Back: legs.Backend})
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
