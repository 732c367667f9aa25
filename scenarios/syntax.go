package scenarios

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds on a file, far above what a scenario needs. The YAML parser takes time
// that grows with the square of some shapes, so they are checked before it runs.
const (
	maxFileBytes = 64 << 10
	maxLineBytes = 4 << 10
	maxFlowDepth = 32 // of { and [
)

// mark is a place in the file. The zero mark belongs to what is not there.
type mark struct{ line, column int }

func (m mark) given() bool { return m.line > 0 }

func (m mark) place() mark { return m }

type nodeKind int

const (
	scalarNode nodeKind = iota
	nullNode            // nothing after the colon, ~ or null
	mappingNode
	listNode
)

// node is a value of the file.
type node struct {
	mark
	kind    nodeKind
	text    string // of a scalar, as written, without quotes and escapes
	quoted  bool   // a scalar in quotes or a block: text, whatever it looks like
	typed   bool   // a scalar that YAML takes for a number or a boolean
	entries []entry
	items   []*node
}

type entry struct {
	key   *node
	value *node
}

// describe names the node in a message.
func (n *node) describe() string {
	switch n.kind {
	case nullNode:
		return "nothing"
	case mappingNode:
		return "a mapping"
	case listNode:
		return "a list"
	}
	return brief(n.text)
}

// mistakes collects the errors of one file.
type mistakes struct {
	path  string
	lines []string
	found Errors
}

func (m *mistakes) add(at mark, hint, format string, args ...any) {
	e := &Error{Path: m.path, Line: at.line, Column: at.column, Hint: hint, Message: fmt.Sprintf(format, args...)}
	if at.line >= 1 && at.line <= len(m.lines) {
		e.Source = m.lines[at.line-1]
	}
	m.found = append(m.found, e)
}

// readTree parses the one document of a file. It returns nil when there is nothing
// to work on; why is among the mistakes.
func readTree(src []byte, m *mistakes) *node {
	src = bytes.TrimPrefix(src, []byte("\xef\xbb\xbf"))
	// The lexer counts some line ends of Windows twice, and YAML takes them for \n.
	text := strings.ReplaceAll(string(src), "\r\n", "\n")
	m.lines = strings.Split(text, "\n")
	if !checkText(len(src), m) {
		return nil
	}
	tokens := lexer.Tokenize(text)
	if !checkTokens(tokens, m) {
		return nil
	}
	body, err := parseTokens(tokens)
	if err != nil {
		addSyntaxError(err, m)
		return nil
	}
	if body == nil {
		m.add(mark{1, 1}, "wsgauge scenarios lists the shipped ones", "the file is empty: a scenario has at least a name, targets and steps")
		return nil
	}
	return convert(body)
}

// checkText looks at the bytes alone.
func checkText(size int, m *mistakes) bool {
	if size > maxFileBytes {
		m.add(mark{}, "", "the file has %d bytes or more, a scenario at most %d", size, maxFileBytes)
		return false
	}
	for i, line := range m.lines {
		if len(line) > maxLineBytes {
			m.add(mark{i + 1, 1}, "break it into several lines", "the line has %d bytes, at most %d are read", len(line), maxLineBytes)
			return false
		}
		column := 0
		for at, r := range line {
			column++
			_, width := utf8.DecodeRuneInString(line[at:])
			switch {
			case r == utf8.RuneError && width == 1:
				m.add(mark{i + 1, column}, "save it as UTF-8", "this is not YAML: byte %#02x is no UTF-8 text", line[at])
				return false
			case r != '\t' && (r < ' ' || r == 0x7f):
				m.add(mark{i + 1, column}, "", "this is not YAML: it holds the control character U+%04X", r)
				return false
			}
		}
	}
	return true
}

