package proc

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// segmentPrefix is how names of shared memory begin that the Apache runtime makes
// (shm_open(3)): a server of it that is killed leaves them behind, since the kernel
// keeps them until somebody removes them.
const segmentPrefix = "/dev/shm/ShM."

// segmentsOf adds the named shared memory of a process. One that has ended has none.
func segmentsOf(pid int, into map[string]bool) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return // it has ended, or is not ours to look into
	}
	defer f.Close() // only read from
	for lines := bufio.NewScanner(f); lines.Scan(); {
		i := strings.Index(lines.Text(), segmentPrefix)
		if i < 0 {
			continue
		}
		// A name that was removed already is followed by " (deleted)".
		if path := lines.Text()[i:]; !strings.ContainsAny(path[len("/dev/shm/"):], " /") {
			into[path] = true
		}
	}
}

// segmentLooks is how many processes of a family are asked at each look: children
// share what their parent made.
const segmentLooks = 3

// noteSegments remembers what members have that are about to be killed.
func (f *family) noteSegments(members []stat) {
	for _, s := range members[:min(len(members), segmentLooks)] {
		segmentsOf(s.pid, f.segments)
	}
}

// dropSegments removes what killed members left behind; nobody is left to use it.
func (f *family) dropSegments() error {
	for path := range f.segments {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("remove shared memory that a killed process left: %w", err)
		}
		delete(f.segments, path)
	}
	return nil
}
