package script_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wsgauge/echo/script"
)

func TestInterpreters(t *testing.T) {
	dir := t.TempDir()
	program := func(name string, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, name string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	program("usr/bin/python3.11", 0o755)
	link("python3.11", "usr/bin/python3") // two names, one program
	link("usr/bin", "bin")                // one folder by two names
	link(filepath.Join(dir, "usr/bin/python3"), "venv/bin/python3")
	program("text/python3", 0o644) // cannot be run
	program("folder/python3/x", 0o755)
	in := func(name string) string { return filepath.Join(dir, name) }
	path := strings.Join([]string{in("text"), "", ".", in("nowhere"), in("folder"), in("venv/bin"), in("usr/bin"), in("bin")}, string(os.PathListSeparator))
	got := script.Interpreters(path, []string{in("usr/bin")}, func(name string) bool { return strings.HasPrefix(name, "python3") })
	if want := []string{in("venv/bin/python3"), in("usr/bin/python3")}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAsk(t *testing.T) {
	out, err := script.Ask(t.Context(), "/bin/sh", "-c", "echo a complaint >&2; echo the answer")
	if err != nil || string(out) != "the answer\n" {
		t.Errorf("%q, %v", out, err)
	}
	_, err = script.Ask(t.Context(), "/bin/sh", "-c", "echo one >&2; echo two >&2; exit 3")
	if err == nil || !strings.Contains(err.Error(), "exit status 3: two") {
		t.Error(err)
	}
	out, err = script.Ask(t.Context(), "/bin/sh", "-c", "yes | head -c 10000000")
	if err != nil || len(out) > 1<<17 {
		t.Errorf("%d bytes, %v; an answer is bounded", len(out), err)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, errors.New("that was enough"))
	defer cancel()
	begun := time.Now()
	pid := filepath.Join(t.TempDir(), "pid")
	// The child that it leaves behind holds its output open.
	if _, err = script.Ask(ctx, "/bin/sh", "-c", "sleep 20 & echo $! >"+pid+"; sleep 20"); err == nil || !strings.Contains(err.Error(), "that was enough") {
		t.Error(err)
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	left, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	command, err := os.ReadFile("/proc/" + strings.TrimSpace(string(left)) + "/cmdline")
	if err == nil && strings.Contains(string(command), "sleep") {
		t.Error("its child lives on")
	}
}

func TestReasons(t *testing.T) {
	asked := func(i int) error {
		return &script.AskError{Path: fmt.Sprint("/p", i), Err: errors.New("exit status 127")}
	}
	said := func(i int) error { return fmt.Errorf("/p%d has no\nlibrary", i) }
	for want, errs := range map[string][]error{
		"/p1: exit status 127": {asked(1)},
		"/p2 has no library":   {asked(1), said(2), asked(3)},
		"/p1 has no library; /p2 has no library; /p3 has no library; and 2 more like it": {said(1), said(2), said(3), said(4), said(5)},
	} {
		if got := script.Reasons(errs); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
