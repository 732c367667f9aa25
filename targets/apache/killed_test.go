package apache

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wsgauge/scenarios"
)

const envHang = "WSGAUGE_TEST_HANG"

// A test binary that is killed (Ctrl-C in make test) leaves no server and no
// directory.
func TestKilledTestLeavesNothing(t *testing.T) {
	needApache(t)
	if os.Getenv(envHang) != "" {
		r := start(t, scenarios.Apache{MPM: "prefork", MaxRequestWorkers: 5}, startBackend(t, 9))
		fmt.Printf("\nserver %s %s\n", r.dir, strings.Join(r.pids(t), " "))
		time.Sleep(patience)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^TestKilledTestLeavesNothing$")
	cmd.Env = append(os.Environ(), envHang+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait() // killed
	defer cmd.Process.Kill()
	var words []string
	for lines := bufio.NewScanner(out); words == nil && lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "server "); ok {
			words = strings.Fields(rest)
		}
	}
	if len(words) < 7 {
		t.Fatalf("the other process said %q, want a directory and six processes", words)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server to be gone", func() (bool, string) {
		var left []string
		for _, pid := range words[1:] {
			if line, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline")); err == nil && strings.Contains(string(line), words[0]) {
				left = append(left, pid)
			}
		}
		_, err := os.Stat(words[0])
		return len(left) == 0 && err != nil, fmt.Sprintf("processes %v, directory: %v", left, err)
	})
}
