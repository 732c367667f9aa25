package table

import (
	"strings"
	"unicode/utf8"
)

func section[T any](b *strings.Builder, title string, list []T, text func(T) string) {
	if len(list) == 0 {
		return
	}
	b.WriteString("\n" + title + "\n")
	for _, x := range list {
		paragraph(b, "  ", text(x))
	}
}

// paragraph writes words in lines that fit; all lines but the first are set in by
// two more columns when the first is set in. A word of its own length, such as a
// command, is never broken.
func paragraph(b *strings.Builder, indent, text string) {
	line, next := indent, indent
	if indent != "" {
		next += "  "
	}
	empty := true
	for word := range strings.SplitSeq(strings.TrimSpace(strings.ReplaceAll(text, "\n", " ")), " ") {
		if !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			b.WriteString(line + "\n")
			line, empty = next, true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	b.WriteString(line + "\n")
}
