// Package python is the echo backend for Python, on the library websockets: its source,
// and how an interpreter that has the library is found.
package python

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"

	"wsgauge/echo/script"
)

//go:embed server.py
var source []byte

const remedy = "apt-get install python3-websockets"

// question asks a Python what it is. A name like pyenv's python3 is a script that leads
// to another program, which is the one to start.
const question = `
import json, sys
answer = {"version": "%d.%d.%d" % sys.version_info[:3], "path": sys.executable}
try:
    import websockets
    from websockets import version
    answer["websockets"] = version.version
except ImportError as error:
    answer["missing"] = str(error)
print(json.dumps(answer))
`

type answer struct {
	Version    string `json:"version"`
	Path       string `json:"path"`
	Websockets string `json:"websockets"`
	Missing    string `json:"missing"`
}

// Find looks for a Python, 3.7 or later, that imports websockets, 10.1 or later: every
// python3 of the PATH and of usual folders, in turn, and then every python3.N. Without one the error
// is a [*script.MissingError].
func Find(ctx context.Context) (*script.Script, error) {
	return find(ctx, os.Getenv("PATH"), []string{"/usr/local/bin", "/usr/bin"})
}

var numbered = regexp.MustCompile(`^python3\.\d+$`)

func find(ctx context.Context, path string, usual []string) (*script.Script, error) {
	var complaints []error
	programs := script.Interpreters(path, usual, func(name string) bool { return name == "python3" })
	for _, program := range script.Interpreters(path, usual, numbered.MatchString) {
		if !slices.Contains(programs, program) {
			programs = append(programs, program)
		}
	}
	for _, program := range programs {
		s, err := ask(ctx, program)
		if err == nil {
			return s, nil
		}
		complaints = append(complaints, err)
	}
	why := "there is no python3 on the PATH"
	if len(complaints) > 0 {
		why = script.Reasons(complaints)
	}
	return nil, &script.MissingError{Runtime: "python", Why: why, Remedy: remedy}
}

func ask(ctx context.Context, program string) (*script.Script, error) {
	out, err := script.Ask(ctx, program, "-B", "-c", question)
	if err != nil {
		return nil, err
	}
	var a answer
	if err := json.Unmarshal(out, &a); err != nil {
		return nil, fmt.Errorf("%s answered what is no answer: %w", program, err)
	}
	if a.Websockets == "" {
		return nil, fmt.Errorf("%s (Python %s): %s", program, a.Version, a.Missing)
	}
	var major, minor int
	if _, err := fmt.Sscanf(a.Websockets, "%d.%d", &major, &minor); err != nil || major < 10 || major == 10 && minor < 1 {
		return nil, fmt.Errorf("%s has websockets %s, the echo server needs 10.1 or later", program, a.Websockets)
	}
	return &script.Script{Runtime: "python", Version: "Python " + a.Version + ", websockets " + a.Websockets,
		Path: a.Path, SHA256: script.Hash(source), Name: "server.py", Source: source,
		Args: []string{"-B"}}, nil
}
