package wire

import "strings"

// Response reads the response to one GET request (RFC 7230 section 3) from bytes that
// may be cut anywhere: its head, bounded by [MaxHead], and its body, which is counted
// and dropped. The zero value is ready to use.
type Response struct {
	head    Head
	at      bodyPlace
	left    uint64 // bytes of the body, or of its chunk, to come
	body    uint64
	line    int  // bytes of the chunk's size line, or of the trailer, so far
	digits  int  // of the chunk's size
	empty   bool // the trailer's line has held nothing yet
	cr      bool // the last byte of a line was a CR
	begun   bool
	persist bool
	err     *HandshakeError
}

// bodyPlace is what the next byte of a response is.
type bodyPlace uint8

const (
	inHead       bodyPlace = iota
	inLength               // a body of a length that is known
	inChunkSize            // the size of a chunk
	inExtension            // … what may stand behind it
	inChunk                // its bytes
	inChunkEnd             // the CR LF after them
	inTrailer              // after the last chunk
	inRest                 // a body that ends with the stream
	afterMessage           // nothing more
)

// maxSizeLine bounds the line that tells a chunk's size, in bytes.
const maxSizeLine = 4 << 10

// Begun tells whether any byte of the response has come.
func (r *Response) Begun() bool { return r.begun }

// Status returns the status code, 0 before the head is whole.
func (r *Response) Status() int { return r.head.Status() }

// BodyBytes counts the bytes of the body so far, without those that frame its chunks.
func (r *Response) BodyBytes() uint64 { return r.body }

// Persistent tells of a whole response whether the connection may carry another
// request (RFC 7230 section 6.3).
func (r *Response) Persistent() bool { return r.persist }

// Feed reads p until the response is whole. done tells that it is, and rest is what of
// p comes after it: nobody has asked for that. The error is a [*HandshakeError] of the
// class "protocol_error", and comes again if more is fed.
func (r *Response) Feed(p []byte) (rest []byte, done bool, err error) {
	r.begun = r.begun || len(p) > 0
	if r.at == inHead && r.err == nil {
		var whole bool
		if p, whole, err = r.head.Feed(p); err != nil || !whole {
			return nil, false, err
		}
		r.frame()
	}
	for len(p) > 0 && r.at != afterMessage && r.err == nil {
		switch r.at {
		case inLength, inChunk:
			n := min(uint64(len(p)), r.left)
			r.left, r.body, p = r.left-n, r.body+n, p[n:]
			switch {
			case r.left > 0:
			case r.at == inChunk:
				r.at = inChunkEnd
			default:
				r.at = afterMessage
			}
		case inRest:
			r.body, p = r.body+uint64(len(p)), nil
		default:
			r.next(p[0])
			p = p[1:]
		}
	}
	if r.err != nil {
		return nil, false, r.err
	}
	return p, r.at == afterMessage, nil
}

// End tells whether the response is whole when the stream ends here: one is whose body
// is what comes until then (RFC 7230 section 3.3.3 item 7).
func (r *Response) End() bool {
	if r.at == inRest && r.err == nil {
		r.at = afterMessage
	}
	return r.at == afterMessage
}

func (r *Response) refuse(detail string) {
	r.err = &HandshakeError{Class: classProtocol, Detail: detail}
}

