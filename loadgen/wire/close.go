package wire

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"
)

// noCode stands for a close frame without a code: it is "designated for use in
// applications expecting a status code to indicate that no status code was actually
// present" (RFC 6455 section 7.4.1).
const noCode = 1005

// ParseClose returns the code and the reason in the payload of a close frame, 1005
// when it has none.
func ParseClose(payload []byte) (code uint16, reason string) {
	if len(payload) < 2 {
		return noCode, ""
	}
	return binary.BigEndian.Uint16(payload), string(payload[2:])
}

// AppendClose appends a masked close frame to dst. A code that must not be sent,
// 1005 above all, gives a frame without code and reason. The reason is cut at a whole
// character to the 123 bytes that a control frame has room for, and made valid UTF-8.
func AppendClose(dst []byte, code uint16, reason string, mask [4]byte) []byte {
	if !sendable(code) {
		return AppendHeader(dst, Close, true, 0, mask)
	}
	reason = strings.ToValidUTF8(reason, "\uFFFD")
	if n := maxControl - 2; len(reason) > n {
		for !utf8.RuneStart(reason[n]) {
			n--
		}
		reason = reason[:n]
	}
	dst = AppendHeader(dst, Close, true, 2+len(reason), mask)
	start := len(dst)
	dst = binary.BigEndian.AppendUint16(dst, code)
	dst = append(dst, reason...)
	Mask(dst[start:], mask, 0)
	return dst
}

// sendable tells whether a close frame may hold the code (RFC 6455 section 7.4).
func sendable(code uint16) bool {
	switch {
	case code < 1000:
		return false // "Status codes in the range 0-999 are not used." (section 7.4.2)
	case code < 3000:
		// "Status codes in the range 1000-2999 are reserved for definition by this
		// protocol": 1000 to 1003 and 1007 to 1011 are defined in it, 1012 to 1014 were
		// registered with IANA later. 1004 has no meaning yet, and 1005, 1006 and 1015
		// each are "a reserved value and MUST NOT be set as a status code in a Close
		// control frame by an endpoint" (section 7.4.1).
		return code <= 1003 || code >= 1007 && code <= 1014
	}
	// 3000 to 3999 are for registered use, 4000 to 4999 for private use; there are no
	// more (section 7.4.2).
	return code < 5000
}

// checkClose checks the payload of a close frame from the peer.
func checkClose(payload []byte) error {
	if len(payload) == 0 {
		return nil
	}
	// "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned
	// integer (in network byte order) representing a status code" (section 5.5.1)
	if len(payload) == 1 {
		return broken("a close frame has one byte (RFC 6455 section 5.5.1)")
	}
	if code := binary.BigEndian.Uint16(payload); !sendable(code) {
		return broken(fmt.Sprintf("a close frame has the code %d (RFC 6455 section 7.4)", code))
	}
	// "Following the 2-byte integer, the body MAY contain UTF-8-encoded data with value
	// /reason/" (section 5.5.1); section 8.1 holds for it too.
	if !utf8.Valid(payload[2:]) {
		return &ProtocolError{"the reason of a close frame is not UTF-8 (RFC 6455 section 8.1)", codeNotUTF8}
	}
	return nil
}
