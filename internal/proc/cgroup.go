package proc

import (
	"path"
	"strconv"
	"strings"
)

// cgroupController is a cgroup controller that limits something. The files of version 1
// have other names than those of version 2.
type cgroupController struct {
	name   string // in /proc/self/cgroup, and of version 1's mount
	v2, v1 controllerFiles
}

// controllerFiles are a limit, what of it is used, and the line of memory.stat that
// tells what of that is given back when it is needed; empty: nothing is.
type controllerFiles struct{ limit, used, spare string }

var (
	pidsController   = cgroupController{"pids", controllerFiles{"pids.max", "pids.current", ""}, controllerFiles{"pids.max", "pids.current", ""}}
	memoryController = cgroupController{"memory", controllerFiles{"memory.max", "memory.current", "inactive_file"},
		controllerFiles{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"}}
)

// noLimit is from where on a number of version 1 stands for none: it has no word for
// it, and says the largest number of whole pages.
const noLimit = 1 << 62

// cgroupLimit finds the limit that leaves least, and what of it is used, on the way
// from the cgroups named in /proc/self/cgroup up to the root, for version 2 and for
// the controller of version 1; -1 and 0 when none is set.
func cgroupLimit(groups string, c cgroupController, readFile func(string) ([]byte, error)) (limit, used int64) {
	limit = -1
	for line := range strings.Lines(groups) {
		id, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, dir, found := strings.Cut(rest, ":")
		if !found {
			continue
		}
		mount, files := "/sys/fs/cgroup", c.v2
		switch {
		case id == "0" && controllers == "":
		case strings.Contains(","+controllers+",", ","+c.name+","):
			mount, files = path.Join(mount, c.name), c.v1
		default:
			continue
		}
		for dir = path.Clean("/" + dir); ; dir = path.Dir(dir) {
			// The root has no such file, nor has a cgroup without the controller.
			if l, u, ok := files.read(path.Join(mount, dir), readFile); ok && (limit < 0 || l-u < limit-used) {
				limit, used = l, u
			}
			if dir == "/" {
				break
			}
		}
	}
	return limit, used
}

// read reads the limit of one cgroup; ok is false when it has none. A use that cannot
// be read counts as 0.
func (f controllerFiles) read(dir string, readFile func(string) ([]byte, error)) (limit, used int64, ok bool) {
	number := func(name string) (int64, bool) {
		text, err := readFile(path.Join(dir, name))
		if err != nil {
			return 0, false
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		return n, err == nil // "max" is no number
	}
	if limit, ok = number(f.limit); !ok || limit >= noLimit {
		return 0, 0, false
	}
	used, _ = number(f.used)
	if f.spare == "" {
		return limit, used, true
	}
	stat, err := readFile(path.Join(dir, "memory.stat"))
	if err != nil {
		return limit, used, true
	}
	for line := range strings.Lines(string(stat)) {
		if name, value, _ := strings.Cut(strings.TrimSpace(line), " "); name == f.spare {
			if n, err := strconv.ParseInt(value, 10, 64); err == nil {
				used = max(used-n, 0)
			}
		}
	}
	return limit, used, true
}
