package scenarios

import (
	"strings"
	"testing"
)

func TestErrorText(t *testing.T) {
	for _, c := range []struct {
		err  Error
		want string
	}{
		{Error{Path: "f", Line: 2, Column: 3, Source: "a\tb", Message: "m", Hint: "h"}, "f:2:3: m\n  a\tb\n   \t^\n  h"},
		{Error{Path: "f", Line: 2, Column: 4, Source: "äö x", Message: "m"}, "f:2:4: m\n  äö x\n     ^"},
		{Error{Path: "f", Line: 1, Column: 1, Message: "m", Hint: "h"}, "f:1:1: m\n  h"},
		{Error{Path: "f", Message: "m"}, "f: m"},
		{Error{Path: "f", Message: "m", Hint: "h"}, "f: m (h)"},
		// What a terminal would obey is not printed.
		{Error{Path: "f", Line: 1, Column: 2, Source: "\x1b[31m\xff", Message: "m"}, "f:1:2: m\n  \uFFFD[31m\uFFFD\n   ^"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got\n%q\nwant\n%q", got, c.want)
		}
	}
	long := Error{Path: "f", Line: 1, Column: 2001, Source: strings.Repeat("a", 2000) + "x" + strings.Repeat("b", 2000), Message: "m"}
	lines := strings.Split(long.Error(), "\n")
	if len(lines[1]) != widestExcerpt+2 || lines[1][len(lines[2])-1] != 'x' {
		t.Errorf("the caret is not below the x:\n%s", long.Error())
	}
}
