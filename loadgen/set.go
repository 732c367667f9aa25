package loadgen

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Set is a set of connection numbers as ascending ranges that neither touch nor
// overlap, so that 100,000 open connections travel as a few bytes. Its text form
// is "0-99,150,200-299".
type Set []Range

// Range is First … Last, both included.
type Range struct{ First, Last uint32 }

// Add appends n, which must be greater than every member.
func (s *Set) Add(n uint32) {
	if k := len(*s); k > 0 && (*s)[k-1].Last+1 == n {
		(*s)[k-1].Last = n
		return
	}
	*s = append(*s, Range{n, n})
}

// Len counts the members.
func (s Set) Len() int {
	n := 0
	for _, r := range s {
		n += int(r.Last-r.First) + 1
	}
	return n
}

// Has tells whether n is a member.
func (s Set) Has(n uint32) bool {
	i, _ := slices.BinarySearchFunc(s, n, func(r Range, n uint32) int { return cmp.Compare(r.Last, n) })
	return i < len(s) && n >= s[i].First
}

// List returns the members in ascending order.
func (s Set) List() []uint32 {
	out := make([]uint32, 0, s.Len())
	for _, r := range s {
		for n := r.First; ; n++ {
			out = append(out, n)
			if n == r.Last {
				break
			}
		}
	}
	return out
}

// String returns the text form.
func (s Set) String() string {
	var b strings.Builder
	for i, r := range s {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatUint(uint64(r.First), 10))
		if r.Last > r.First {
			b.WriteByte('-')
			b.WriteString(strconv.FormatUint(uint64(r.Last), 10))
		}
	}
	return b.String()
}

// MarshalJSON writes the text form.
func (s Set) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// UnmarshalJSON reads the text form.
func (s *Set) UnmarshalJSON(p []byte) error {
	var text string
	if err := json.Unmarshal(p, &text); err != nil {
		return err
	}
	*s = nil
	if text == "" {
		return nil
	}
	for _, part := range strings.Split(text, ",") {
		lo, hi, ranged := strings.Cut(part, "-")
		if !ranged {
			hi = lo
		}
		first, err1 := strconv.ParseUint(lo, 10, 32)
		last, err2 := strconv.ParseUint(hi, 10, 32)
		if err1 != nil || err2 != nil || last < first || (len(*s) > 0 && uint32(first) <= (*s)[len(*s)-1].Last) {
			return fmt.Errorf("set of connections: %q is not ascending ranges", text)
		}
		*s = append(*s, Range{uint32(first), uint32(last)})
	}
	return nil
}
