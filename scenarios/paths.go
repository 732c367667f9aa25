package scenarios

import (
	"path/filepath"
	"slices"
	"strings"
)

// file is the absolute path that a key of the file names: a relative one starts from
// the scenario's directory, wherever wsgauge was called.
func (b *builder) file(t text) string {
	if !t.known || filepath.IsAbs(t.v) {
		return t.v
	}
	if slices.Contains(shippedNames(), b.path) {
		b.add(t.mark, "write it from / on", "the path %s is relative, and a shipped scenario has no directory", brief(t.v))
		return t.v
	}
	path, err := filepath.Abs(filepath.Join(filepath.Dir(b.path), t.v))
	if err != nil {
		b.add(t.mark, "write it from / on", "the path %s is relative, and the directory of the scenario is not known: %v", brief(t.v), err)
	}
	return path
}

// program resolves the first word of a command like a shell would: a path when it
// holds a slash, else something to look for in PATH.
func (b *builder) program(argv texts) []string {
	all := argv.values()
	if len(all) > 0 && strings.Contains(all[0], "/") && !strings.HasPrefix(all[0], "{") {
		all[0] = b.file(argv[0])
	}
	return all
}
