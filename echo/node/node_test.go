package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wsgauge/echo/script"
)

// fake is a program that answers as a Node.js would, in a folder of its own.
func fake(t *testing.T, name, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func answers(json string) string { return "cat <<'end'\n" + json + "\nend" }

func TestFind(t *testing.T) {
	good := fake(t, "nodejs", answers(`{"version":"20.1.0","ws":"/lib/ws/index.js","wsVersion":"8.11.0"}`))
	for name, c := range map[string]struct{ dir, complaint string }{
		"none":       {t.TempDir(), "no node on the PATH"},
		"no library": {fake(t, "node", answers(`{"version":"20.1.0"}`)), "no library ws in"},
		"too old":    {fake(t, "node", answers(`{"version":"18.2.0","ws":"/x","wsVersion":"8.2.0"}`)), "needs 18.3"},
		"old ws":     {fake(t, "node", answers(`{"version":"20.1.0","old":"7.4.2 in /lib"}`)), "ws 7.4.2 in /lib"},
		"broken ws":  {fake(t, "node", answers(`{"version":"20.1.0","broken":"/lib: it is"}`)), "cannot load the library ws in /lib: it is"},
		"broken":     {fake(t, "node", "echo no such luck >&2; exit 3"), "no such luck"},
		"no answer":  {fake(t, "node", "echo hello"), "no answer"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := find(t.Context(), c.dir, nil, "")
			var missing *script.MissingError
			if !errors.As(err, &missing) || !strings.Contains(err.Error(), c.complaint) || !strings.Contains(err.Error(), "apt-get install nodejs node-ws") {
				t.Errorf("%v, want %q and the remedy", err, c.complaint)
			}
			// One that cannot be used does not hide another.
			s, err := find(t.Context(), c.dir, []string{good}, "")
			if err != nil || s.Path != filepath.Join(good, "nodejs") || s.Version != "Node.js 20.1.0, ws 8.11.0" {
				t.Errorf("beside a good one: %+v, %v", s, err)
			}
		})
	}
}

// TestFolders gives the real interpreter libraries in several places.
func TestFolders(t *testing.T) {
	programs := script.Interpreters(os.Getenv("PATH"), []string{"/usr/bin"}, func(name string) bool { return name == "node" })
	if len(programs) == 0 {
		t.Skip("skipped: Node.js is not installed (make setup-backends installs it where it may)")
	}
	library := func(version string) string {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "ws"), 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{
			"package.json": fmt.Sprintf(`{"name":"ws","version":%q,"main":"main.js"}`, version),
			"main.js":      "module.exports = {};\n",
		} {
			if err := os.WriteFile(filepath.Join(dir, "ws", name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	old, good := library("7.5.0"), library("9.1.2")
	s, err := ask(t.Context(), programs[0], strings.Join([]string{t.TempDir(), old, "relative", good}, string(os.PathListSeparator)))
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(good, "ws/main.js"); !strings.HasSuffix(s.Version, ", ws 9.1.2") || len(s.Flags) != 2 || s.Flags[1] != want {
		t.Errorf("%s %v, want ws 9.1.2 at %s", s.Version, s.Flags, want)
	}
}
