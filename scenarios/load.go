package scenarios

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Options are what the command line says in place of the file. Zero values leave
// the file's.
type Options struct {
	Set     map[string]string // values of params, by name
	Targets []string          // the only ones to run
	Blocks  int
	Agents  int
	Seed    *uint64
	// AllowDisruptive permits steps that disturb a proxy or backend of another machine,
	// as docs/scenarios.md lists them. Without it they are mistakes.
	AllowDisruptive bool
}

//go:embed *.yaml claims/*.yaml
var shipped embed.FS

// claimDir begins the names of shipped claims: "claims/heartbeat".
const claimDir = "claims/"

// Info is a shipped scenario.
type Info struct {
	Name  string
	About string
}

// Shipped lists the scenarios that come with wsgauge, by name.
func Shipped() []Info {
	var all []Info
	for _, name := range namesIn("") {
		info := Info{Name: name}
		// A test reads every shipped file: an error here cannot be.
		if src, err := shipped.ReadFile(name + ".yaml"); err == nil {
			if s, err := Parse(name, src, Options{}); err == nil {
				info.About = s.About
			}
		}
		all = append(all, info)
	}
	return all
}

// Claims lists the shipped claims: each by its id, with what it says in About.
// Load("claims/ID") reads one.
func Claims() []Info {
	var all []Info
	for _, name := range namesIn(claimDir) {
		info := Info{Name: strings.TrimPrefix(name, claimDir)}
		// A test reads every shipped file: an error here cannot be.
		if s, err := Load(name, Options{}); err == nil && s.Claim != nil {
			info.About = s.Claim.Says
		}
		all = append(all, info)
	}
	return all
}

// shippedNames are the names of what is shipped, those of claims after the others.
func shippedNames() []string { return append(namesIn(""), namesIn(claimDir)...) }

func namesIn(dir string) []string {
	files, err := fs.Glob(shipped, dir+"*.yaml")
	if err != nil {
		return nil // the pattern is right
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f, ".yaml"))
	}
	return names
}

// Load reads a scenario: a shipped one by its name, or else a file ("./quickstart"
// is a file). Mistakes in it come back as [Errors].
func Load(nameOrPath string, o Options) (*Scenario, error) {
	if slices.Contains(shippedNames(), nameOrPath) {
		src, err := shipped.ReadFile(nameOrPath + ".yaml")
		if err != nil {
			return nil, fmt.Errorf("reading the shipped scenario %s: %w", nameOrPath, err)
		}
		return Parse(nameOrPath, src, o)
	}
	src, err := readFile(nameOrPath)
	if err != nil {
		return nil, err
	}
	return Parse(nameOrPath, src, o)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, missing(path)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the scenario: %w", err)
	}
	defer f.Close() // only read
	src, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading the scenario: %w", err)
	}
	return src, nil
}

// missing names the shipped scenario that may have been meant.
func missing(path string) error {
	names := shippedNames()
	word := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(path), ".yaml"), ".yml")
	best, near := nearest(word, names)
	hint := fmt.Sprintf("the nearest shipped one is %s; wsgauge scenarios lists them", best)
	if near {
		hint = fmt.Sprintf("did you mean the shipped scenario %s?", best)
	}
	return fmt.Errorf("scenario %q: there is no such file and none is shipped under that name (%s): %w", path, hint, fs.ErrNotExist)
}

// Parse reads the text of a scenario. path is for messages, and relative paths in the
// text are relative to its directory; a shipped scenario, whose path is a name, has
// none. All mistakes are reported together, as [Errors].
func Parse(path string, src []byte, o Options) (*Scenario, error) {
	m := &mistakes{path: path}
	root := readTree(src, m)
	if root == nil {
		return nil, m.sorted()
	}
	d := &decoder{mistakes: m}
	d.readParams(root, o.Set)
	var raw rawScenario
	d.section(root, reflect.ValueOf(&raw).Elem(), "a scenario")
	d.checkParams(root)
	s, b := build(&raw, m)
	s.Params, s.Path, s.Source = d.paramValues(), path, slices.Clone(src)
	s.Overrides = o.flags()
	s.override(o, m)
	b.checkChosen(s, o)
	if len(m.found) > 0 {
		return nil, m.sorted()
	}
	return s, nil
}

