package scenarios

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// Whatever bytes come, Parse answers with a scenario that can be run or with
// errors that point into the file, the same at every call, and never panics.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"*.yaml", "claims/*.yaml", "testdata/*/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatal(files, err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src)
		}
	}
	for _, s := range []string{
		"a: &a [*a]", "{{{", "[[]]", "- - - -", ": : :", "!!a !!b c", "? ?", "|\n", "a: >-\n", "'", "\"\\", "a: 'b\n\n", "#", "\r", "\x00", "\ufeff", "# a\r\n-", "---\n---\n",
		"{a: {a: {a: }}}", "name: $", "name: $$", "params: {a: $a}", "params:\n  a: b\nname: $a$a$a", "steps: [{repeat: {steps: [{repeat: }]}}]", "{1: 2, 1: 3}", "[a]: b",
		"steps: [{together: [{together: [[{together: }]]}]}]", "targets: [{name: a, command: {argv: [\"{\", \"{}\", \"{listen\"], files: {a: , a: b}}}]", "targets: [{name: a, external: {url: \"ws://[::1]:99999/\", pids: [1, 1, a]}}]",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		s, err := Parse("fuzz.yaml", src, Options{})
		again, errAgain := Parse("fuzz.yaml", src, Options{})
		if !reflect.DeepEqual(s, again) || (err == nil) != (errAgain == nil) || err != nil && err.Error() != errAgain.Error() {
			t.Fatalf("once %v, %v; then %v, %v", s, err, again, errAgain)
		}
		if err != nil {
			checkErrors(t, src, s, err)
			return
		}
		checkScenario(t, s)
	})
}

func checkErrors(t *testing.T, src []byte, s *Scenario, err error) {
	var all Errors
	if s != nil || !errors.As(err, &all) || len(all) == 0 {
		t.Fatalf("%v, %v", s, err)
	}
	lines := strings.Count(string(src), "\n") + 1
	for _, e := range all {
		if e.Line > lines || e.Line < 0 || e.Line > 0 && e.Column < 1 || e.Message == "" {
			t.Errorf("%+v in %d lines", *e, lines)
		}
	}
}

func checkScenario(t *testing.T, s *Scenario) {
	if s.Name == "" || len(s.Targets) == 0 || len(s.Steps) == 0 || s.Blocks < 1 || s.Agents.Count < 1 || s.Agents.Workers < 1 || (s.Backend.Instances < 1) != (s.Backend.External != "") || (s.Backend.Runtime == "") != (s.Backend.External != "") {
		t.Errorf("%+v", *s)
	}
	names := map[string]bool{}
	for _, target := range s.Targets {
		kinds := 0
		for _, is := range []bool{target.Direct, target.Tunnel != nil, target.Apache != nil, target.Nginx != nil, target.HAProxy != nil, target.Caddy != nil, target.Command != nil, target.External != nil} {
			if is {
				kinds++
			}
		}
		if kinds != 1 || target.Name == "" || names[target.Name] {
			t.Errorf("target %+v", target)
		}
		names[target.Name] = true
	}
	checkSteps(t, s.Steps, map[string]bool{})
	if s.Duration() < 0 || s.MaxOpen() < 0 || len(s.Expect) != len(s.Expectations) {
		t.Errorf("%v, %d, %q", s.Duration(), s.MaxOpen(), s.Expect)
	}
}

func checkSteps(t *testing.T, steps []Step, ids map[string]bool) {
	for _, s := range steps {
		ok := s.ID != "" && s.Place != "" && !ids[s.ID]
		ids[s.ID] = true
		switch s.Kind() {
		case "connect":
			ok = ok && s.Connect.Connections > 0 && s.Connect.Rate > 0 && s.Connect.Timeout > 0 && s.Connect.Group != "" && s.Connect.Lifetime >= 0
			if r := s.Connect.Reconnect; r != nil {
				ok = ok && r.After > 0 && r.Factor >= 1 && r.Jitter >= 0 && r.Jitter <= 1 && r.Max >= r.After
			}
		case "send":
			size := s.Send.Size
			forms := 0
			for _, is := range []bool{size.Fixed > 0, size.Uniform != nil, len(size.Choose) > 0} {
				if is {
					forms++
				}
			}
			paced := (s.Send.Rate > 0) != (s.Send.Every > 0)
			if s.Send.Loop == "closed" {
				paced = s.Send.Rate == 0 && s.Send.Every == 0 && s.Send.Pattern == "echo"
			}
			ok = ok && paced && s.Send.For > 0 && s.Send.Fragments > 0 && forms == 1
		case "hold":
			ok = ok && s.Hold.For > 0
		case "wait":
			ok = ok && (s.Wait.For > 0) != (s.Wait.Until != "") && (s.Wait.Limit > 0) == (s.Wait.Until != "")
		case "http":
			ok = ok && s.HTTP.Rate > 0 && s.HTTP.For > 0 && s.HTTP.Connections > 0 && s.HTTP.Timeout > 0 && s.HTTP.Path != ""
		case "backend":
			ok = ok && s.Backend.Action != "" && s.Backend.Instance >= 0
		case "together":
			ok = ok && len(s.Together.Branches) > 0
			for _, branch := range s.Together.Branches {
				ok = ok && len(branch) > 0
				checkSteps(t, branch, ids)
			}
		case "repeat":
			ok = ok && s.Repeat != nil && (s.Repeat.Times > 0) != (s.Repeat.For > 0) && len(s.Repeat.Steps) > 0
			if s.Repeat != nil {
				checkSteps(t, s.Repeat.Steps, ids)
			}
		}
		if !ok {
			t.Errorf("step %+v", s)
		}
	}
}
