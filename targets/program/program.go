// Package program finds the proxies that a machine has installed, asks them what they
// are, and has them check configurations: what the kinds of targets that are other
// people's programs have in common.
package program

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"wsgauge/targets"
)

// Kind is a program that may be installed.
type Kind struct {
	Name     string   // for people: "nginx"
	Commands []string // what its executable may be called, the likeliest first
	Package  string   // Debian's and Ubuntu's package
	Other    string   // other distributions' package
	Ask      []string // arguments that make it say its version
	// Parse takes text ("nginx/1.22.1") and version out of that answer.
	Parse  func(answer string) (text string, v Version, ok bool)
	Oldest Version
	Why    string // what the oldest version is needed for: "it is the first that ..."
}

// Host is what is asked of the machine; tests put another one in its place.
type Host struct {
	LookPath  func(string) (string, error)
	Dirs      []string // searched after the PATH
	OSRelease string   // path
}

// ThisHost is the machine that we run on.
func ThisHost() Host {
	return Host{
		LookPath:  exec.LookPath,
		Dirs:      []string{"/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/usr/local/nginx/sbin", "/sbin"},
		OSRelease: "/etc/os-release",
	}
}

// Program is one that was found and has answered.
type Program struct {
	Kind    string // its Kind's name
	Path    string // absolute
	Text    string // what it calls itself
	Version Version
	Answer  string // the whole of it
}

// Find returns the program at server, or the first usable one of the machine when
// server is empty. What is not there, or not usable, is a *[targets.MissingError].
func (h Host) Find(k Kind, server string) (Program, error) {
	if server != "" {
		missing := &targets.MissingError{What: fmt.Sprintf("the %s of `server: %s`", k.Name, server),
			Remedy: fmt.Sprintf("give the path of a %s, or leave server out to use the one installed", k.Name)}
		path, err := filepath.Abs(server)
		if err != nil {
			return Program{}, fmt.Errorf("looking for %s at %s: %w", k.Name, server, err)
		}
		if _, err := os.Stat(path); err != nil {
			return Program{}, missing
		}
		p, err := k.ask(path)
		if err != nil {
			missing.Why = "cannot be used: " + err.Error()
			return Program{}, missing
		}
		return p, nil
	}
	var refused error // why the first candidate will not do
	for _, path := range h.candidates(k) {
		p, err := k.ask(path)
		if err == nil {
			return p, nil
		}
		if refused == nil {
			refused = err
		}
	}
	missing := &targets.MissingError{What: k.Name, Remedy: h.remedy(k)}
	if refused != nil {
		missing.Why = "cannot be used: " + refused.Error()
	}
	return Program{}, missing
}

// Look finds one command on the PATH or in the other directories.
func (h Host) Look(command string) (string, bool) {
	if path, err := h.LookPath(command); err == nil {
		if abs, err := filepath.Abs(path); err == nil {
			return abs, true
		}
	}
	for _, dir := range h.Dirs {
		path := filepath.Join(dir, command)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, true
		}
	}
	return "", false
}

func (h Host) candidates(k Kind) []string {
	var found []string
	for _, command := range k.Commands {
		if path, ok := h.Look(command); ok && !slices.Contains(found, path) {
			found = append(found, path)
		}
	}
	return found
}

func (k Kind) ask(path string) (Program, error) {
	answer, err := Run(Command{Argv: append([]string{path}, k.Ask...)})
	p := Program{Kind: k.Name, Path: path, Answer: answer}
	var ok bool
	if err == nil {
		if p.Text, p.Version, ok = k.Parse(answer); !ok {
			err = errors.New("its answer names no version")
		}
	}
	if err != nil {
		return p, fmt.Errorf("%s is not a usable %s: %s: %w%s", path, k.Name, strings.Join(k.Ask, " "), err, Quoted(answer))
	}
	if p.Version.Before(k.Oldest) {
		return p, fmt.Errorf("%s is %s: %s %s or newer is needed: %s (name another build by `server:`)",
			path, p.Text, k.Name, k.Oldest, k.Why)
	}
	return p, nil
}

// Needs is an error that says that what (a key of the scenario) came with a later
// version than p's, or nil.
func (p Program) Needs(v Version, what string) error {
	if !p.Version.Before(v) {
		return nil
	}
	return fmt.Errorf("%s is %s: %s needs %s %s or newer (leave it out, or name another build by `server:`)",
		p.Path, p.Text, what, p.Kind, v)
}

// Identity is what stands in the records.
func (p Program) Identity() (targets.Version, error) {
	sum, err := SHA256(p.Path)
	return targets.Version{Text: p.Text, Path: p.Path, SHA256: sum}, err
}

// SHA256 is the checksum of a file, in hexadecimal.
func SHA256(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("hashing a target's program: %w", err)
	}
	defer f.Close() // only read
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", fmt.Errorf("hashing %s: %w", path, err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