// sorted are the mistakes in the order of the file.
func (m *mistakes) sorted() Errors {
	slices.SortStableFunc(m.found, func(a, b *Error) int {
		switch {
		case (a.Line == 0) != (b.Line == 0):
			return b.Line - a.Line // those of the command line last
		case a.Line != b.Line:
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return m.found
}

// AsRun is the file as it was run: its text, below a comment that gives the command
// line's values, if there were any. With the flags named there it is the same run
// again.
func (s *Scenario) AsRun() []byte {
	if len(s.Overrides) == 0 {
		return slices.Clone(s.Source)
	}
	mark, text := []byte("\ufeff"), s.Source
	text, marked := bytes.CutPrefix(text, mark)
	var b bytes.Buffer
	if marked {
		b.Write(mark)
	}
	fmt.Fprintf(&b, "# This was run with: %s\n", strings.Join(s.Overrides, " "))
	b.Write(text)
	return b.Bytes()
}

// flags are the options as a shell takes them, in a fixed order.
func (o *Options) flags() []string {
	var all []string
	add := func(flag, value string) { all = append(all, "--"+flag, shellWord(value)) }
	for _, name := range slices.Sorted(maps.Keys(o.Set)) {
		add("set", name+"="+o.Set[name])
	}
	if len(o.Targets) > 0 {
		add("targets", strings.Join(o.Targets, ","))
	}
	if o.Blocks > 0 {
		add("blocks", strconv.Itoa(o.Blocks))
	}
	if o.Agents > 0 {
		add("agents", strconv.Itoa(o.Agents))
	}
	if o.Seed != nil {
		add("seed", strconv.FormatUint(*o.Seed, 10))
	}
	if o.AllowDisruptive {
		all = append(all, "--allow-disruptive")
	}
	return all
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:=,@%+-]+$`)

// shellWord quotes what a shell would take apart, and what would end a comment or a
// YAML file's text: control characters are written as $'\n' writes them.
func shellWord(word string) string {
	switch {
	case plainWord.MatchString(word):
		return word
	case !strings.ContainsFunc(word, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return "$'" + strings.ReplaceAll(strings.Trim(strconv.QuoteToASCII(word), `"`), "'", `\'`) + "'"
}

// override puts the command line's values in place of the file's.
func (s *Scenario) override(o Options, m *mistakes) {
	positive := func(flag string, value int, to *int) {
		switch {
		case value < 0 || value > 1000:
			m.add(mark{}, "", "--%s %d: give 1 to 1000", flag, value)
		case value > 0:
			*to = value
		}
	}
	positive("blocks", o.Blocks, &s.Blocks)
	positive("agents", o.Agents, &s.Agents.Count)
	if o.Seed != nil {
		s.Seed = *o.Seed
	}
	if len(o.Targets) > 0 {
		s.choose(o.Targets, m)
	}
}

// choose keeps some targets, and the expectations that can still be judged.
func (s *Scenario) choose(names []string, m *mistakes) {
	var all []string
	for _, t := range s.Targets {
		all = append(all, t.Name)
	}
	for _, name := range names {
		if !slices.Contains(all, name) {
			m.add(mark{}, didYouMean(name, all), "--targets %s: the scenario has no target %q", strings.Join(names, ","), name)
		}
	}
	s.Targets = slices.DeleteFunc(s.Targets, func(t Target) bool { return !slices.Contains(names, t.Name) })
	s.Expectations = slices.DeleteFunc(s.Expectations, func(e Expectation) bool {
		return e.Target != "" && !slices.Contains(names, e.Target)
	})
	s.Expect = nil
	for _, e := range s.Expectations {
		s.Expect = append(s.Expect, e.Text)
	}
}
