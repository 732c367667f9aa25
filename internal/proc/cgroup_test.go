package proc

import (
	"os"
	"path"
	"testing"
)

// files reads from a map, and refuses names that are not clean.
func files(t *testing.T, list map[string]string) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		if name != path.Clean(name) {
			t.Errorf("read %s", name)
		}
		if text, ok := list[name]; ok {
			return []byte(text), nil
		}
		return nil, os.ErrNotExist
	}
}

func TestCgroupPids(t *testing.T) {
	read := files(t, map[string]string{
		"/sys/fs/cgroup/a/pids.max":        "100\n",
		"/sys/fs/cgroup/a/pids.current":    "12\n",
		"/sys/fs/cgroup/a/b/pids.max":      "max\n",
		"/sys/fs/cgroup/a/b/pids.current":  "11\n",
		"/sys/fs/cgroup/c/pids.max":        "300\n",
		"/sys/fs/cgroup/d/pids.max":        "1000\n",
		"/sys/fs/cgroup/d/pids.current":    "990\n",
		"/sys/fs/cgroup/d/e/pids.max":      "20\n",
		"/sys/fs/cgroup/d/e/pids.current":  "1\n",
		"/sys/fs/cgroup/pids/v/pids.max":   "7\n",
		"/sys/fs/cgroup/pids/w/pids.max":   "x\n",
		"/sys/fs/cgroup/pids/pids.current": "4\n",
	})
	for groups, want := range map[string][2]int64{
		"0::/a/b\n":                         {100, 12},
		"0::/c\n":                           {300, 0},
		"0::/d/e\n":                         {1000, 990}, // the one above leaves less
		"0::/\n":                            {-1, 0},
		"":                                  {-1, 0},
		"nonsense":                          {-1, 0},
		"8:cpu:/a\n":                        {-1, 0},
		"8:cpu,pids:/v/w\n0::/c\n":          {7, 0},
		"9:name=systemd:/a\n8:cpuacct:/v\n": {-1, 0},
	} {
		if limit, used := cgroupLimit(groups, pidsController, read); limit != want[0] || used != want[1] {
			t.Errorf("%q: %d of which %d are used, want %v", groups, limit, used, want)
		}
	}
}

func TestCgroupMemory(t *testing.T) {
	read := files(t, map[string]string{
		"/sys/fs/cgroup/a/memory.max":                     "1000000\n",
		"/sys/fs/cgroup/a/memory.current":                 "400000\n",
		"/sys/fs/cgroup/a/memory.stat":                    "anon 5\ninactive_file 150000\nactive_file 7\n",
		"/sys/fs/cgroup/a/b/memory.max":                   "max\n",
		"/sys/fs/cgroup/c/memory.max":                     "500\n",
		"/sys/fs/cgroup/c/memory.current":                 "100\n",
		"/sys/fs/cgroup/c/memory.stat":                    "inactive_file 150\n",
		"/sys/fs/cgroup/memory/v/memory.limit_in_bytes":   "3000\n",
		"/sys/fs/cgroup/memory/v/memory.usage_in_bytes":   "2000\n",
		"/sys/fs/cgroup/memory/v/memory.stat":             "inactive_file 1\ntotal_inactive_file 500\n",
		"/sys/fs/cgroup/memory/v/w/memory.limit_in_bytes": "9223372036854771712\n",
		"/sys/fs/cgroup/memory/memory.limit_in_bytes":     "9223372036854771712\n",
	})
	for groups, want := range map[string][2]int64{
		"0::/a/b\n":        {1000000, 250000},
		"0::/c\n":          {500, 0}, // never less than nothing
		"0::/\n":           {-1, 0},
		"4:memory:/v/w\n":  {3000, 1500},
		"4:memory:/x\n":    {-1, 0},
		"4:memory2:/v/w\n": {-1, 0},
	} {
		if limit, used := cgroupLimit(groups, memoryController, read); limit != want[0] || used != want[1] {
			t.Errorf("%q: %d of which %d are used, want %v", groups, limit, used, want)
		}
	}
}
