package wire

import "strings"

// MaxHead bounds the head of a response in bytes, interim responses before it
// included.
const MaxHead = 64 << 10

// Head reads the head of the response to a handshake (RFC 7230 section 3) from bytes
// that may be cut anywhere. The zero value is ready to use. It never keeps the slice
// that it is fed, only a copy: of a part of a head until the rest is there, and then
// of the whole head.
type Head struct {
	spill []byte // of a head that is not complete
	read  int    // bytes read so far
	line  int    // bytes in this line so far, without CR and LF
	begun bool   // the status line is over
	cr    bool   // the last byte was a CR
	done  bool
	err   *HandshakeError

	status int
	minor  byte   // '1' in HTTP/1.1
	fields string // the header lines, each with its CR LF, unfolded
}

// Feed reads p until the head is complete. done tells that it is, and rest is what of
// p comes after it: the beginning of a frame when the status is 101, of a body if not.
// Interim responses (1xx other than 101) are passed over. The error is a
// [*HandshakeError] of the class "protocol_error", at the first byte that cannot be
// part of a head; it comes again if more is fed.
func (h *Head) Feed(p []byte) (rest []byte, done bool, err error) {
	if h.done {
		return p, true, nil
	}
	start := 0
	for i := 0; i < len(p) && h.err == nil; i++ {
		if !h.next(p[i]) {
			continue
		}
		h.complete(p[start : i+1])
		if h.done {
			return p[i+1:], true, nil
		}
		start = i + 1
	}
	if h.err != nil {
		h.spill = nil
		return nil, false, h.err
	}
	h.spill = append(h.spill, p[start:]...)
	return nil, false, nil
}

// Status returns the status code of a complete head, 0 before.
func (h *Head) Status() int { return h.status }

// Get returns the value of the header, in any case of its name, empty when there is
// none. Several headers of the name are one list, in their order: "A recipient MAY
// combine multiple header fields with the same field name into one ... by appending
// each subsequent field value to the combined field value in order, separated by a
// comma" (RFC 7230 section 3.2.2).
func (h *Head) Get(name string) string {
	value, _ := h.lookup(name)
	return value
}

func (h *Head) lookup(name string) (value string, count int) {
	for line := range strings.SplitSeq(h.fields, "\r\n") {
		field, text, _ := strings.Cut(line, ":")
		if !equalFold(field, name) {
			continue
		}
		if count++; count > 1 {
			value += ", "
		}
		value += trim(text)
	}
	return value, count
}

func (h *Head) refuse(detail string) {
	h.err = &HandshakeError{Class: classProtocol, Detail: detail}
}

// next reads one byte and tells whether it ends the head. It refuses at once what no
// line can hold, so that a peer that speaks something else is found by its first
// bytes, not by a timeout.
func (h *Head) next(b byte) (end bool) {
	const version = "HTTP/1."
	h.read++
	switch {
	case !h.begun && h.line < len(version) && b != version[h.line]:
		// "HTTP-version is case-sensitive." (RFC 7230 section 2.6)
		h.refuse("the response does not begin with HTTP/1. (RFC 7230 section 3.1.2)")
	case b == '\n' && h.cr:
		end = h.line == 0
		h.line, h.cr, h.begun = 0, false, !end // after an interim response a new head begins
	case b == '\n', h.cr:
		// A lone LF could be taken for the end of a line (section 3.5: MAY); a lone CR
		// could not. Two readers that differ here see two different heads.
		h.refuse("a line of the response does not end with CR LF (RFC 7230 section 3)")
	case b == '\r':
		h.cr = true
	case !inValue(b):
		h.refuse("the response's head holds a control character (RFC 7230 section 3.2)")
	default:
		h.line++
	}
	if h.read >= MaxHead && !end && h.err == nil {
		h.refuse("the response's head is longer than 64 KiB, the limit here")
	}
	return end
}

// complete takes the last part of a head.
func (h *Head) complete(part []byte) {
	text := string(part)
	if len(h.spill) > 0 {
		text = string(append(h.spill, part...))
		h.spill = nil
	}
	line, fields, _ := strings.Cut(text, "\r\n")
	status, ok := statusLine(line)
	if !ok {
		h.refuse("the status line is not HTTP/1.x SP 3DIGIT SP reason (RFC 7230 section 3.1.2)")
		return
	}
	fields = strings.TrimSuffix(fields, "\r\n")
	if detail := checkFields(&fields); detail != "" {
		h.refuse(detail)
		return
	}
	// "A client MUST be able to parse one or more 1xx responses received prior to a
	// final response, even if the client does not expect one." (RFC 7231 section 6.2)
	if status < 200 && status != switchingProtocols {
		return
	}
	h.status, h.minor, h.fields, h.done = status, line[len("HTTP/1.")], fields, true
}

// statusLine reads "HTTP-version SP status-code SP reason-phrase" (RFC 7230 section
// 3.1.2), of which [Head.next] has checked the beginning and the characters. The
// second space is there even when the reason is empty.
func statusLine(line string) (status int, ok bool) {
	const digit, space, code, reason = len("HTTP/1."), len("HTTP/1.1"), len("HTTP/1.1 "), len("HTTP/1.1 101")
	if len(line) <= reason || line[space] != ' ' || line[reason] != ' ' || !all(line[digit:space], inDigit) ||
		!all(line[code:reason], inDigit) || line[code] == '0' {
		return 0, false
	}
	for _, d := range []byte(line[code:reason]) {
		status = status*10 + int(d-'0')
	}
	return status, true
}

// checkFields unfolds header lines and says what is wrong with them, if anything.
func checkFields(fields *string) string {
	if *fields != "" && strings.Trim((*fields)[:1], " \t") == "" {
		// "A recipient that receives whitespace between the start-line and the first
		// header field MUST either reject the message as invalid or consume each
		// whitespace-preceded line without further processing of it" (section 3).
		return "white space stands before the first header (RFC 7230 section 3)"
	}
	// "A user agent that receives an obs-fold in a response message that is not within a
	// message/http container MUST replace each received obs-fold with one or more SP
	// octets prior to interpreting the field value." (section 3.2.4)
	*fields = strings.ReplaceAll(strings.ReplaceAll(*fields, "\r\n ", "   "), "\r\n\t", "   ")
	for line := range strings.SplitSeq(strings.TrimSuffix(*fields, "\r\n"), "\r\n") {
		// "No whitespace is allowed between the header field-name and colon." (section 3.2.4)
		name, _, colon := strings.Cut(line, ":")
		if line != "" && !(colon && isToken(name)) {
			return "a header line is not a name, a colon and a value (RFC 7230 section 3.2)"
		}
	}
	return ""
}
