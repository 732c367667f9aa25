package scenarios

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/jsonschema-go/jsonschema"
)

// resolved is the schema as an editor gets it: from its text.
func resolved(t *testing.T) *jsonschema.Resolved {
	t.Helper()
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	var s jsonschema.Schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	if s.Schema != "https://json-schema.org/draft/2020-12/schema" {
		t.Errorf("$schema is %q", s.Schema)
	}
	r, err := s.Resolve(&jsonschema.ResolveOptions{ValidateDefaults: true})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func asValue(t *testing.T, src []byte) any {
	t.Helper()
	p, err := yaml.YAMLToJSON(bytes.TrimPrefix(src, []byte("\xef\xbb\xbf")))
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(p, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSchemaTakesGoodFiles(t *testing.T) {
	r := resolved(t)
	files, err := filepath.Glob("*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	good, err := filepath.Glob("testdata/good/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	claims, err := filepath.Glob("claims/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if files = append(append(files, claims...), good...); len(files) < 4 {
		t.Fatal(files)
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Validate(asValue(t, src)); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
}

// What is wrong in a single value or section is wrong to the schema too.
func TestSchemaRefuses(t *testing.T) {
	r := resolved(t)
	step := func(s string) string {
		return "targets: [direct]\nsteps: [{connect: {connections: 9}}, " + s + "]\n"
	}
	target := func(s string) string { return "targets: [" + s + "]\nsteps: [{wait: {for: 1s}}]\n" }
	if err := r.Validate(asValue(t, []byte("name: test\n"+step(`{send: {rate: $r, for: 1s, size: "$n", fragments: $n, text: $t}}`)))); err != nil {
		t.Error("params:", err)
	}
	for _, body := range []string{
		"steps: [{wait: {for: 1s}}]\n", "targets: [direct]\n", "targets: []\nsteps: [{wait: {for: 1s}}]\n",
		minimal + "colour: blue\n", minimal + "blocks: 0\n", minimal + "blocks: 3 times\n", minimal + `blocks: "3"` + "\n", minimal + "seed: -1\n",
		minimal + "capacity: {}\n", minimal + "params: {Big: 1}\n", minimal + "params: {list: [1]}\n",
		minimal + "backend: ruby\n", minimal + "backend: {external: x}\n", minimal + "backend: {external: \"ws://127.0.0.1:80/\", tls: true}\n", minimal + "backend: {listen: 127.0.0.1:80}\n", minimal + "agents: {number: 2}\n", minimal + "agents: 0\n",
		minimal + "expect: failures == 0\n", minimal + "expect: [failures]\n", minimal + `expect: ["failures = 0"]` + "\n",
		minimal + "claim: {}\n", minimal + "claim: {id: a, says: b, rules: [], otherwise: c}\n", minimal + "claim: {id: a, says: b, rules: [{verdict: maybe, when: [failures == 0], because: c}], otherwise: c}\n",
		minimal + "claim: {id: a, says: b, rules: [{verdict: holds, because: c}], otherwise: c}\n", minimal + "params: {n: 1}\nclaim: {id: a, says: b, each: {n: 1}, rules: [{verdict: holds, when: [failures == 0], because: c}], otherwise: c}\n",
		target("squid"), target("{name: x}"), target("{name: X, tunnel: {}}"), target("{tunnel: {}}"), target("{name: x, tunnel: {}, direct: {}}"),
		target("nginx"), target("{name: x, nginx: {}, caddy: {}}"), target("{name: x, nginx: {config: a}}"), target("{name: x, haproxy: {listen: 127.0.0.1:80}}"), target("{name: x, caddy: {limits: 1}}"),
		target("{name: x, command: {}}"), target("{name: x, command: {argv: []}}"), target("{name: x, command: {argv: [a], files: {a/b: c}}}"), target("{name: x, command: {argv: [a], graceful: {}}}"), target("{name: x, command: {argv: [a], restart: {signal: HUP, argv: [a]}}}"),
		target("{name: x, external: {}}"), target(`{name: x, external: {url: "http://127.0.0.1:80/"}}`), target(`{name: x, external: {url: "ws://127.0.0.1:80/", pids: [0]}}`), target(`{name: x, external: {url: "ws://127.0.0.1:80/", pids: [1], unit: a}}`),
		target("{name: x, tunnel: {max_tunnels: -1}}"), target("{name: x, tunnel: {idle_timeout: 5}}"),
		target("{name: x, tunnel: {}, nofile: {soft: 1}}"), target("{name: x, tunnel: {}, cpus: all}"),
		target("{name: x, apache: {mpm: fast}}"), target("{name: x, apache: {threads: 64}}"), target("{name: x, apache: {route: direct}}"), target("{name: x, apache: {balancer: {lbmethod: fair}}}"), target("{name: x, apache: {config: a}}"), target("{name: x, apache: {config: a, listen: here}}"), target("{name: x, apache: {timeout: 5}}"),
		step("{}"), step("wait"), step("{id: x}"), step("{wait: {for: 1s}, close: {}}"), step("{wait: {}}"), step("{wait: {for: 3 s}}"), step("{signal: politely}"), step("{signal: {}}"), step("{backend: break}"), step("{backend: {instance: 1}}"), step("{wait: {for: 1s, until: drained}}"), step("{wait: {for: 1s, limit: 1s}}"), step("{wait: {until: dawn}}"),
		step("{http: {}}"), step("{http: {rate: 1/s, for: 1s, connections: 0}}"), step("{http: {rate: 1/s, for: 1s, loop: closed}}"), step("{together: []}"), step("{together: {until: first}}"), step("{together: {branches: [wait: {for: 1s}], until: last}}"), step("{together: [[]]}"),
		step("{connect: {}}"), step("{connect: {connections: 0}}"), step("{connect: {connections: 1.5}}"), step("{connect: {connections: 9, rate: 3000}}"),
		step("{connect: {connections: 9, path: chat}}"), step("{connect: {connections: 9, headers: {A B: 1}}}"), step("{connect: {connections: 9, until: success}}"), step("{connect: {until: failure}}"),
		step("{send: {for: 1s}}"), step("{send: {for: 1s, loop: open}}"), step("{send: {for: 1s, loop: closed, rate: 1/s}}"),
		step("{connect: {connections: 9, reconnect: {}}}"), step("{connect: {connections: 9, reconnect: {after: 1s, jitter: 20}}}"), step("{connect: {connections: 9, reconnect: {after: 1s, factor: 0.5}}}"),
		step("{send: {rate: 1/s}}"), step("{send: {rate: 1/s, every: 1s, for: 1s}}"), step("{send: {rate: 1/s, phase: spread, for: 1s}}"),
		step("{send: {rate: 1/s, for: 1s, size: 128}}"), step("{send: {rate: 1/s, for: 1s, size: 128kB}}"), step("{send: {rate: 1/s, for: 1s, size: {uniform: [1B]}}}"),
		step("{send: {rate: 1/s, for: 1s, size: {choose: {}}}}"), step("{send: {rate: 1/s, for: 1s, size: {choose: {1B: -1}}}}"), step("{send: {rate: 1/s, for: 1s, text: yes}}"),
		step("{hold: {for: 1s, ping: {}}}"), step("{hold: {for: 1s, ping: {every: 1s, from: nobody}}}"),
		step("{close: {pick: oldest}}"), step("{close: {how: rudely}}"),
		step("{repeat: {times: 2}}"), step("{repeat: {times: 2, for: 1s, steps: [{wait: {for: 1s}}]}}"), step("{repeat: {times: 2, steps: [{wait: {}}]}}"),
	} {
		src := []byte("name: test\n" + body)
		if err := r.Validate(asValue(t, src)); err == nil {
			t.Errorf("the schema takes\n%s", src)
		}
		if s, err := Parse("test.yaml", src, Options{}); err == nil {
			t.Errorf("the parser takes\n%s\nas %s", src, asJSON(t, s))
		}
	}
}
