package scenarios

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")
	topKey    = regexp.MustCompile(`(?m)^([a-z]+):`)
)

// What the reference shows in YAML is accepted, with as much around it as a fragment
// leaves out.
func TestDocsExamples(t *testing.T) {
	text, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	blocks := yamlBlock.FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 15 {
		t.Fatalf("only %d examples were found", len(blocks))
	}
	for _, b := range blocks {
		example := b[1]
		if strings.HasPrefix(example, "- ") {
			example = "steps:\n- connect: {connections: 300}\n- {id: load, send: {rate: 10/s, for: 1s}}\n" + example
		}
		var keys []string
		for _, k := range topKey.FindAllStringSubmatch(example, -1) {
			keys = append(keys, k[1])
		}
		for _, missing := range []struct{ key, text string }{
			{"name", "name: example\n"},
			{"targets", "targets: [direct, tunnel, {name: event, apache: {}}]\n"},
			{"steps", "steps:\n- connect: {connections: 300}\n- {id: load, send: {rate: 10/s, for: 1s}}\n"},
		} {
			if !slices.Contains(keys, missing.key) {
				example = missing.text + example
			}
		}
		if _, err := Parse("example.yaml", []byte(example), Options{}); err != nil {
			t.Errorf("%v\nin\n%s", err, example)
		}
	}
}
