package proc

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestWatchable(t *testing.T) {
	if err := Watchable(os.Getpid()); err != nil {
		t.Errorf("ourselves: %v", err)
	}
	c := exec.Command("true")
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
	if err := Watchable(c.Process.Pid); err == nil || !strings.Contains(err.Error(), "there is none") {
		t.Errorf("a process that has ended: %v", err)
	}
}

func TestUnitProcesses(t *testing.T) {
	for _, base := range []string{"system.slice", "unified/system.slice", "systemd/a.slice/a-b.slice"} {
		root := t.TempDir()
		for dir, text := range map[string]string{"apache2.service": "12\n7\n", "apache2.service/deep": "9\n0\n7\n", "other.service": "3\n"} {
			dir = filepath.Join(root, base, dir)
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for _, unit := range []string{"apache2", "apache2.service"} {
			if got, err := unitProcesses(root, unit); err != nil || !slices.Equal(got, []int{7, 9, 12}) {
				t.Errorf("%s, %s: %v, %v", base, unit, got, err)
			}
		}
		for _, unit := range []string{"none", "", "../other", "*"} {
			if got, err := unitProcesses(root, unit); err == nil {
				t.Errorf("%s, unit %q: %v", base, unit, got)
			}
		}
	}
}
