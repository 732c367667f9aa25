package tunnel

import (
	"bytes"
	"errors"
	"strconv"
)

// headLimit bounds a head in bytes, its empty line included.
const headLimit = 16 << 10

var (
	errMalformed = errors.New("malformed head")
	errTooLarge  = errors.New("head too large")
	errCoding    = errors.New("transfer coding that is not chunked")
	errMethod    = errors.New("method that a tunnel cannot serve")
)

// finder looks for the empty line that ends a head. It can be fed any pieces.
type finder struct {
	n       int  // bytes of the head so far
	line    int  // bytes of the line so far
	afterCR bool // the last byte was CR: LF must follow
}

// find goes on with p, which follows what it was given before. When whole, the
// head is the first f.n bytes of all that it was given. A control character, and
// a CR or LF without the other, ends it at once: two readers could see different
// lines there (RFC 9112 section 2.2).
func (f *finder) find(p []byte) (whole bool, err error) {
	for _, c := range p {
		if f.n == headLimit {
			return false, errTooLarge
		}
		f.n++
		switch {
		case f.afterCR:
			if c != '\n' {
				return false, errMalformed
			}
			if f.line == 0 {
				return true, nil
			}
			f.afterCR, f.line = false, 0
		case c == '\r':
			f.afterCR = true
		case c < ' ' && c != '\t' || c == 0x7f:
			return false, errMalformed
		default:
			f.line++
		}
	}
	return false, nil
}

// request is what of a request head decides how it is served.
type request struct {
	upgrade  bool   // asks for a WebSocket tunnel
	headOnly bool   // HEAD: the response has no body, whatever it says
	target   []byte // as it stands in the head, and valid as long as that
	body     body
}

// response is the same of a response head.
type response struct {
	status    int
	webSocket bool // Upgrade names websocket
	body      body
}

// parseRequest reads a head that [finder] has found (RFC 9112 sections 3, 5, 6).
func parseRequest(head []byte) (r request, err error) {
	line, lines, _ := bytes.Cut(head, []byte("\r\n"))
	method, line, _ := bytes.Cut(line, []byte(" "))
	target, version, ok := bytes.Cut(line, []byte(" "))
	if !ok || !isToken(method) || len(target) == 0 || !isHTTP1(version) {
		return r, errMalformed
	}
	f, err := parseFields(lines)
	if err != nil {
		return r, err
	}
	current := version[len(version)-1] != '0'
	switch {
	case f.hosts > 1 || current && f.hosts == 0: // RFC 9112 section 3.2
		return r, errMalformed
	case f.chunked && (f.hasLength || !current), f.hasLength && f.length < 0: // RFC 9112 sections 6.1, 6.3
		return r, errMalformed
	case f.coded && !f.chunked:
		return r, errCoding
	case string(method) == "CONNECT":
		return r, errMethod
	}
	r.headOnly = string(method) == "HEAD"
	r.target = target
	r.body = f.framing(body{})
	// RFC 6455 section 4.1; in HTTP/1.0 an Upgrade means nothing (RFC 9110 section 7.8).
	r.upgrade = current && string(method) == "GET" && f.webSocket && f.connUpgrade
	if r.upgrade && !r.body.done() {
		return r, errMalformed
	}
	return r, nil
}

// parseResponse reads a head that [finder] has found; asked is its request.
func parseResponse(head []byte, asked request) (r response, err error) {
	line, lines, _ := bytes.Cut(head, []byte("\r\n"))
	version, line, _ := bytes.Cut(line, []byte(" "))
	code, _, _ := bytes.Cut(line, []byte(" "))
	status, err := strconv.ParseUint(string(code), 10, 16)
	if err != nil || len(code) != 3 || status < 100 || !isHTTP1(version) {
		return r, errMalformed
	}
	f, err := parseFields(lines)
	if err != nil {
		return r, err
	}
	r.status, r.webSocket = int(status), f.webSocket
	switch { // RFC 9112 section 6.3
	case status < 200 || status == 204 || status == 304 || asked.headOnly:
	case f.coded && !f.chunked:
		r.body = body{kind: toEnd}
	case !f.coded && f.hasLength && f.length < 0:
		return r, errMalformed
	default:
		r.body = f.framing(body{kind: toEnd})
	}
	return r, nil
}

// fields are what of a head's field lines matters here.
type fields struct {
	hosts       int
	webSocket   bool
	connUpgrade bool
	coded       bool // there is a Transfer-Encoding
	chunked     bool // and it is chunked, alone
	hasLength   bool
	length      int64 // -1: nonsense, or two that differ
}

// framing gives the body that the fields announce; otherwise when they are silent.
func (f *fields) framing(otherwise body) body {
	switch {
	case f.chunked:
		return body{kind: chunked}
	case f.hasLength:
		return body{kind: sized, left: f.length}
	}
	return otherwise
}

func parseFields(lines []byte) (f fields, err error) {
	for {
		var line []byte
		line, lines, _ = bytes.Cut(lines, []byte("\r\n"))
		if len(line) == 0 {
			return f, nil
		}
		// A name must be a token: that refuses folded lines and a space before the
		// colon as well (RFC 9112 section 5).
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok || !isToken(name) {
			return f, errMalformed
		}
		f.add(name, bytes.Trim(value, " \t"))
	}
}

func (f *fields) add(name, value []byte) {
	switch {
	case bytes.EqualFold(name, []byte("Host")):
		f.hosts++
	case bytes.EqualFold(name, []byte("Upgrade")):
		f.webSocket = f.webSocket || hasToken(value, "websocket")
	case bytes.EqualFold(name, []byte("Connection")):
		f.connUpgrade = f.connUpgrade || hasToken(value, "upgrade")
	case bytes.EqualFold(name, []byte("Transfer-Encoding")):
		f.chunked = !f.coded && bytes.EqualFold(value, []byte("chunked"))
		f.coded = true
	case bytes.EqualFold(name, []byte("Content-Length")):
		length := parseLength(value)
		if f.hasLength && length != f.length {
			length = -1
		}
		f.hasLength, f.length = true, length
	}
}

// parseLength reads digits alone; -1 for anything else.
func parseLength(p []byte) int64 {
	if len(p) == 0 || p[0] < '0' || p[0] > '9' {
		return -1 // also the sign that ParseInt would take
	}
	n, err := strconv.ParseInt(string(p), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

func isHTTP1(version []byte) bool {
	return len(version) == len("HTTP/1.1") && string(version[:7]) == "HTTP/1." &&
		version[7] >= '0' && version[7] <= '9'
}

// hasToken tells whether a comma-separated list names token, in any case.
func hasToken(list []byte, token string) bool {
	for item := range bytes.SplitSeq(list, []byte(",")) {
		if bytes.EqualFold(bytes.Trim(item, " \t"), []byte(token)) {
			return true
		}
	}
	return false
}

// isToken tells whether p is a token of RFC 9110 section 5.6.2.
func isToken(p []byte) bool {
	for _, c := range p {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9') &&
			bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), c) < 0 {
			return false
		}
	}
	return len(p) > 0
}
