package scenarios

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const docs = "../docs/scenarios.md"

// tableMark is where a table of keys belongs, by the name of its section.
var tableMark = regexp.MustCompile(`(?s)<!-- keys of ([a-z]+) -->\n.*?<!-- end -->`)

// The tables of the reference are made from the raw types: every key, its default,
// its bounds, what it means.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]reflect.Type{}
	each(reflect.TypeFor[rawScenario](), map[reflect.Type]bool{}, func(owner reflect.Type, _ field) {
		sections[strings.ToLower(strings.TrimPrefix(owner.Name(), "raw"))] = owner
	})
	seen := map[string]bool{}
	made := tableMark.ReplaceAllStringFunc(string(text), func(found string) string {
		name := tableMark.FindStringSubmatch(found)[1]
		owner, known := sections[name]
		if !known || seen[name] {
			t.Errorf("%s: there is no section %q, or its table stands there twice", docs, name)
			return found
		}
		seen[name] = true
		return fmt.Sprintf("<!-- keys of %s -->\n%s<!-- end -->", name, keyTable(owner))
	})
	for name := range sections {
		if !seen[name] {
			t.Errorf("%s has no table of the keys of %s (put <!-- keys of %s --> and <!-- end --> where it belongs)", docs, name, name)
		}
	}
	for _, name := range slices.Concat(metrics, groups, connectionFigures, pingFigures, quantiles, []string{"http.sent", "http.answered"},
		slices.Sorted(maps.Keys(messageFigures)), slices.Sorted(maps.Keys(resourceFigures))) {
		last := name[strings.LastIndex(name, ".")+1:]
		if name == "p99.9" {
			last = name
		}
		if !strings.Contains(made, "`"+last+"`") && !strings.Contains(made, "."+last+"`") {
			t.Errorf("%s does not name the figure %s", docs, name)
		}
	}
	if made == string(text) {
		return
	}
	if !*update {
		t.Fatalf("%s is not what the types say (write it with -update)", docs)
	}
	if err := os.WriteFile(docs, []byte(made), 0o644); err != nil {
		t.Fatal(err)
	}
}

func keyTable(owner reflect.Type) string {
	var b strings.Builder
	b.WriteString("| key | value | default | meaning |\n|---|---|---|---|\n")
	keys, _ := keysOf(owner)
	for _, f := range keys {
		value := kindOf(owner.Field(f.index).Type, f)
		otherwise := ""
		switch {
		case f.required:
			otherwise = "required"
		case f.value != "":
			otherwise = "`" + f.value + "`"
		}
		about := f.about
		if f.example != "" {
			about += " E.g. `" + f.example + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.name, value, otherwise, about)
	}
	return b.String()
}

// kindOf says in a word or two what a key takes.
func kindOf(t reflect.Type, f field) string {
	kind := "mapping, below"
	switch t {
	case reflect.TypeFor[text]():
		kind = "text"
	case reflect.TypeFor[word]():
		return "`" + strings.Join(f.words, "`, `") + "`"
	case reflect.TypeFor[boolean]():
		return "`true`, `false`"
	case reflect.TypeFor[count](), reflect.TypeFor[seed]():
		kind = "number"
	case reflect.TypeFor[size]():
		kind = "size"
	case reflect.TypeFor[rate]():
		kind = "rate"
	case reflect.TypeFor[duration]():
		kind = "duration"
	case reflect.TypeFor[percent]():
		kind = "percentage"
	case reflect.TypeFor[decimal]():
		kind = "number"
	case reflect.TypeFor[targetList](), reflect.TypeFor[stepList](), reflect.TypeFor[expectTexts](), reflect.TypeFor[ruleList](), reflect.TypeFor[claimTexts]():
		kind = "list"
	case reflect.TypeFor[rawParams](), reflect.TypeFor[headers]():
		kind = "names to values"
	case reflect.TypeFor[eachParam]():
		kind = "name to list"
	case reflect.TypeFor[rawSize]():
		kind = "size, or mapping, below"
	case reflect.TypeFor[rawAgents](), reflect.TypeFor[rawNofile]():
		kind = "number, or mapping, below"
	case reflect.TypeFor[rawBackend]():
		kind = "`go`, `node`, `python`, or mapping, below"
	case reflect.TypeFor[rawSignal]():
		kind = "the word of an action, or mapping, below"
	case reflect.TypeFor[rawBackendStep]():
		kind = "`kill`, `restart`, `pause`, `resume`, or mapping, below"
	case reflect.TypeFor[rawTogether]():
		kind = "list of branches, or mapping, below"
	case reflect.TypeFor[branchList](), reflect.TypeFor[texts]():
		kind = "list"
	case reflect.TypeFor[pids]():
		kind = "list of numbers"
	case reflect.TypeFor[fileTexts]():
		kind = "names to texts"
	case reflect.TypeFor[sizeRange]():
		kind = "two sizes"
	case reflect.TypeFor[choices]():
		kind = "sizes to weights"
	}
	switch {
	case f.min != "" && f.max != "":
		return fmt.Sprintf("%s, %s to %s", kind, f.min, f.max)
	case f.min != "":
		return kind + ", from " + f.min
	case f.max != "":
		return kind + ", at most " + f.max
	}
	return kind
}
