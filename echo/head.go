package echo

import (
	"bytes"
	"net/http"
	"strings"
)

// request is what decides how a request head is answered.
type request struct {
	method       string
	target       []byte // as it stands in the request line
	major, minor int
	hosts        int    // Host headers
	key          []byte // Sec-WebSocket-Key; nil when there is none
	webSocket    bool   // Upgrade names websocket
	close        bool   // Connection names close
	keepAlive    bool   // Connection names keep-alive
	hasBody      bool
	origin       []byte
	wants        expectation
	refuse       []byte // X-Refuse; nil when there is none
}

// wantsWebSocket tells whether the request is an opening handshake, or what a
// proxy has left of one: a key without an Upgrade is answered as a bad handshake,
// never as an ordinary request that happens to succeed.
func (r *request) wantsWebSocket() bool { return r.webSocket || r.key != nil }

// parseHead reads a request head without its empty line, by RFC 9112 sections 3
// and 5; false when it is malformed. What it returns points into head.
func parseHead(head []byte) (r request, ok bool) {
	line, lines, _ := bytes.Cut(head, []byte("\r\n"))
	method, line, _ := bytes.Cut(line, []byte(" "))
	target, version, _ := bytes.Cut(line, []byte(" "))
	if !isToken(method) || len(target) == 0 || bytes.ContainsAny(target, "\r\n\t") ||
		bytes.IndexFunc(head, neverInHead) >= 0 {
		return r, false
	}
	r.method, r.target = string(method), target
	if r.major, r.minor, ok = http.ParseHTTPVersion(string(version)); !ok {
		return r, false
	}
	for len(lines) > 0 {
		line, lines, _ = bytes.Cut(lines, []byte("\r\n"))
		name, value, found := bytes.Cut(line, []byte(":"))
		// Also a folded line, and a space before the colon: both must be refused.
		if !found || !isToken(name) || bytes.ContainsAny(line, "\r\n") {
			return r, false
		}
		r.header(string(name), bytes.Trim(value, " \t"))
	}
	return r, true
}

func (r *request) header(name string, value []byte) {
	switch {
	case strings.EqualFold(name, "Host"):
		r.hosts++
	case strings.EqualFold(name, "Upgrade"):
		r.webSocket = r.webSocket || hasToken(value, "websocket")
	case strings.EqualFold(name, "Connection"):
		r.close = r.close || hasToken(value, "close")
		r.keepAlive = r.keepAlive || hasToken(value, "keep-alive")
	case strings.EqualFold(name, "Sec-WebSocket-Key"):
		r.key = value
	case strings.EqualFold(name, refuseHeader):
		r.refuse = value
	case strings.EqualFold(name, "Content-Length"):
		r.hasBody = r.hasBody || string(value) != "0"
	case strings.EqualFold(name, "Transfer-Encoding"):
		r.hasBody = true
	case strings.EqualFold(name, "Origin"):
		r.origin = value
	case strings.EqualFold(name, expectURI):
		r.wants.uri, r.wants.aboutURI = value, true
	case strings.EqualFold(name, expectOrigin):
		r.wants.origin, r.wants.aboutOrigin = value, true
	}
}

// hasToken tells whether a comma-separated list names token, in any case.
func hasToken(list []byte, token string) bool {
	for item := range bytes.SplitSeq(list, []byte(",")) {
		if strings.EqualFold(string(bytes.Trim(item, " \t")), token) {
			return true
		}
	}
	return false
}

// isToken tells whether p is a token of RFC 9110 section 5.6.2.
func isToken(p []byte) bool {
	for _, c := range p {
		alphanumeric := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alphanumeric && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return len(p) > 0
}

// neverInHead is true of the control characters that RFC 9110 section 5.5 keeps
// out of a head.
func neverInHead(r rune) bool {
	return r < ' ' && r != '\r' && r != '\n' && r != '\t' || r == 0x7f
}
