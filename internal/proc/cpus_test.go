package proc

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseCPUs(t *testing.T) {
	for list, want := range map[string]string{
		"0": "0", "1-3": "1-3", "0,2-3": "0,2-3", "3,1,2,0": "0-3", "2-2": "2", "1-3,2-5": "1-5",
		"0,1": "0-1", "1023": "1023", " 0, 2 - 3": "", "7,7,7": "7",
		"": "", " ": "", ",": "", "0,": "", "-": "", "1-": "", "-1": "", "3-1": "", "1024": "", "0-1024": "",
		"+1": "", "0x1": "", "1-2-3": "", "a": "", "99999999999999999999": "",
		strings.Repeat("0-1023,", 100) + "0": "",
	} {
		cpus, err := ParseCPUs(list)
		if (err == nil) != (want != "") || FormatCPUs(cpus) != want {
			t.Errorf("%.40q: %v (%v), want %q", list, cpus, err, want)
		}
	}
}

func FuzzParseCPUs(f *testing.F) {
	for _, seed := range []string{"0", "1-3", "0,2-3", "1023", "3-1", "", "0-1023,0-1023"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, list string) {
		cpus, err := ParseCPUs(list)
		if err != nil {
			if cpus != nil {
				t.Errorf("%q: both %v and %v", list, cpus, err)
			}
			return
		}
		if len(cpus) == 0 || len(cpus) > maxCPUs || cpus[0] < 0 || cpus[len(cpus)-1] >= maxCPUs || !slices.IsSorted(cpus) {
			t.Errorf("%q: %v", list, cpus)
		}
		again, err := ParseCPUs(FormatCPUs(cpus))
		if err != nil || !slices.Equal(again, cpus) {
			t.Errorf("%q: %v, then %v (%v)", list, cpus, again, err)
		}
	})
}

// Affinity changes for good, so a process of its own tries them.
func TestSetAffinity(t *testing.T) {
	if os.Getenv("WSGAUGE_TEST_ALONE") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestSetAffinity$")
		cmd.Env = append(os.Environ(), "WSGAUGE_TEST_ALONE=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	cpus := AvailableCPUs()
	last := FormatCPUs(cpus[len(cpus)-1:])
	if err := SetAffinity("1023"); err == nil {
		t.Error("bound to CPU 1023")
	}
	if err := SetAffinity("nonsense"); err == nil {
		t.Error("bound to nonsense")
	}
	if err := SetAffinity(last); err != nil {
		t.Fatal(err)
	}
	if got := FormatCPUs(AvailableCPUs()); got != last {
		t.Errorf("available are %s, want %s", got, last)
	}
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil || len(tasks) < 2 {
		t.Fatalf("threads %v (%v)", tasks, err)
	}
	for _, task := range tasks {
		status, err := os.ReadFile("/proc/self/task/" + task.Name() + "/status")
		if err != nil || !strings.Contains(string(status), "Cpus_allowed_list:\t"+last+"\n") {
			t.Errorf("thread %s is not bound to %s (%v)", task.Name(), last, err)
		}
	}
}

func TestMayRaise(t *testing.T) {
	if !MayRaise(0) || !MayRaise(5) {
		t.Error("a thread may not even go behind others")
	}
	if os.Geteuid() == 0 && !MayRaise(-1) {
		t.Error("root may not go before others")
	}
	if raw, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err != nil || 20-raw > 0 {
		t.Errorf("the question changed this process to nice %d (%v)", 20-raw, err)
	}
}
