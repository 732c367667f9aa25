package scenarios

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// Schema returns the JSON Schema (draft 2020-12) of scenario files, made from the
// raw types. It describes the grammar for editors; what only several keys together
// show, and bounds of values with units, are for [Parse] to find.
func Schema() ([]byte, error) {
	s, err := schema()
	if err != nil {
		return nil, fmt.Errorf("making the JSON Schema: %w", err)
	}
	return json.MarshalIndent(s, "", "  ")
}

func schema() (*jsonschema.Schema, error) {
	m := &schemaMaker{defs: map[string]*jsonschema.Schema{}}
	root, err := m.section(reflect.TypeFor[rawScenario]())
	if err != nil {
		return nil, err
	}
	root.Schema = "https://json-schema.org/draft/2020-12/schema"
	root.Title = "wsgauge scenario"
	root.Description = "What to compare, how to load it, and what has to hold."
	root.Defs = m.defs
	return root, nil
}

// schemaMaker collects the definitions of sections while it goes.
type schemaMaker struct {
	defs map[string]*jsonschema.Schema
}

// section makes the schema of a raw struct: its keys by the library, from the json
// and jsonschema tags, the values of the keys by ours.
func (m *schemaMaker) section(t reflect.Type) (*jsonschema.Schema, error) {
	keys, _ := keysOf(t)
	replaced := map[reflect.Type]*jsonschema.Schema{}
	for _, f := range keys {
		replaced[t.Field(f.index).Type] = &jsonschema.Schema{Type: "string"}
	}
	s, err := jsonschema.ForType(t, &jsonschema.ForOptions{TypeSchemas: replaced})
	if err != nil {
		return nil, err
	}
	for _, f := range keys {
		v, err := m.value(t.Field(f.index).Type, f)
		if err != nil {
			return nil, err
		}
		v.Description = s.Properties[f.name].Description
		s.Properties[f.name] = v
	}
	together(s, t)
	return s, nil
}

// together adds what keys mean to each other.
func together(s *jsonschema.Schema, t reflect.Type) {
	switch t {
	case reflect.TypeFor[rawTarget]():
		s.OneOf = exactlyOne("direct", "tunnel", "apache", "nginx", "haproxy", "caddy", "command", "external")
	case reflect.TypeFor[rawStep]():
		s.OneOf = exactlyOne("connect", "send", "hold", "close", "wait", "repeat", "http", "signal", "backend", "together")
	case reflect.TypeFor[rawBackend]():
		s.Not = &jsonschema.Schema{Required: []string{"external"}, MinProperties: new(2)}
	case reflect.TypeFor[rawApache](), reflect.TypeFor[rawPeer]():
		s.DependentRequired = map[string][]string{"config": {"listen"}, "listen": {"config"}}
	case reflect.TypeFor[rawAction]():
		s.OneOf = exactlyOne("signal", "argv")
	case reflect.TypeFor[rawExternal]():
		s.Not = &jsonschema.Schema{Required: []string{"pids", "unit"}}
	case reflect.TypeFor[rawWait]():
		s.OneOf = exactlyOne("for", "until")
		s.DependentRequired = map[string][]string{"limit": {"until"}}
	case reflect.TypeFor[rawSend]():
		closed := &jsonschema.Schema{Required: []string{"loop"}, Properties: map[string]*jsonschema.Schema{"loop": {Enum: []any{"closed"}}}}
		s.OneOf = append(exactlyOne("rate", "every"), closed)
		s.DependentRequired = map[string][]string{"phase": {"every"}, "arrivals": {"rate"}}
	case reflect.TypeFor[rawRepeat]():
		s.OneOf = exactlyOne("times", "for")
	case reflect.TypeFor[rawClose]():
		s.DependentRequired = map[string][]string{"pick": {"connections"}}
	}
	if len(s.Required) == 0 && s.OneOf == nil {
		// Nothing after the colon is an empty mapping.
		s.Type, s.Types = "", []string{"object", "null"}
	}
}

func exactlyOne(keys ...string) []*jsonschema.Schema {
	var all []*jsonschema.Schema
	for _, k := range keys {
		all = append(all, &jsonschema.Schema{Required: []string{k}})
	}
	return all
}

// ref is a reference to the definition of a raw struct, which is made when it is
// the first.
func (m *schemaMaker) ref(t reflect.Type) (*jsonschema.Schema, error) {
	name := strings.ToLower(strings.TrimPrefix(t.Name(), "raw"))
	if m.defs[name] == nil {
		m.defs[name] = &jsonschema.Schema{} // so that a repeat within itself ends
		s, err := m.section(t)
		if err != nil {
			return nil, err
		}
		*m.defs[name] = *s
	}
	return &jsonschema.Schema{Ref: "#/$defs/" + name}, nil
}