// frame finds out from the head how long the body is (RFC 7230 section 3.3.3).
func (r *Response) frame() {
	h := &r.head
	connection := h.Get("Connection")
	// "If the received protocol is HTTP/1.1 (or later), the connection will persist ... If
	// the received protocol is HTTP/1.0, the "keep-alive" connection option is present"
	// (section 6.3).
	r.persist = !hasToken(connection, "close") && (h.minor >= '1' || hasToken(connection, "keep-alive"))
	coding, codings := h.lookup("Transfer-Encoding")
	length, lengths := h.lookup("Content-Length")
	switch status := h.Status(); {
	case status == switchingProtocols:
		// "A server MUST NOT switch protocols unless the received message semantics can be
		// honored by the new protocol", and none was asked for (RFC 7231 section 6.2.2).
		r.refuse("101 to a request that asked for no upgrade (RFC 7231 section 6.2.2)")
	case status == 204 || status == 304: // no body, whatever the head says
		r.at = afterMessage
	case codings > 0 && h.minor < '1':
		// "A ... client that receives an HTTP/1.0 message containing a Transfer-Encoding
		// header field MUST treat the message as if the framing is faulty" (RFC 9112
		// section 6.1).
		r.refuse("Transfer-Encoding in a response of HTTP/1.0 (RFC 9112 section 6.1)")
	case codings > 0 && lengths > 0:
		// "Such a message might indicate an attempt to perform request smuggling ... and
		// ought to be handled as an error."
		r.refuse("both Transfer-Encoding and Content-Length (RFC 7230 section 3.3.3)")
	case codings > 0:
		// "If a Transfer-Encoding header field is present in a response and the chunked
		// transfer coding is not the final encoding, the message body length is determined
		// by reading the connection until it is closed by the server."
		if last := coding[strings.LastIndexByte(coding, ',')+1:]; equalFold(trim(last), "chunked") {
			r.at = inChunkSize
		} else {
			r.at, r.persist = inRest, false
		}
	case lengths > 0:
		n, ok := contentLength(length)
		if !ok {
			r.refuse("Content-Length is no number, or several (RFC 7230 section 3.3.3)")
			return
		}
		r.at, r.left = inLength, n
		if n == 0 {
			r.at = afterMessage
		}
	default:
		r.at, r.persist = inRest, false
	}
}

// contentLength reads a length, which may stand there several times when it is the same.
func contentLength(list string) (n uint64, ok bool) {
	first := true
	for text := range strings.SplitSeq(list, ",") {
		text = trim(text)
		if text == "" || len(text) > 18 || !all(text, inDigit) {
			return 0, false
		}
		var v uint64
		for _, d := range []byte(text) {
			v = v*10 + uint64(d-'0')
		}
		if !first && v != n {
			return 0, false
		}
		n, first = v, false
	}
	return n, true
}

// next reads one byte of what frames chunks (RFC 7230 section 4.1).
func (r *Response) next(b byte) {
	if r.cr && b != '\n' || b == '\n' && !r.cr {
		r.refuse("a line between chunks does not end with CR LF (RFC 7230 section 4.1)")
		return
	}
	r.cr = b == '\r'
	switch {
	case b == '\n':
		r.endLine()
		return
	case b == '\r':
		return
	case r.at == inChunkEnd:
		r.refuse("a chunk is longer than its size (RFC 7230 section 4.1)")
		return
	}
	r.line++
	switch r.at {
	case inTrailer:
		r.empty = false
		if r.line >= MaxHead {
			r.refuse("the trailer is longer than 64 KiB, the limit here")
		} else if !inValue(b) {
			r.refuse("the trailer holds a control character (RFC 7230 section 3.2)")
		}
		return
	case inChunkSize:
		if digit := hexDigit(b); digit >= 0 {
			if r.digits++; r.digits > 15 {
				r.refuse("a chunk claims more than 2^60 bytes")
			}
			r.left = r.left<<4 | uint64(digit)
			return
		}
		if r.digits == 0 || b != ';' && b != ' ' && b != '\t' {
			r.refuse("a chunk's size is no hexadecimal number (RFC 7230 section 4.1)")
			return
		}
		r.at = inExtension
	case inExtension:
		if !inValue(b) {
			r.refuse("a chunk's extension holds a control character (RFC 7230 section 4.1.1)")
		}
	}
	if r.line > maxSizeLine {
		r.refuse("the line of a chunk's size is longer than 4 KiB, the limit here")
	}
}

// endLine takes the end of a line between chunks.
func (r *Response) endLine() {
	switch r.at {
	case inChunkSize, inExtension:
		switch {
		case r.digits == 0:
			r.refuse("a chunk has no size (RFC 7230 section 4.1)")
			return
		case r.left == 0:
			r.at, r.empty = inTrailer, true
		default:
			r.at = inChunk
		}
		r.line, r.digits = 0, 0
	case inChunkEnd:
		r.at = inChunkSize
	case inTrailer:
		if r.empty {
			r.at = afterMessage
		}
		r.empty = true
	}
}

func hexDigit(b byte) int {
	switch {
	case b >= '0' && b <= '9':
		return int(b - '0')
	case b >= 'a' && b <= 'f':
		return int(b-'a') + 10
	case b >= 'A' && b <= 'F':
		return int(b-'A') + 10
	}
	return -1
}
