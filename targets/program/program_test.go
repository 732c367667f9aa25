package program

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"wsgauge/targets"
)

var thing = Kind{
	Name: "Thing", Commands: []string{"thing", "thingd"}, Package: "thing-light", Other: "thing",
	Ask: []string{"-v"}, Oldest: Version{1, 2, 3}, Why: "it is the first of its kind",
	Parse: func(answer string) (string, Version, bool) {
		v, ok := ParseVersion(strings.TrimPrefix(answer, "thing "))
		return answer, v, ok
	},
}

// bare is a machine with nothing on it but a directory and an os-release.
func bare(t *testing.T, osRelease string) Host {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "os-release")
	if err := os.WriteFile(path, []byte(osRelease), 0o644); err != nil {
		t.Fatal(err)
	}
	return Host{LookPath: func(string) (string, error) { return "", exec.ErrNotFound }, Dirs: []string{dir}, OSRelease: path}
}

func script(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRemedies(t *testing.T) {
	for osRelease, want := range map[string]string{
		"ID=debian\n": "apt-get install --no-install-recommends thing-light",
		"ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n": "apt-get install --no-install-recommends thing-light",
		"ID='fedora'\n": "dnf install thing",
		"ID=alpine\n":   "apk add thing",
		"ID=plan9\nID_": "the package of Thing that your system has",
	} {
		_, err := bare(t, osRelease).Find(thing, "")
		var missing *targets.MissingError
		if !errors.As(err, &missing) || missing.What != "Thing" || missing.Why != "" || missing.Remedy != want {
			t.Errorf("%q: got %+v, want remedy %q", osRelease, err, want)
		}
	}
}

func TestCandidates(t *testing.T) {
	h := bare(t, "ID=debian")
	script(t, filepath.Join(h.Dirs[0], "thing"), "echo thing 1.2.2")
	_, err := h.Find(thing, "")
	var missing *targets.MissingError
	if !errors.As(err, &missing) || !strings.Contains(missing.Reason(), "is thing 1.2.2: Thing 1.2.3 or newer is needed: it is the first of its kind") {
		t.Errorf("too old: %v", err)
	}
	// One that will do, later on the list, is taken.
	path := script(t, filepath.Join(h.Dirs[0], "thingd"), "echo thing 1.3")
	p, err := h.Find(thing, "")
	if err != nil || p.Path != path || p.Version != (Version{1, 3, 0}) {
		t.Errorf("found %+v, %v", p, err)
	}
	if err := p.Needs(Version{1, 3, 0}, "this"); err != nil {
		t.Error(err)
	}
	if err := p.Needs(Version{1, 10, 0}, "that"); err == nil || !strings.Contains(err.Error(), "that needs Thing 1.10.0 or newer") {
		t.Errorf("got %v", err)
	}
	for path, want := range map[string]string{
		filepath.Join(t.TempDir(), "none"):                                               "was not found",
		script(t, filepath.Join(t.TempDir(), "broken"), "echo no library >&2; exit 127"): "no library",
		script(t, filepath.Join(t.TempDir(), "other"), "echo hello"):                     "its answer names no version",
		h.OSRelease: "permission denied",
	} {
		_, err := h.Find(thing, path)
		if !errors.As(err, &missing) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "server: "+path) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
}

func TestRunIsBounded(t *testing.T) {
	out, err := Run(Command{Argv: []string{"/bin/sh", "-c", "head -c 200000 /dev/zero | tr '\\0' x; echo $A; pwd"}, Env: []string{"A=b"}, Dir: "/"})
	if err != nil || len(out) != mostOutput {
		t.Errorf("%d bytes, %v", len(out), err)
	}
	out, err = Run(Command{Argv: []string{"/bin/sh", "-c", "echo $A; pwd; echo err >&2; exit 3"}, Env: []string{"A=b"}, Dir: "/"})
	if out != "b\n/\nerr" || err == nil {
		t.Errorf("%q, %v", out, err)
	}
}

func TestInExtra(t *testing.T) {
	var l Lines
	l.Line("first")
	at := l.Extra("one\n\ntwo\n", "  ", "#")
	l.Line("last")
	if want := "first\n  # The scenario's `extra:`.\n  one\n\n  two\nlast\n"; l.String() != want || at != 2 {
		t.Errorf("%q, extra after line %d", l.String(), at)
	}
	if at := new(Lines).Extra("\n", "", "#"); at != 0 {
		t.Errorf("nothing begins after line %d", at)
	}
	line := regexp.MustCompile(`conf:(\d+)`)
	for n, where := range map[int]string{1: "", 2: "", 3: "line 1 of `extra:`", 5: "line 3 of `extra:`", 6: ""} {
		refused := &CheckError{Output: fmt.Sprintf("wrong in conf:%d", n), Err: errors.New("exit status 1")}
		if InExtra(refused, line, "one\n\ntwo\n", at); refused.Where != where {
			t.Errorf("line %d is %q, want %q", n, refused.Where, where)
		}
	}
}

func FuzzParseVersion(f *testing.F) {
	for _, s := range []string{"1.2.3", "2.6.12-1+deb12u4", "1.25", "999999.0.1", "9999999.1", "1", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, ok := ParseVersion(s)
		if ok && (v.Before(Version{}) || v.Before(v)) {
			t.Errorf("%q is %v", s, v)
		}
		if again, ok2 := ParseVersion(v.String()); !ok2 || again != v {
			t.Errorf("%v written and read is %v", v, again)
		}
	})
}

func TestPlace(t *testing.T) {
	if _, err := Place(targets.Site{Dir: "/tmp", LogDir: "/tmp"}); err == nil || !strings.Contains(err.Error(), "no backend") {
		t.Errorf("got %v", err)
	}
	for _, dir := range []string{"/tmp/a b", "/tmp/a;b", "/tmp/{a}", `/tmp/a"b`, "/tmp/$a", "/tmp/a\nb"} {
		site := targets.Site{Dir: dir, LogDir: "/tmp"}
		site.Backends = append(site.Backends, site.Listen)
		if _, err := Place(site); err == nil || !strings.Contains(err.Error(), "choose another directory") {
			t.Errorf("%q: got %v", dir, err)
		}
		site.Dir, site.LogDir = "/tmp", dir
		if _, err := Place(site); (err == nil) != !strings.ContainsAny(dir, "\"\n") {
			t.Errorf("logs in %q: got %v", dir, err)
		}
	}
}
