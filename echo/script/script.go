// Package script starts echo backends that are scripts of other runtimes than Go. What
// a runtime needs, and where it is looked for, is its own package's: echo/node,
// echo/python.
package script

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Script is an echo server that can be started here: its source, and the interpreter
// that was found to have everything it needs.
type Script struct {
	Runtime string // as scenarios name it: "node"
	Version string // "Node.js 20.20.2, ws 8.11.0"
	Path    string // of the interpreter
	SHA256  string // of Source
	Name    string // of the file: "server.mjs"
	Source  []byte
	Args    []string // for the interpreter, before the file
	Flags   []string // for the script
}

// Write writes the script into dir, which has to exist, and returns the file's path.
func (s *Script) Write(dir string) (string, error) {
	path := filepath.Join(dir, s.Name)
	if err := os.WriteFile(path, s.Source, 0o644); err != nil {
		return "", fmt.Errorf("writing the echo server of %s: %w", s.Runtime, err)
	}
	return path, nil
}

// Command is what starts the script that lies at path. It listens on addr and refuses
// messages of more than maxMessage bytes (1009); with a certificate and its key (PEM
// files) it speaks TLS.
func (s *Script) Command(path string, addr netip.AddrPort, maxMessage int64, cert, key string) []string {
	argv := append([]string{s.Path}, s.Args...)
	argv = append(argv, path)
	argv = append(argv, s.Flags...)
	argv = append(argv, "--listen", addr.String(), "--max-message", strconv.FormatInt(maxMessage, 10))
	if cert != "" {
		argv = append(argv, "--cert", cert, "--key", key)
	}
	return argv
}

// MissingError says that a runtime cannot be used here, and what would mend it.
type MissingError struct {
	Runtime string // "node"
	Why     string // "no node on the PATH"
	Remedy  string // the command that mends it
}

// Error names the runtime, what is in the way, and the remedy.
func (e *MissingError) Error() string {
	return fmt.Sprintf("the echo server of %s cannot run here: %s (to mend it: %s)", e.Runtime, e.Why, e.Remedy)
}

// Hash is the SHA-256 of a source, in hex.
func Hash(source []byte) string {
	sum := sha256.Sum256(source)
	return hex.EncodeToString(sum[:])
}

const (
	// askTimeout bounds one question to an interpreter. They take 50 ms on an idle
	// machine.
	askTimeout = 20 * time.Second
	answerMost = 64 << 10 // bytes of an answer that are kept
)

// Ask runs an interpreter with a small program that answers on its standard output, and
// returns what it printed there. The error is an [*AskError].
func Ask(ctx context.Context, path string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, askTimeout, fmt.Errorf("no answer within %v", askTimeout))
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	// What it has started ends with it; what has left its group is not waited for.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	var out, complaint limited
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := cmd.Run()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if err == nil {
		return out.Bytes(), nil
	}
	lines := strings.Split(strings.TrimSpace(complaint.String()), "\n")
	return nil, &AskError{Path: path, Complaint: lines[len(lines)-1], Err: err}
}

// AskError says that an interpreter did not answer.
type AskError struct {
	Path      string
	Complaint string // the last line of what it complained of; may be empty
	Err       error
}

// Error names the interpreter, how it ended, and what it complained of.
func (e *AskError) Error() string {
	if e.Complaint == "" {
		return fmt.Sprintf("%s: %v", e.Path, e.Err)
	}
	return fmt.Sprintf("%s: %v: %s", e.Path, e.Err, e.Complaint)
}

// Unwrap returns the cause.
func (e *AskError) Unwrap() error { return e.Err }

// limited keeps the beginning of what is written to it.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	keep := min(len(p), max(0, answerMost-l.Len()))
	l.Buffer.Write(p[:keep]) // never fails
	return len(p), nil
}

// ReadFrom keeps io.Copy from going around Write.
func (l *limited) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{l}, r)
}

// Interpreters lists the programs that wanted accepts by their names, in the folders of
// the PATH and then in usual ones, each program once, however many links lead to it.
func Interpreters(path string, usual []string, wanted func(name string) bool) []string {
	var out []string
	seen := map[string]bool{}
	for _, dir := range append(filepath.SplitList(path), usual...) {
		if !filepath.IsAbs(dir) {
			continue // a relative one is nobody's intention
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // a PATH may name what is not there
		}
		for _, e := range entries {
			if !wanted(e.Name()) {
				continue
			}
			program := filepath.Join(dir, e.Name())
			if !executable(program) {
				continue
			}
			real, err := filepath.EvalSymlinks(program)
			if err != nil || seen[identity(program, real)] {
				continue
			}
			seen[identity(program, real)] = true
			out = append(out, program)
		}
	}
	return out
}

// identity is what makes two links one program. A virtual environment's python3 is a
// link to the system's, and yet another program: by where it lies it has other libraries.
// So do links from one folder to another count as two, unless the folders are one.
func identity(program, real string) string {
	dir, err := filepath.EvalSymlinks(filepath.Dir(program))
	if err != nil {
		dir = filepath.Dir(program)
	}
	return dir + "\x00" + real
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// mostReasons bounds what an error tells of interpreters that do not serve.
const mostReasons = 3

// Reasons is one line of why no interpreter serves. Those that could not even be asked
// are told of only when none could be: a version manager leaves many names that lead
// nowhere.
func Reasons(errs []error) string {
	if answered := slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return errors.As(err, new(*AskError)) }); len(answered) > 0 {
		errs = answered
	}
	var lines []string
	for _, err := range errs[:min(len(errs), mostReasons)] {
		lines = append(lines, strings.Join(strings.Fields(err.Error()), " "))
	}
	if more := len(errs) - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more like it", more))
	}
	return strings.Join(lines, "; ")
}
