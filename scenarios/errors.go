package scenarios

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Error is one mistake in a scenario, or in what the command line adds to it.
type Error struct {
	Path   string // as given; "quickstart" for a shipped scenario
	Line   int    // from 1; 0 when the mistake is not in the file
	Column int    // from 1, in characters
	Source string // the line itself
	// Message says what is wrong, Hint what would be right; Hint may be empty.
	Message string
	Hint    string
}

// Error returns file:line:column: message, the line, a caret below the place, and
// the hint, each on a line of its own.
func (e *Error) Error() string {
	if e.Line == 0 {
		text := e.Path + ": " + e.Message
		if e.Hint != "" {
			text += " (" + e.Hint + ")"
		}
		return text
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: %s", e.Path, e.Line, e.Column, e.Message)
	if e.Source != "" {
		source, column := excerpt(e.Source, e.Column)
		fmt.Fprintf(&b, "\n  %s\n  %s^", source, indent(source, column))
	}
	if e.Hint != "" {
		fmt.Fprintf(&b, "\n  %s", e.Hint)
	}
	return b.String()
}

// widestExcerpt is how many characters of a line are shown.
const widestExcerpt = 120

// excerpt cuts a long line around the column and makes it printable.
func excerpt(line string, column int) (string, int) {
	runes := []rune(strings.ToValidUTF8(line, "\uFFFD"))
	for i, r := range runes {
		if r != '\t' && (r < ' ' || r == 0x7f) {
			runes[i] = '\uFFFD'
		}
	}
	if len(runes) <= widestExcerpt {
		return string(runes), column
	}
	from := max(0, min(column-1-widestExcerpt/2, len(runes)-widestExcerpt))
	return string(runes[from : from+widestExcerpt]), column - from
}

// indent is the white space that puts a caret under the column. Tabs stay tabs, so
// that it is the right place however wide they are shown.
func indent(line string, column int) string {
	var b strings.Builder
	for _, r := range line {
		if column--; column < 1 {
			break
		}
		if r == '\t' {
			b.WriteByte('\t')
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// mostErrors is how many errors of one file are shown.
const mostErrors = 20

// Errors are all mistakes of one scenario, in the order of the file, those of the
// command line last.
type Errors []*Error

// Error returns the errors one after the other, the first twenty of them.
func (e Errors) Error() string {
	var parts []string
	for i, one := range e {
		if i == mostErrors {
			parts = append(parts, fmt.Sprintf("and %d more", len(e)-i))
			break
		}
		parts = append(parts, one.Error())
	}
	return strings.Join(parts, "\n")
}

// Unwrap returns the single errors.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, one := range e {
		all[i] = one
	}
	return all
}

// brief is text fit for a message: quoted, and no longer than a line bears.
func brief(text string) string {
	const most = 60
	if utf8.RuneCountInString(text) > most {
		text = string([]rune(text)[:most]) + "…"
	}
	return fmt.Sprintf("%q", text)
}
