package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wsgauge/results"
)

// A terminal's Ctrl-C goes to the whole process group, and so to whatever is asked
// about itself at that moment.
func TestCtrlCBeforeAnythingIsStarted(t *testing.T) {
	real, err := apachePath()
	if err != nil {
		t.Skip("skipped: Apache is not installed (scripts/setup.sh installs it where it may)")
	}
	dir := t.TempDir()
	server, asked, out := filepath.Join(dir, "apache2"), filepath.Join(dir, "asked"), filepath.Join(dir, "run")
	script := fmt.Sprintf("#!/bin/sh\ntouch %s\nsleep 1\nexec %s \"$@\"\n", asked, real)
	if err := os.WriteFile(server, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "run", scenario(t, fmt.Sprintf(long, "apache: {server: "+server+"}", 10)), "--out", out)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	waitFor(t, asked)
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() // the code says how
	if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.Contains(output.String(), "interrupted") {
		t.Errorf("exit code %d, want 130:\n%s", code, output.String())
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a run that never began left a directory")
	}
}

func waitFor(t *testing.T, path string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		}
	}
	t.Fatalf("%s never came", path)
}

// A Ctrl-C while the report is made must not look like a pass, and must not tear
// the report.
func TestCtrlCDuringTheReport(t *testing.T) {
	r := start(t, small, "--targets", "direct")
	complete := []byte(`"status": "complete"`)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		p, err := os.ReadFile(filepath.Join(r.dir, "run.json"))
		if err == nil && bytes.Contains(p, complete) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("never complete:\n%s", r.output.String())
		}
	}
	if err := r.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := r.exit(30 * time.Second); code != 130 {
		t.Errorf("exit code %d, want 130:\n%s", code, r.output.String())
	}
	d := r.records()
	if len(d.Trials) != 1 || d.Run.Status != "complete" || len(d.Run.Verdicts) != 1 {
		t.Errorf("%d trials, status %s, verdicts %v", len(d.Trials), d.Run.Status, d.Run.Verdicts)
	}
	page, err := os.ReadFile(filepath.Join(r.dir, "report.html"))
	if err != nil || !bytes.HasSuffix(bytes.TrimSpace(page), []byte("</html>")) {
		t.Errorf("the report is not whole: %d bytes, %v", len(page), err)
	}
}

// Who has read enough (run ... | head) ends nothing but the output.
func TestOutputClosed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	cmd := exec.Command(binary, "run", scenario(t, small), "--targets", "direct", "--out", dir)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	out.Close()
	if err := cmd.Wait(); err != nil && cmd.ProcessState.ExitCode() < 4 {
		t.Errorf("%v\n%s", err, said.String())
	}
	d, err := results.Open(dir)
	if err != nil || d.Run.Status != "complete" || len(d.Trials) != 1 {
		t.Fatalf("records: %+v, %v", d, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "report.html")); err != nil {
		t.Errorf("no report: %v", err)
	}
}

// With --json each record is there when its trial has ended, and standard output
// holds nothing else.
func TestJSONStreams(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	cmd := exec.Command(binary, "run", scenario(t, small), "--targets", "direct", "--blocks", "2", "--json", "--out", dir)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	lines := bufio.NewReader(out)
	var all []byte
	for block := 1; block <= 2; block++ {
		line, err := lines.ReadBytes('\n')
		var trial results.Trial
		if err := json.Unmarshal(line, &trial); err != nil || trial.Block != block {
			t.Fatalf("line %d: %v\n%s\n%s", block, err, line, said.String())
		}
		if err != nil {
			t.Fatal(err)
		}
		if block == 1 {
			p, err := os.ReadFile(filepath.Join(dir, "run.json"))
			if err != nil || !bytes.Contains(p, []byte(`"status": "running"`)) {
				t.Errorf("the first record came after the run: %v", err)
			}
		}
		all = append(all, line...)
	}
	rest, err := io.ReadAll(lines)
	if err != nil || len(rest) != 0 {
		t.Errorf("standard output holds more: %q, %v", rest, err)
	}
	if err := cmd.Wait(); err != nil && cmd.ProcessState.ExitCode() < 4 {
		t.Errorf("%v\n%s", err, said.String())
	}
	if p, err := os.ReadFile(filepath.Join(dir, "trials.jsonl")); err != nil || !bytes.Equal(p, all) {
		t.Errorf("standard output differs from trials.jsonl: %v", err)
	}
}