// value makes the schema of one key's value.
func (m *schemaMaker) value(t reflect.Type, f field) (*jsonschema.Schema, error) {
	if s := leafSchema(t, f); s != nil {
		return s, annotate(s, t, f)
	}
	var s *jsonschema.Schema
	var err error
	either := func(simple *jsonschema.Schema, others ...reflect.Type) {
		s = &jsonschema.Schema{AnyOf: []*jsonschema.Schema{simple}}
		for _, o := range others {
			var r *jsonschema.Schema
			if r, err = m.ref(o); err != nil {
				return
			}
			s.AnyOf = append(s.AnyOf, r)
		}
	}
	// The keys of these unions whose value may stand alone come first.
	first := func(t reflect.Type) *jsonschema.Schema {
		keys, _ := keysOf(t)
		return leafSchema(t.Field(keys[0].index).Type, keys[0])
	}
	switch t {
	case reflect.TypeFor[rawBackend](), reflect.TypeFor[rawAgents](), reflect.TypeFor[rawNofile](), reflect.TypeFor[rawSignal](), reflect.TypeFor[rawBackendStep]():
		either(first(t), t)
	case reflect.TypeFor[rawTogether]():
		var branches *jsonschema.Schema
		if branches, err = m.branches(); err == nil {
			either(branches, t)
		}
	case reflect.TypeFor[branchList]():
		s, err = m.branches()
	case reflect.TypeFor[rawSize]():
		either(leafSchema(reflect.TypeFor[size](), sizeField), reflect.TypeFor[rawUniform](), reflect.TypeFor[rawChoose]())
	case reflect.TypeFor[targetList]():
		either(&jsonschema.Schema{Enum: anys(bare)}, reflect.TypeFor[rawTarget]())
		s = listOf(s, maxTargets)
	case reflect.TypeFor[stepList]():
		if s, err = m.ref(reflect.TypeFor[rawStep]()); err == nil {
			s = listOf(s, maxSteps)
		}
	case reflect.TypeFor[ruleList]():
		if s, err = m.ref(reflect.TypeFor[rawRule]()); err == nil {
			s = listOf(s, maxClaimRules)
		}
	default:
		s, err = m.ref(t)
	}
	if err != nil {
		return nil, err
	}
	return s, annotate(s, t, f)
}

// branches is a list whose entries are steps or lists of them.
func (m *schemaMaker) branches() (*jsonschema.Schema, error) {
	step, err := m.ref(reflect.TypeFor[rawStep]())
	if err != nil {
		return nil, err
	}
	again := *step // a schema stands in one place only
	return listOf(&jsonschema.Schema{AnyOf: []*jsonschema.Schema{step, listOf(&again, maxSteps)}}, maxBranches), nil
}

func listOf(items *jsonschema.Schema, most int) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "array", Items: items, MinItems: new(1), MaxItems: new(most)}
}

// A value may always be a $name, alone or within a text.
const nameOfParam = `\$[A-Za-z_]`

func orParam(s *jsonschema.Schema) *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{s, {Type: "string", Pattern: nameOfParam}}}
}

// Patterns of values with units.
const (
	sizePattern     = `^[0-9]+(\.[0-9]+)?(B|KiB|MiB|GiB)$`
	durationPattern = `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h|d))+$`
	percentPattern  = `^[0-9]+(\.[0-9]+)?%$`
	ratePattern     = `^[0-9]+(\.[0-9]+)?/(s|min|h)$`
	expectPattern   = `^[^<>=!]+(<=|>=|==|!=|<|>)[^<>=!]+$`
)

func patterned(pattern string) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: pattern + "|" + nameOfParam}
}

