package command

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wsgauge/scenarios"
	"wsgauge/targets"
	"wsgauge/targets/targettest"
)

var update = flag.Bool("update", false, "write the golden file anew")

// every uses everything that a template may hold.
var every = scenarios.Command{
	Argv: []string{"/bin/sh", "{dir}/run.sh", "--listen={listen}", "{host}", "{port}"},
	Files: map[string]string{
		"run.sh":     "#!/bin/sh\n# {backend} {backend_host} {backend_port} {backends}\n",
		"sub/a.conf": "{cert} {key} {ca} {pem} {logs} {unknown} {} { dir } {DIR} {{dir}}\n",
	},
	ErrorLog: "{logs}/own.log",
	Graceful: scenarios.Action{Argv: []string{"sh", "-c", "kill -USR1 $(cat {dir}/pid)"}},
	Restart:  scenarios.Action{Signal: "sighup"},
}

func TestTemplates(t *testing.T) {
	dir := t.TempDir()
	site := targettest.Fixed(2)
	site.Dir, site.LogDir = filepath.Join(dir, "target"), filepath.Join(dir, "logs")
	files := targets.Certificates{CA: dir + "/ca.pem", Cert: dir + "/cert.pem", Key: dir + "/key.pem"}
	site.Certificates = &files
	for path, text := range map[string]string{files.Cert: "CERT\n", files.Key: "KEY\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(site.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	i, err := New(every).Prepare(site)
	if err != nil {
		t.Fatal(err)
	}
	targettest.Golden(t, "every.txt", strings.ReplaceAll(i.Config, dir, "/tmp/trial"), *update)
	if want := dir + "/logs/own.log"; i.ErrorLog != want {
		t.Errorf("the log is %s, want %s", i.ErrorLog, want)
	}
	if i.Restart.Signal != syscall.SIGHUP || len(i.Restart.Argv) > 0 || i.StopGrace != 10*time.Second {
		t.Errorf("restart %+v, stop grace %v", i.Restart, i.StopGrace)
	}
	if got := i.Graceful.Argv; len(got) != 3 || !filepath.IsAbs(got[0]) || got[2] != "kill -USR1 $(cat "+site.Dir+"/pid)" {
		t.Errorf("graceful %q", got)
	}
	pem := filepath.Join(site.Dir, "wsgauge-front.pem")
	if both, err := os.ReadFile(pem); err != nil || string(both) != "CERT\nKEY\n" {
		t.Errorf("{pem} holds %q, %v", both, err)
	}
	if info, err := os.Stat(pem); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("{pem}: %v, %v", info.Mode(), err)
	}
	for name, mode := range map[string]os.FileMode{"run.sh": 0o755, "sub/a.conf": 0o644} {
		if info, err := os.Stat(filepath.Join(site.Dir, name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefused(t *testing.T) {
	for want, c := range map[string]scenarios.Command{
		`"../a" leads out of the directory`:            {Argv: []string{"true"}, Files: map[string]string{"../a": ""}},
		`"/etc/a" leads out of the directory`:          {Argv: []string{"true"}, Files: map[string]string{"/etc/a": ""}},
		`"" leads out of the directory`:                {Argv: []string{"true"}, Files: map[string]string{"": ""}},
		`"b/../../a" leads out`:                        {Argv: []string{"true"}, Files: map[string]string{"b/../../a": ""}},
		"{pem} is asked for, and nothing of the trial": {Argv: []string{"true", "{pem}"}},
		"{ca} is asked for":                            {Argv: []string{"true"}, Files: map[string]string{"a": "{ca}"}},
		"{key} is asked for":                           {Argv: []string{"true"}, ErrorLog: "{key}"},
		`graceful: signal "KILL" is not known`:         {Argv: []string{"true"}, Graceful: scenarios.Action{Signal: "KILL"}},
		"restart: the program nowhere-to-be-found":     {Argv: []string{"true"}, Restart: scenarios.Action{Argv: []string{"nowhere-to-be-found"}}},
		"the program ./nowhere was not found":          {Argv: []string{"./nowhere"}},
	} {
		site := targettest.Fixed(1)
		site.Dir, site.LogDir, site.Certificates = t.TempDir(), t.TempDir(), nil
		if _, err := New(c).Prepare(site); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

func TestFind(t *testing.T) {
	var missing *targets.MissingError
	for _, c := range []scenarios.Command{
		{Argv: []string{"nowhere-to-be-found"}},
		{Argv: []string{"/nowhere/at/all"}},
		{Argv: []string{"true"}, Version: []string{"nowhere-to-be-found"}},
		{Argv: []string{"true"}, Version: []string{"false"}},
		{Argv: []string{"true"}, Graceful: scenarios.Action{Argv: []string{"nowhere-to-be-found"}}},
	} {
		if _, err := New(c).Find(); !errors.As(err, &missing) {
			t.Errorf("%+v: got %v, want a MissingError", c, err)
		}
	}
	if _, err := New(scenarios.Command{}).Find(); err == nil || !strings.Contains(err.Error(), "argv names no program") {
		t.Errorf("no argv: %v", err)
	}
	v, err := New(scenarios.Command{Argv: []string{"sh"}, Version: []string{"sh", "-c", "printf ' mine/1 \\nmore\\n' >&2"}}).Find()
	if err != nil || v.Text != "mine/1" || !filepath.IsAbs(v.Path) || len(v.SHA256) != 64 {
		t.Errorf("found %+v, %v", v, err)
	}
	if v, err = New(scenarios.Command{Argv: []string{"{dir}/run"}}).Find(); err != nil || v.Text != "run" {
		t.Errorf("found %+v, %v", v, err)
	}
}

// What a word stands for is not looked at again, and other braces stay.
func FuzzFill(f *testing.F) {
	f.Add("{dir}", "{listen}")
	f.Add("{{dir}} { dir }", "x")
	f.Fuzz(func(t *testing.T, text, value string) {
		got := (&filler{words: map[string]string{"dir": value}}).fill(text)
		if want := strings.ReplaceAll(text, "{dir}", value); got != want {
			t.Errorf("%q with %q gives %q, want %q", text, value, got, want)
		}
	})
}
