package program

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Version is the numbers of a version; what follows them in a name (a "-dev", a
// distribution's suffix) does not count.
type Version [3]int

// String is the version as people write it.
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

// Before tells whether v is older than other.
func (v Version) Before(other Version) bool { return slices.Compare(v[:], other[:]) < 0 }

var numbers = regexp.MustCompile(`^(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?`)

// ParseVersion reads the numbers that text begins with: two or three, up to six
// digits each.
func ParseVersion(text string) (Version, bool) {
	m := numbers.FindStringSubmatch(text)
	if m == nil {
		return Version{}, false
	}
	var v Version
	for i, digits := range m[1:] {
		if digits == "" {
			continue
		}
		n, err := strconv.Atoi(digits)
		if err != nil {
			return Version{}, false
		}
		v[i] = n
	}
	return v, true
}

// remedy is the command that installs the program on this distribution.
func (h Host) remedy(k Kind) string {
	text, err := os.ReadFile(h.OSRelease)
	if err != nil {
		text = nil // then nothing is known of the system
	}
	var like []string
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if name == "ID" || name == "ID_LIKE" {
			like = append(like, strings.Fields(strings.Trim(value, `"'`))...)
		}
	}
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return slices.Contains(like, n) })
	}
	switch {
	case has("debian", "ubuntu"):
		return "apt-get install --no-install-recommends " + k.Package
	case has("fedora", "rhel", "centos"):
		return "dnf install " + k.Other
	case has("alpine"):
		return "apk add " + k.Other
	}
	return "the package of " + k.Name + " that your system has"
}