// refused are the parts of YAML that a scenario has no use for. Without anchors
// nothing expands, so that a file is never more than it looks.
var refused = map[token.Type]struct{ what, hint string }{
	token.AnchorType:     {"anchors (&name)", "use params for a value that is needed twice; quote a text that begins with &"},
	token.AliasType:      {"aliases (*name)", "use params for a value that is needed twice; quote a text that begins with *"},
	token.MergeKeyType:   {"merge keys (<<)", "write the keys out"},
	token.TagType:        {"tags (!name)", "remove it; quote a text that begins with !"},
	token.DirectiveType:  {"directives (%NAME)", "remove the line"},
	token.MappingKeyType: {"complex keys (?)", "write key: value"},
}

// checkTokens refuses what the grammar of scenarios leaves out of YAML, and depth.
func checkTokens(tokens token.Tokens, m *mistakes) bool {
	depth, content := 0, false
	for _, t := range tokens {
		at := position(t)
		if r, is := refused[t.Type]; is {
			m.add(at, r.hint, "a scenario may not use YAML's %s", r.what)
			return false
		}
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			if depth++; depth > maxFlowDepth {
				m.add(at, "", "more than %d brackets are open here", maxFlowDepth)
				return false
			}
		case token.MappingEndType, token.SequenceEndType:
			depth--
		case token.DocumentHeaderType:
			if content {
				m.add(at, "make a file of each", "a second document begins here; a file holds one scenario")
				return false
			}
		case token.CommentType, token.SpaceType, token.DocumentEndType:
		default:
			content = true
		}
	}
	return true
}

func position(t *token.Token) mark {
	if t == nil || t.Position == nil {
		return mark{1, 1}
	}
	return mark{max(t.Position.Line, 1), max(t.Position.Column, 1)}
}

// parseTokens runs the YAML parser. Whatever it does, a file is no reason to panic.
func parseTokens(tokens token.Tokens) (body ast.Node, err error) {
	defer func() {
		if p := recover(); p != nil {
			body, err = nil, fmt.Errorf("this is not YAML: the parser gave up on it (%v)", p)
		}
	}()
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, err
	}
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if body != nil {
			return nil, errors.New("a file holds one scenario; this one has several documents")
		}
		body = doc.Body
	}
	return body, nil
}

func addSyntaxError(err error, m *mistakes) {
	var at yaml.Error
	if !errors.As(err, &at) {
		m.add(mark{1, 1}, "", "%v", err)
		return
	}
	hint := ""
	place := position(at.GetToken())
	if place.line <= len(m.lines) && strings.HasPrefix(m.lines[place.line-1], "\t") {
		hint = "YAML is indented with spaces"
	} else if strings.Contains(at.GetMessage(), "must be specified") || strings.Contains(at.GetMessage(), "not allowed in this context") {
		hint = "quote a text that holds : # { } [ ] or a comma"
	}
	m.add(place, hint, "this is not YAML: %s", at.GetMessage())
}

// convert makes nodes of the parser's. Its kinds of scalar make no difference:
// what a scalar means is decided by its key.
func convert(n ast.Node) *node {
	if n == nil {
		return &node{mark: mark{1, 1}, kind: nullNode}
	}
	out := &node{mark: position(n.GetToken())}
	switch n := n.(type) {
	case *ast.MappingNode:
		out.kind = mappingNode
		for i, v := range n.Values {
			out.entries = append(out.entries, entry{convert(v.Key), convert(v.Value)})
			if i == 0 && !n.IsFlowStyle {
				out.mark = out.entries[0].key.mark
			}
		}
	case *ast.MappingValueNode:
		out.kind = mappingNode
		out.entries = []entry{{convert(n.Key), convert(n.Value)}}
		out.mark = out.entries[0].key.mark
	case *ast.SequenceNode:
		out.kind = listNode
		for _, v := range n.Values {
			out.items = append(out.items, convert(v))
		}
	case *ast.NullNode:
		out.kind = nullNode
	case *ast.LiteralNode:
		out.text, out.quoted = n.Value.Value, true
	case *ast.StringNode:
		out.text, out.quoted = n.Value, n.Token.Type != token.StringType
	default:
		out.text, out.typed = n.GetToken().Value, true
	}
	return out
}
