package scenarios

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// read parses a scenario whose beginning is of no interest.
func read(t *testing.T, body string, o Options) *Scenario {
	t.Helper()
	s, err := Parse("test.yaml", []byte("name: test\n"+body), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fails returns the errors of a scenario.
func fails(t *testing.T, body string, o Options) Errors {
	t.Helper()
	s, err := Parse("test.yaml", []byte("name: test\n"+body), o)
	var all Errors
	if s != nil || !errors.As(err, &all) || len(all) == 0 {
		t.Fatalf("%s\ngives %v, %v", body, s, err)
	}
	return all
}

const minimal = "targets: [direct]\nsteps: [wait: {for: 1s}]\n"

// A file with every key is read into what it says.
func TestEverything(t *testing.T) {
	src, err := os.ReadFile("testdata/good/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Parse("everything.yaml", src, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.Source, src) {
		t.Error("the source is not what was read")
	}
	s.Source = nil
	got, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/good/everything.json"
	if *update {
		if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(got)+"\n" != string(want) {
		t.Errorf("got\n%s", got)
	}
}

func TestGoodFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/good/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		if _, err := Load(f, Options{}); err != nil {
			t.Error(err)
		}
	}
}

func TestDefaults(t *testing.T) {
	s := read(t, `targets: [{name: a, apache: {}}, {name: t, tunnel: {}}]
steps:
  - connect: {connections: 5}
  - send: {rate: 10/s, for: 3s}
  - send: {every: 7s, for: 3s}
  - hold: {for: 1s, ping: {every: 3s}}
  - close: {connections: 2}
  - close: {}
`, Options{})
	want := []Step{
		{ID: "1", Place: "1", Connect: &Connect{Connections: 5, Rate: 1000, Group: "main", Timeout: 10 * time.Second, OnTimeout: "close"}},
		{ID: "2", Place: "2", Send: &Send{Group: "main", Rate: 10, Size: Size{Fixed: 128}, For: 3 * time.Second, Warmup: 2 * time.Second, Drain: 5 * time.Second, Arrivals: "poisson", Fragments: 1, Loop: "open", Pattern: "echo"}},
		{ID: "3", Place: "3", Send: &Send{Group: "main", Every: 7 * time.Second, Phase: "spread", Size: Size{Fixed: 128}, For: 3 * time.Second, Warmup: 7 * time.Second, Drain: 5 * time.Second, Fragments: 1, Loop: "open", Pattern: "echo"}},
		{ID: "4", Place: "4", Hold: &Hold{For: time.Second, PingEvery: 3 * time.Second, PingFrom: "client"}},
		{ID: "5", Place: "5", Close: &Close{Connections: 2, Pick: "random", How: "clean"}},
		{ID: "6", Place: "6", Close: &Close{Pick: "random", How: "clean"}},
	}
	for i := range want {
		if !reflect.DeepEqual(s.Steps[i], want[i]) {
			t.Errorf("step %d: %s", i+1, asJSON(t, s.Steps[i]))
		}
	}
	apache := Apache{MPM: "event", Route: "proxypass", Start: "full", ListenBacklog: 511, Timeout: 300 * time.Second, HostnameLookups: "off", LogLevel: "warn", Scoreboard: true}
	if !reflect.DeepEqual(*s.Targets[0].Apache, apache) {
		t.Errorf("apache: %+v", *s.Targets[0].Apache)
	}
	if s.Blocks != 3 || s.Seed != 1 || s.Agents != (Agents{Count: 1, Workers: 1}) || s.Backend != (Backend{Runtime: "go", Instances: 1}) {
		t.Errorf("%d blocks, seed %d, agents %+v, backend %+v", s.Blocks, s.Seed, s.Agents, s.Backend)
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	p, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(p)
}

// The default in every tag is a value that its key takes.
func TestTags(t *testing.T) {
	seen := map[reflect.Type]bool{}
	each(reflect.TypeFor[rawScenario](), seen, func(owner reflect.Type, f field) {
		key := strings.TrimPrefix(owner.Name(), "raw") + "." + f.name
		if f.about == "" || !strings.HasSuffix(f.about, ".") {
			t.Errorf("%s: the description %q is no sentence", key, f.about)
		}
		if f.form != "" && forms[f.form].pattern == nil {
			t.Errorf("%s: there is no form %q", key, f.form)
		}
		for _, value := range []string{f.value, f.example} {
			if value == "" {
				continue
			}
			m := &mistakes{path: key}
			v := reflect.New(owner.Field(f.index).Type).Elem()
			(&decoder{mistakes: m}).value(&node{text: value, mark: mark{1, 1}}, v, &f)
			if len(m.found) > 0 {
				t.Errorf("%q: %v", value, m.found)
			}
		}
	})
	if len(seen) < 28 {
		t.Errorf("only %d raw types were found", len(seen))
	}
}

// each visits the keys of all raw types.
func each(t reflect.Type, seen map[reflect.Type]bool, visit func(owner reflect.Type, f field)) {
	switch t {
	case reflect.TypeFor[targetList](), reflect.TypeFor[stepList](), reflect.TypeFor[ruleList]():
		t = t.Elem()
	case reflect.TypeFor[branchList]():
		t = reflect.TypeFor[rawStep]()
	case reflect.TypeFor[rawSize]():
		each(reflect.TypeFor[rawUniform](), seen, visit)
		each(reflect.TypeFor[rawChoose](), seen, visit)
		return
	}
	if _, isSection := reflect.New(t).Interface().(located); !isSection || seen[t] {
		return
	}
	seen[t] = true
	keys, _ := keysOf(t)
	for _, f := range keys {
		visit(t, f)
		each(t.Field(f.index).Type, seen, visit)
	}
}

func TestOptions(t *testing.T) {
	seed := uint64(7)
	body := `params: {n: 300, word: x}
targets: [direct, tunnel, {name: event, apache: {}}]
steps:
  - connect: {connections: $n, path: /$word}
expect:
  - "failures == 0"
  - "event.failures == 0"
  - "direct.failures == 0"
`
	s := read(t, body, Options{Set: map[string]string{"n": "500"}, Targets: []string{"event", "tunnel"}, Blocks: 9, Agents: 4, Seed: &seed})
	if s.Steps[0].Connect.Connections != 500 || s.Steps[0].Connect.Path != "/x" || s.Params["n"] != "500" || s.Params["word"] != "x" {
		t.Errorf("params: %+v, %v", s.Steps[0].Connect, s.Params)
	}
	if s.Blocks != 9 || s.Agents.Count != 4 || s.Seed != 7 {
		t.Errorf("%d blocks, %d agents, seed %d", s.Blocks, s.Agents.Count, s.Seed)
	}
	if len(s.Targets) != 2 || s.Targets[0].Name != "tunnel" || s.Targets[1].Name != "event" {
		t.Errorf("targets: %+v", s.Targets)
	}
	if want := []string{"failures == 0", "event.failures == 0"}; !reflect.DeepEqual(s.Expect, want) || len(s.Expectations) != 2 || s.Expectations[1].Target != "event" {
		t.Errorf("expect: %q, %+v", s.Expect, s.Expectations)
	}

	errs := fails(t, body, Options{Set: map[string]string{"m": "1", "n": "0"}, Targets: []string{"evnt"}, Blocks: -1, Agents: 1e6})
	want := `test.yaml:5:28: connections: 0 is too little, at least 1
    - connect: {connections: $n, path: /$word}
                             ^
  $n is "0" (by --set)
test.yaml: --set m=1: the scenario has no param "m" (did you mean n?)
test.yaml: --blocks -1: give 1 to 1000
test.yaml: --agents 1000000: give 1 to 1000
test.yaml: --targets evnt: the scenario has no target "evnt" (did you mean event?)`
	if errs.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", errs, want)
	}
	if errs := fails(t, minimal, Options{Set: map[string]string{"n": "1"}}); !strings.Contains(errs.Error(), "it has no params at all") {
		t.Error(errs)
	}
}

// A param stands for its text and nothing else: it cannot bring keys along, and is
// not looked through for further params.
func TestSubstitution(t *testing.T) {
	s := read(t, `params: {n: "3", s: s, inject: "a, path: /x", dollar: $$n}
targets: [direct]
about: "$inject $dollar $$n $$$n $ $1 ${n} 5$"
steps:
  - wait: {for: "$n$s"}
  - wait: {for: $n$s}
`, Options{Set: map[string]string{"dollar": "$n"}})
	if want := "a, path: /x $n $n $3 $ $1 ${n} 5$"; s.About != want {
		t.Errorf("about is %q, want %q", s.About, want)
	}
	if s.Steps[0].Wait.For != 3*time.Second || s.Steps[1].Wait.For != 3*time.Second {
		t.Errorf("steps: %s", asJSON(t, s.Steps))
	}
}

func TestManyErrors(t *testing.T) {
	body := "targets: [direct]\nsteps:\n"
	for range 30 {
		body += "  - wait: {for: 1}\n"
	}
	text := fails(t, body, Options{}).Error()
	if n := strings.Count(text, "has no unit"); n != mostErrors || !strings.HasSuffix(text, "\nand 10 more") {
		t.Errorf("%d errors are shown, and at the end %q", n, text[len(text)-20:])
	}
}

func TestTooLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large.yaml")
	if err := os.WriteFile(path, []byte("name: large\n"+minimal+strings.Repeat("# filler\n", 10_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path, Options{}); err == nil || !strings.Contains(err.Error(), "a scenario at most 65536") {
		t.Error(err)
	}
	deep := "targets: [direct]\nsteps:\n"
	in := ""
	for range maxRepeats + 1 {
		deep += in + "  - repeat:\n" + in + "      times: 2\n" + in + "      steps:\n"
		in += "      "
	}
	if errs := fails(t, deep+in+"  - wait: {for: 1s}\n", Options{}); !strings.Contains(errs.Error(), "more than 4 repeats") {
		t.Error(errs)
	}
	long := "targets: [direct]\nsteps: ["
	for range maxSteps/100 + 1 {
		long += "{repeat: {times: 2, steps: [" + strings.Repeat("{wait: {for: 1s}},\n ", 100) + "]}},\n "
	}
	if errs := fails(t, long+"]\n", Options{}); len(errs) != 1 || !strings.Contains(errs.Error(), "more than 1000 steps") {
		t.Error(errs)
	}
}

func TestLoad(t *testing.T) {
	s, err := Load("quickstart", Options{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, target := range s.Targets {
		names = append(names, target.Name+" "+target.Kind())
	}
	if got := strings.Join(names, ", "); got != "direct direct, tunnel tunnel, event apache, worker apache, prefork apache" {
		t.Errorf("quickstart compares %s", got)
	}
	if s.MaxOpen() != 300 || s.Blocks != 3 || len(s.Expect) != 1 || s.Path != "quickstart" || len(s.Source) == 0 {
		t.Errorf("quickstart: %d open, %d blocks, expects %q, from %q", s.MaxOpen(), s.Blocks, s.Expect, s.Path)
	}
	for given, want := range map[string]string{
		"quikstart":                   "did you mean the shipped scenario quickstart?",
		"scenarios/Quickstart.yml":    "did you mean the shipped scenario quickstart?",
		"no-such-thing.yaml":          "the nearest shipped one is ",
		filepath.Join("testdata", ""): "is a directory",
	} {
		if _, err := Load(given, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", given, err, want)
		}
	}
	if _, err := Load("nowhere.yaml", Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	// A file may be called as a shipped scenario, with a path.
	t.Chdir(t.TempDir())
	if err := os.WriteFile("quickstart", []byte("name: mine\n"+minimal), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Load("./quickstart", Options{}); err != nil || s.Name != "mine" {
		t.Error(s, err)
	}
}

func TestShipped(t *testing.T) {
	all := Shipped()
	if len(all) == 0 {
		t.Fatal("nothing is shipped")
	}
	for _, i := range all {
		s, err := Load(i.Name, Options{})
		if err != nil {
			t.Error(err)
			continue
		}
		if s.Name != i.Name || i.About == "" || s.About != i.About {
			t.Errorf("%+v is called %q and about %q", i, s.Name, s.About)
		}
	}
}

func TestClaims(t *testing.T) {
	all := Claims()
	if len(all) == 0 {
		t.Fatal("no claim is shipped")
	}
	for _, i := range all {
		s, err := Load("claims/"+i.Name, Options{})
		switch {
		case err != nil:
			t.Error(err)
		case s.Claim == nil || s.Claim.ID != i.Name || s.Name != i.Name || i.About == "" || i.About != s.Claim.Says:
			t.Errorf("%+v is called %q and is claim %+v", i, s.Name, s.Claim)
		}
		for _, v := range s.Claim.Values {
			if _, err := Load("claims/"+i.Name, Options{Set: map[string]string{s.Claim.Param: v}}); err != nil {
				t.Error(err)
			}
		}
	}
	for _, i := range Shipped() {
		if strings.Contains(i.Name, "/") {
			t.Errorf("the claim %s is among the scenarios", i.Name)
		}
	}
}

func TestNearest(t *testing.T) {
	for _, c := range []struct {
		wrong, want string
		ok          bool
	}{
		{"conections", "connections", true}, {"connection", "connections", true}, {"CONNECT", "connect", true},
		{"ocnnect", "connect", true}, {"max", "max_tunnels", true}, {"zzzzzz", "", false}, {"", "", false},
	} {
		got, ok := nearest(c.wrong, []string{"connect", "connections", "max_tunnels"})
		if ok != c.ok || ok && got != c.want {
			t.Errorf("nearest(%q) = %q, %v", c.wrong, got, ok)
		}
	}
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"kitten", "sitting", 3}, {"ab", "ba", 1}, {"abc", "abc", 0}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

// What a run directory keeps says which values were others, and is still the same
// scenario.
func TestAsRun(t *testing.T) {
	const file = "name: x\nparams: {n: 40, word: y}\ntargets: [direct, tunnel]\nsteps:\n  - connect: {connections: $n, path: /$word}\n"
	seed := uint64(7)
	o := Options{Set: map[string]string{"word": "it's-here", "n": "12"}, Targets: []string{"direct"}, Blocks: 2, Agents: 3, Seed: &seed}
	s, err := Parse("x.yaml", []byte(file), o)
	if err != nil {
		t.Fatal(err)
	}
	const want = `# This was run with: --set n=12 --set 'word=it'\''s-here' --targets direct --blocks 2 --agents 3 --seed 7` + "\n"
	if got := string(s.AsRun()); got != want+file {
		t.Errorf("got\n%s", got)
	}
	again, err := Parse("x.yaml", s.AsRun(), o)
	if err != nil || again.Steps[0].Connect.Connections != 12 || again.Blocks != 2 {
		t.Errorf("run again: %+v, %v", again, err)
	}
	if s, err := Parse("x.yaml", []byte(file), Options{}); err != nil || string(s.AsRun()) != file {
		t.Errorf("without flags it is not the file: %v", err)
	}
	for word, want := range map[string]string{"a b": "'a b'", "": "''", "a\nb": `$'a\nb'`, "it's\t": `$'it\'s\t'`, "\u2028": `$'\u2028'`} {
		if got := shellWord(word); got != want {
			t.Errorf("%q is written %s, want %s", word, got, want)
		}
	}
}