// leafSchema is the schema of values that hold no section; nil for others.
func leafSchema(t reflect.Type, f field) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[text]():
		if form, has := forms[f.form]; has && f.form != "cpus" {
			return patterned(form.pattern.String())
		} else if has { // cpus: 0 is a number to YAML
			return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "integer", Minimum: new(0.0), Maximum: new(1023.0)}, patterned(form.pattern.String())}}
		}
		return &jsonschema.Schema{Types: []string{"string", "number", "boolean"}, MinLength: new(1)}
	case reflect.TypeFor[word]():
		return orParam(&jsonschema.Schema{Enum: anys(f.words)})
	case reflect.TypeFor[boolean]():
		return orParam(&jsonschema.Schema{Type: "boolean"})
	case reflect.TypeFor[count]():
		return orParam(&jsonschema.Schema{Type: "integer", Minimum: new(numberOr(f.min, 1)), Maximum: new(numberOr(f.max, 1<<53))})
	case reflect.TypeFor[seed]():
		return orParam(&jsonschema.Schema{Type: "integer", Minimum: new(0.0)})
	case reflect.TypeFor[size]():
		return patterned(sizePattern)
	case reflect.TypeFor[rate]():
		return patterned(ratePattern)
	case reflect.TypeFor[duration]():
		return patterned(durationPattern)
	case reflect.TypeFor[percent]():
		return patterned(percentPattern)
	case reflect.TypeFor[decimal]():
		return orParam(&jsonschema.Schema{Type: "number", Minimum: new(numberOr(f.min, 0)), Maximum: new(numberOr(f.max, maxWeight))})
	case reflect.TypeFor[rawParams]():
		return &jsonschema.Schema{Types: []string{"object", "null"}, PropertyNames: &jsonschema.Schema{Pattern: paramName.String()},
			AdditionalProperties: &jsonschema.Schema{Types: []string{"string", "number", "boolean"}, MaxLength: new(maxParamBytes)}}
	case reflect.TypeFor[headers]():
		return &jsonschema.Schema{Types: []string{"object", "null"}, PropertyNames: &jsonschema.Schema{Pattern: headerName.String()}, MaxProperties: new(maxHeaders),
			AdditionalProperties: leafSchema(reflect.TypeFor[text](), field{})}
	case reflect.TypeFor[texts]():
		return listOf(leafSchema(reflect.TypeFor[text](), field{}), maxTexts)
	case reflect.TypeFor[fileTexts]():
		return &jsonschema.Schema{Types: []string{"object", "null"}, PropertyNames: &jsonschema.Schema{Pattern: fileName.String()}, MaxProperties: new(maxFiles),
			AdditionalProperties: leafSchema(reflect.TypeFor[text](), field{})}
	case reflect.TypeFor[pids]():
		return listOf(leafSchema(reflect.TypeFor[count](), field{max: largestPID}), maxPIDs)
	case reflect.TypeFor[expectTexts]():
		return listOf(&jsonschema.Schema{Type: "string", Pattern: expectPattern, Examples: []any{"failures == 0", "event.load.response_time.p99 < 100ms"}}, maxExpects)
	case reflect.TypeFor[eachParam]():
		return &jsonschema.Schema{Type: "object", PropertyNames: &jsonschema.Schema{Pattern: paramName.String()}, MinProperties: new(1), MaxProperties: new(1),
			AdditionalProperties: listOf(leafSchema(reflect.TypeFor[text](), field{}), maxClaimRuns)}
	case reflect.TypeFor[claimTexts]():
		return listOf(&jsonschema.Schema{Type: "string", MinLength: new(1), MaxLength: new(maxClaimExprBytes), Examples: []any{"event.load.response_time.p99 < 2 * direct.load.response_time.p99"}}, maxClaimTerms)
	case reflect.TypeFor[sizeRange]():
		return &jsonschema.Schema{Type: "array", Items: patterned(sizePattern), MinItems: new(2), MaxItems: new(2)}
	case reflect.TypeFor[choices]():
		return &jsonschema.Schema{Type: "object", PropertyNames: patterned(sizePattern), MinProperties: new(1), MaxProperties: new(maxChoices),
			AdditionalProperties: orParam(&jsonschema.Schema{Type: "number", Minimum: new(0.0), Maximum: new(float64(maxWeight))})}
	}
	return nil
}

func numberOr(text string, otherwise float64) float64 {
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		return n
	}
	return otherwise
}

// annotate adds the default and examples, as they would be written.
func annotate(s *jsonschema.Schema, t reflect.Type, f field) error {
	if f.value != "" {
		p, err := json.Marshal(asWritten(t, f.value))
		if err != nil {
			return err
		}
		s.Default = p
	}
	if f.example != "" {
		s.Examples = []any{asWritten(t, f.example)}
	}
	return nil
}

// asWritten is what YAML takes the text of a value for.
func asWritten(t reflect.Type, value string) any {
	switch t {
	case reflect.TypeFor[count](), reflect.TypeFor[seed](), reflect.TypeFor[rawAgents]():
		if n, err := strconv.Atoi(value); err == nil {
			return n
		}
	case reflect.TypeFor[decimal]():
		return numberOr(value, 0)
	case reflect.TypeFor[boolean]():
		return value == "true"
	}
	return value
}

func anys(words []string) []any {
	var all []any
	for _, w := range words {
		all = append(all, w)
		if n, err := strconv.ParseFloat(w, 64); err == nil {
			all = append(all, n) // what YAML takes it for without quotes
		}
	}
	return all
}
