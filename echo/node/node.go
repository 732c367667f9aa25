// Package node is the echo backend for Node.js, on the library ws: its source, and how
// what it needs is found.
package node

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"wsgauge/echo/script"
)

//go:embed server.mjs
var source []byte

const remedy = "apt-get install nodejs node-ws, or npm install -g ws"

// question asks a Node.js for its version and, in the folders that follow, for the
// library. Version 18.3 is the first with util.parseArgs that is still known, ws 8.2 the
// first that can pause.
const question = `
const { createRequire } = require('module');
const answer = { version: process.versions.node };
for (const dir of process.argv.slice(1)) {
  try {
    const find = createRequire(dir + '/x.js');
    const path = find.resolve(dir + '/ws');
    const { version } = find(dir + '/ws/package.json');
    find(path);
    const [major, minor] = version.split('.').map(Number);
    if (major > 8 || (major === 8 && minor >= 2)) {
      answer.ws = path; answer.wsVersion = version;
      break;
    }
    answer.old = answer.old || version + ' in ' + dir;
  } catch (e) {
    if (e.code !== 'MODULE_NOT_FOUND') { answer.broken = answer.broken || dir + ': ' + e.message; }
  }
}
process.stdout.write(JSON.stringify(answer));
`

type answer struct {
	Version   string `json:"version"`
	WS        string `json:"ws"` // the library's main file; empty: it was not found
	WSVersion string `json:"wsVersion"`
	Old       string `json:"old"`
	Broken    string `json:"broken"`
}

// Find looks for a Node.js with the library ws: in the folders of NODE_PATH, where
// Debian puts it, and where `npm install -g` does. Without one the error is a
// [*script.MissingError].
func Find(ctx context.Context) (*script.Script, error) {
	return find(ctx, os.Getenv("PATH"), []string{"/usr/local/bin", "/usr/bin"}, os.Getenv("NODE_PATH"))
}

func find(ctx context.Context, path string, usual []string, nodePath string) (*script.Script, error) {
	var complaints []error
	programs := script.Interpreters(path, usual, func(name string) bool { return name == "node" || name == "nodejs" })
	for _, program := range programs {
		s, err := ask(ctx, program, nodePath)
		if err == nil {
			return s, nil
		}
		complaints = append(complaints, err)
	}
	why := "there is no node on the PATH"
	if len(complaints) > 0 {
		why = script.Reasons(complaints)
	}
	return nil, &script.MissingError{Runtime: "node", Why: why, Remedy: remedy}
}

func ask(ctx context.Context, program, nodePath string) (*script.Script, error) {
	dirs := libraries(program, nodePath)
	out, err := script.Ask(ctx, program, append([]string{"-e", question, "--"}, dirs...)...)
	if err != nil {
		return nil, err
	}
	var a answer
	if err := json.Unmarshal(out, &a); err != nil {
		return nil, fmt.Errorf("%s answered what is no answer: %w", program, err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(a.Version, "%d.%d", &major, &minor); err != nil || major < 18 || major == 18 && minor < 3 {
		return nil, fmt.Errorf("%s is Node.js %s, the echo server needs 18.3 or later", program, a.Version)
	}
	switch {
	case a.WS != "":
	case a.Old != "":
		return nil, fmt.Errorf("%s finds the library ws %s, the echo server needs 8.2 or later", program, a.Old)
	case a.Broken != "":
		return nil, fmt.Errorf("%s cannot load the library ws in %s", program, a.Broken)
	default:
		return nil, fmt.Errorf("%s (Node.js %s) has no library ws in %s", program, a.Version, strings.Join(dirs, ", "))
	}
	return &script.Script{Runtime: "node", Version: "Node.js " + a.Version + ", ws " + a.WSVersion,
		Path: program, SHA256: script.Hash(source), Name: "server.mjs", Source: source,
		Flags: []string{"--ws", a.WS}}, nil
}

// libraries are the folders in which a Node.js may have libraries.
func libraries(program, nodePath string) []string {
	var dirs []string
	add := func(dir string) {
		if dir = filepath.Clean(dir); filepath.IsAbs(dir) && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	for _, dir := range filepath.SplitList(nodePath) {
		add(dir)
	}
	if real, err := filepath.EvalSymlinks(program); err == nil {
		add(filepath.Join(filepath.Dir(real), "../lib/node_modules")) // npm install -g
	}
	add("/usr/share/nodejs")
	add("/usr/lib/nodejs")
	add("/usr/local/lib/node_modules")
	add("/usr/lib/node_modules")
	return dirs
}
