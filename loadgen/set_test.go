package loadgen

import (
	"encoding/json"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestSetKeepsWhatWasAdded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOfDistinct(rapid.Uint32Range(0, 300), rapid.ID).Draw(t, "numbers")
		slices.Sort(numbers)
		var s Set
		for _, n := range numbers {
			s.Add(n)
		}
		if got := s.List(); !slices.Equal(got, numbers) {
			t.Fatalf("added %v, lists %v", numbers, got)
		}
		if s.Len() != len(numbers) {
			t.Fatalf("Len %d of %v", s.Len(), numbers)
		}
		for i := 1; i < len(s); i++ {
			if s[i].First <= s[i-1].Last+1 {
				t.Fatalf("%v touch", s)
			}
		}
		p, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back Set
		if err := json.Unmarshal(p, &back); err != nil || !slices.Equal(back, s) {
			t.Fatalf("%s came back as %v (%v)", p, back, err)
		}
		for n := range uint32(301) {
			if _, want := slices.BinarySearch(numbers, n); s.Has(n) != want {
				t.Fatalf("Has(%d) is %v in %v", n, !want, s)
			}
		}
	})
}

func TestSetUnionIsOrderless(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole := rapid.SliceOfDistinct(rapid.Uint32Range(0, 200), rapid.ID).Draw(t, "whole")
		slices.Sort(whole)
		var all, odd, even Set
		for _, n := range whole {
			all.Add(n)
			if n%2 == 1 {
				odd.Add(n)
			} else {
				even.Add(n)
			}
		}
		if got := Union(odd, even); !slices.Equal(got, all) {
			t.Fatalf("union %v, want %v", got, all)
		}
		if got := Union(all, odd); !slices.Equal(got, all) {
			t.Fatalf("union with a part %v, want %v", got, all)
		}
	})
}

func TestSetRefusesWhatIsNotRanges(t *testing.T) {
	for _, text := range []string{`"5-3"`, `"1,1"`, `"3,2"`, `"a"`, `"-1"`, `"1-2,2-3"`, `"99999999999"`, `7`} {
		var s Set
		if err := json.Unmarshal([]byte(text), &s); err == nil {
			t.Errorf("%s was taken as %v", text, s)
		}
	}
}
