package program

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Lines collects the lines of a configuration file. Its zero value is an empty file.
type Lines struct {
	text  strings.Builder
	count int
}

// Line adds one line.
func (l *Lines) Line(format string, args ...any) {
	fmt.Fprintf(&l.text, format+"\n", args...) // a strings.Builder never fails
	l.count++
}

// Extra adds the scenario's raw directives under a comment, each line after indent,
// and returns the number of the line before them; 0 when there are none.
func (l *Lines) Extra(extra, indent, comment string) int {
	lines := extraLines(extra)
	if len(lines) == 0 {
		return 0
	}
	l.Line("%s%s The scenario's `extra:`.", indent, comment)
	at := l.count
	for _, line := range lines {
		l.Line("%s", strings.TrimRight(indent+line, " \t\r"))
	}
	return at
}

func extraLines(extra string) []string {
	if extra = strings.TrimRight(extra, "\n"); extra == "" {
		return nil
	}
	return strings.Split(extra, "\n")
}

// String is the file so far.
func (l *Lines) String() string { return l.text.String() }

// InExtra says in a [CheckError] which line of `extra:` is meant, if one is. pattern
// finds the file's line in the program's words, extraAt is from [Lines.Extra].
func InExtra(err error, pattern *regexp.Regexp, extra string, extraAt int) error {
	var refused *CheckError
	if !errors.As(err, &refused) || extraAt == 0 {
		return err
	}
	if m := pattern.FindStringSubmatch(refused.Output); m != nil {
		if n, convErr := strconv.Atoi(m[1]); convErr == nil && n > extraAt && n <= extraAt+len(extraLines(extra)) {
			refused.Where = fmt.Sprintf("line %d of `extra:`", n-extraAt)
		}
	}
	return err
}
