package python

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wsgauge/echo/script"
)

// fake is a program that answers as a Python would, in a folder of its own.
func fake(t *testing.T, name, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestFind(t *testing.T) {
	good := fake(t, "python3.99", `echo '{"version":"3.99.1","path":"/real/python","websockets":"15.0.1"}'`)
	for name, c := range map[string]struct{ dir, complaint string }{
		"none":        {t.TempDir(), "no python3 on the PATH"},
		"another":     {fake(t, "python3-config", "echo {}"), "no python3 on the PATH"},
		"no library":  {fake(t, "python3", `echo '{"version":"3.11.0","path":"/p","missing":"No module named websockets"}'`), "No module named websockets"},
		"old library": {fake(t, "python3", `echo '{"version":"3.11.0","path":"/p","websockets":"10.0"}'`), "needs 10.1"},
		"broken":      {fake(t, "python3.12", "echo pyenv: no such command >&2; exit 127"), "pyenv: no such command"},
		"no answer":   {fake(t, "python3", "echo hello"), "no answer"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := find(t.Context(), c.dir, nil)
			var missing *script.MissingError
			if !errors.As(err, &missing) || !strings.Contains(err.Error(), c.complaint) || !strings.Contains(err.Error(), "apt-get install python3-websockets") {
				t.Errorf("%v, want %q and the remedy", err, c.complaint)
			}
			// One that cannot be used does not hide another. What is started is the
			// program that answered, not the name that led to it.
			s, err := find(t.Context(), c.dir, []string{good})
			if err != nil || s.Path != "/real/python" || s.Version != "Python 3.99.1, websockets 15.0.1" {
				t.Errorf("beside a good one: %+v, %v", s, err)
			}
		})
	}
}

func TestLibraryFoundByPythonpath(t *testing.T) {
	programs := script.Interpreters(os.Getenv("PATH"), []string{"/usr/bin"}, func(name string) bool { return name == "python3" })
	if len(programs) == 0 {
		t.Skip("skipped: Python is not installed (make setup-backends installs it where it may)")
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "websockets"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"__init__.py": "", "version.py": "version = '12.3'\n"} {
		if err := os.WriteFile(filepath.Join(dir, "websockets", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PYTHONPATH", dir)
	s, err := ask(t.Context(), programs[0])
	if err != nil || !strings.HasSuffix(s.Version, ", websockets 12.3") || !filepath.IsAbs(s.Path) {
		t.Errorf("%+v, %v", s, err)
	}
}
