package wire

import (
	"fmt"
	"strings"
)

const switchingProtocols = 101

// Classes of [HandshakeError]; the third is "upgrade_status_" and the code.
const (
	classProtocol  = "protocol_error"
	classBadAccept = "upgrade_bad_accept"
	classStatus    = "upgrade_status_"
)

// HandshakeError is why a handshake has failed.
type HandshakeError struct {
	// Class is what it counts as: "upgrade_status_<code>" for a response that is well
	// formed and not a 101, "upgrade_bad_accept" for a server that has not read the
	// key, "protocol_error" for anything else.
	Class  string
	Detail string
}

func (e *HandshakeError) Error() string { return "websocket upgrade: " + e.Detail }

// Check tells whether a complete head opens the connection that was asked for with k
// and subprotocol (as in [Request]). It returns nil or a [*HandshakeError]. A server
// that was asked for a subprotocol may choose none; then the connection is open
// without one, and h.Get("Sec-WebSocket-Protocol") is empty.
//
// The steps are those of RFC 6455 section 4.1, "Once the client's opening handshake
// has been sent".
func (h *Head) Check(k Key, subprotocol string) error {
	if !h.done {
		return refused(classProtocol, "the response's head is not complete")
	}
	// 1. "If the status code received from the server is not 101, the client handles the
	// response per HTTP [RFC2616] procedures."
	if h.status != switchingProtocols {
		return refused(fmt.Sprint(classStatus, h.status), "the server answered with status %d instead of 101", h.status)
	}
	// "A server MUST NOT send a 1xx response to an HTTP/1.0 client" (RFC 7231 section
	// 6.2), and what answers in HTTP/1.0 knows no Upgrade.
	if h.minor == '0' {
		return refused(classProtocol, "the 101 is of HTTP/1.0, which has no upgrade (RFC 7230 section 6.7)")
	}
	// 2. "If the response lacks an |Upgrade| header field or the |Upgrade| header field
	// contains a value that is not an ASCII case-insensitive match for the value
	// "websocket", the client MUST _Fail the WebSocket Connection_."
	if upgrade := h.Get("Upgrade"); !equalFold(upgrade, "websocket") {
		return refused(classProtocol, "the 101 has Upgrade: %q, not websocket (RFC 6455 section 4.1)", upgrade)
	}
	// 3. "If the response lacks a |Connection| header field or the |Connection| header
	// field doesn't contain a token that is an ASCII case-insensitive match for the value
	// "Upgrade", the client MUST _Fail the WebSocket Connection_."
	if connection := h.Get("Connection"); !hasToken(connection, "Upgrade") {
		return refused(classProtocol, "the 101 has Connection: %q, without Upgrade (RFC 6455 section 4.1)", connection)
	}
	// 4. "If the response lacks a |Sec-WebSocket-Accept| header field or the
	// |Sec-WebSocket-Accept| contains a value other than the base64-encoded SHA-1 of the
	// concatenation ... but ignoring any leading and trailing whitespace, the client MUST
	// _Fail the WebSocket Connection_." Several are a list, and so another value.
	want := k.Accept()
	if accept := h.Get("Sec-WebSocket-Accept"); accept != string(want[:]) {
		return refused(classBadAccept, "the 101 has Sec-WebSocket-Accept: %q, not %q (RFC 6455 section 4.1)", accept, want[:])
	}
	// 5. "If the response includes a |Sec-WebSocket-Extensions| header field and this
	// header field indicates the use of an extension that was not present in the client's
	// handshake ..., the client MUST _Fail the WebSocket Connection_." None ever was.
	if extensions := h.Get("Sec-WebSocket-Extensions"); extensions != "" {
		return refused(classProtocol, "the server uses the extensions %q, and none was asked for (RFC 6455 section 4.1)", extensions)
	}
	// 6. "If the response includes a |Sec-WebSocket-Protocol| header field and this header
	// field indicates the use of a subprotocol that was not present in the client's
	// handshake ..., the client MUST _Fail the WebSocket Connection_." A list is none of
	// those asked for: the field "MUST NOT appear more than once" (section 11.3.4).
	if chosen, count := h.lookup("Sec-WebSocket-Protocol"); count > 0 && !offered(subprotocol, chosen) {
		return refused(classProtocol, "the server chose the subprotocol %q, and %q was asked for (RFC 6455 section 4.1)", chosen, subprotocol)
	}
	return nil
}

func refused(class, detail string, args ...any) error {
	return &HandshakeError{class, fmt.Sprintf(detail, args...)}
}

// offered tells whether the list of subprotocols holds the name, in exactly this
// case: they are compared as they are (section 11.3.4 gives no other comparison).
func offered(list, name string) bool {
	for element := range strings.SplitSeq(list, ",") {
		if trim(element) == name && name != "" {
			return true
		}
	}
	return false
}
