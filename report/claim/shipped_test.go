package claim

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wsgauge/report/internal/synthetic"
	"wsgauge/report/quantity"
	"wsgauge/results"
	"wsgauge/scenarios"
)

// Each shipped claim has a file testdata/ID.cases of made records:
//
//	always
//	  event.load.failures = 0
//	rule 1 holds: a sentence
//	  event.load.response_time.p50 = 3ms
//	otherwise inconclusive: a sentence
//	  ...
//	unknown inconclusive: a sentence
//	  event.invalid = the clock stepped
//
// What stands under "always" is set in every case, and a case may set it anew. Every
// rule of a claim needs a case, and so do otherwise (no rule holds) and unknown (a rule
// might hold, if more were known).
func TestShippedClaims(t *testing.T) {
	for _, info := range scenarios.Claims() {
		t.Run(info.Name, func(t *testing.T) {
			s, err := scenarios.Load("claims/"+info.Name, scenarios.Options{})
			if err != nil {
				t.Fatal(err)
			}
			c := &results.Claim{ID: s.Claim.ID, Says: s.Claim.Says, Param: s.Claim.Param, Otherwise: s.Claim.Otherwise}
			for _, r := range s.Claim.Rules {
				c.Rules = append(c.Rules, results.ClaimRule(r))
			}
			covered := map[string]bool{}
			for _, k := range readCases(t, filepath.Join("testdata", info.Name+".cases")) {
				covered[k.gives] = true
				k.check(t, s, c)
			}
			want := []string{"otherwise", "unknown"}
			for i := range c.Rules {
				want = append(want, fmt.Sprintf("rule %d", i+1))
			}
			for _, w := range want {
				if !covered[w] {
					t.Errorf("no case for: %s", w)
				}
			}
		})
	}
}

// madeCase is made records and what they have to come to.
type madeCase struct {
	at      string // file:line
	gives   string // "rule 1", "otherwise", "unknown"
	verdict string
	figures [][2]string
}

func (k madeCase) check(t *testing.T, s *scenarios.Scenario, c *results.Claim) {
	t.Helper()
	var names, kinds []string
	for _, target := range s.Targets {
		names, kinds = append(names, target.Name), append(kinds, target.Kind())
	}
	m := synthetic.NewMade(names, kinds)
	for _, f := range k.figures {
		if err := m.Set(f[0], f[1]); err != nil {
			t.Fatalf("%s: %v", k.at, err)
		}
	}
	d, err := m.Data()
	if err != nil {
		t.Fatalf("%s: %v", k.at, err)
	}
	f, err := Evaluate(c, d)
	if err != nil {
		t.Errorf("%s: %v", k.at, err)
		return
	}
	gave := "otherwise"
	switch {
	case f.Rule > 0:
		gave = fmt.Sprintf("rule %d", f.Rule)
	case slices.ContainsFunc(f.Terms, func(t Term) bool { return t.State == Unknown }):
		gave = "unknown"
	}
	if gave != k.gives || f.Verdict != k.verdict {
		t.Errorf("%s: gives %s %s, want %s %s: %s\n%v", k.at, gave, f.Verdict, k.gives, k.verdict, f.Why, f.Terms)
	}
	// A verdict that rests on a rule shows all of its figures.
	if f.Rule > 0 && strings.Contains(f.Why, quantity.NotMeasured) {
		t.Errorf("%s: a figure of the text is not set: %s", k.at, f.Why)
	}
}

func readCases(t *testing.T, path string) []madeCase {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatalf("%v: every claim is tested on made records, see TestShippedClaims", err)
	}
	defer f.Close()
	var cases []madeCase
	var always [][2]string
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		at := fmt.Sprintf("%s:%d", filepath.Base(path), n)
		switch name, value, isFigure := strings.Cut(strings.TrimSpace(line), " = "); {
		case strings.TrimSpace(line) == "" || line[0] == '#':
		case line[0] == ' ' && !isFigure:
			t.Fatalf("%s: %q is no figure = value", at, line)
		case line[0] == ' ' && len(cases) == 0:
			always = append(always, [2]string{name, value})
		case line[0] == ' ':
			last := &cases[len(cases)-1]
			last.figures = append(last.figures, [2]string{name, value})
		case line != "always":
			head, _, _ := strings.Cut(line, ":")
			at2 := strings.LastIndex(head, " ")
			if at2 < 0 {
				t.Fatalf("%s: %q is no case", at, line)
			}
			cases = append(cases, madeCase{at: at, gives: head[:at2], verdict: head[at2+1:], figures: slices.Clone(always)})
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return cases
}
