package wire

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Request is the opening handshake's request.
type Request struct {
	Host        string // as the Host header names it, with the port unless it is the scheme's
	Path        string // origin-form with the query; empty: "/"
	Subprotocol string // empty: none; several in order of preference, with commas
	// Headers are sent besides. A Host among them takes the place of the field.
	Headers map[string]string
}

// Check tells whether AppendRequest can write r as a well-formed request that is still
// a handshake of this package's: it names the part that is not, and what it may be.
func (r *Request) Check() error {
	if r.Host == "" || !all(r.Host, inTarget) {
		return fmt.Errorf("upgrade request: the host %q; give a name or an address, and a port", r.Host)
	}
	// RFC 7230 section 5.3.1: origin-form = absolute-path [ "?" query ].
	if r.Path != "" && (r.Path[0] != '/' || !all(r.Path, inTarget) || strings.Contains(r.Path, "#")) {
		return fmt.Errorf("upgrade request: the path %q; begin it with / and encode what is not printable ASCII as %%XX", r.Path)
	}
	if r.Subprotocol != "" {
		var seen []string
		for name := range strings.SplitSeq(r.Subprotocol, ",") {
			// RFC 6455 section 4.1: the elements are tokens and "MUST all be unique strings".
			if name = trim(name); !isToken(name) || slices.Contains(seen, name) {
				return fmt.Errorf("upgrade request: the subprotocol %q; give a token, or several different ones with commas", r.Subprotocol)
			}
			seen = append(seen, name)
		}
	}
	for name, value := range r.Headers {
		switch {
		case !isToken(name):
			return fmt.Errorf("upgrade request: %q is no header name", name)
		case owned(name):
			return fmt.Errorf("upgrade request: the header %s belongs to the handshake itself; leave it out", name)
		case !all(value, inValue):
			return fmt.Errorf("upgrade request: the value %q of header %s holds a control character", value, name)
		}
	}
	return nil
}

// owned tells whether the handshake itself writes the header, or would break by it: a
// body, or an extension that [Frames] cannot read.
func owned(name string) bool {
	switch strings.ToLower(name) {
	case "upgrade", "connection", "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol",
		"sec-websocket-extensions", "sec-websocket-accept", "content-length", "transfer-encoding":
		return true
	}
	return false
}

// AppendRequest appends the request to dst: the request line, Host, the headers of the
// handshake, and r.Headers in the order of their names, all as RFC 6455 section 4.1
// lists them. r has to be as [Request.Check] wants it; of r.Headers those that belong
// to the handshake are left out.
func AppendRequest(dst []byte, r *Request, k Key) []byte {
	dst, names := appendStart(dst, r)
	dst = append(dst, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "...)
	dst = append(dst, k[:]...)
	dst = append(dst, "\r\n"...)
	if r.Subprotocol != "" {
		dst = appendField(dst, "Sec-WebSocket-Protocol", r.Subprotocol)
	}
	return appendRest(dst, r, names)
}

// AppendGet appends an ordinary request for the path: the request line, Host, and
// r.Headers in the order of their names. once says that the connection is for this
// request alone (RFC 7230 section 6.1). r has to be as [Request.Check] wants it; its
// Subprotocol is passed over, and so are headers that belong to a handshake.
func AppendGet(dst []byte, r *Request, once bool) []byte {
	dst, names := appendStart(dst, r)
	if once {
		dst = append(dst, "Connection: close\r\n"...)
	}
	return appendRest(dst, r, names)
}

// appendStart appends the request line and Host, and returns the names of the other
// headers in their order.
func appendStart(dst []byte, r *Request) ([]byte, []string) {
	host, path := r.Host, r.Path
	var names []string
	if len(r.Headers) > 0 { // mostly there are none, and then nothing is allocated
		names = slices.Sorted(maps.Keys(r.Headers))
	}
	for _, name := range names {
		if strings.EqualFold(name, "Host") {
			host = r.Headers[name]
		}
	}
	if path == "" {
		path = "/"
	}
	dst = append(dst, "GET "...)
	dst = append(dst, path...)
	dst = append(dst, " HTTP/1.1\r\n"...)
	return appendField(dst, "Host", host), names
}

// appendRest appends the headers besides, and the empty line.
func appendRest(dst []byte, r *Request, names []string) []byte {
	for _, name := range names {
		if !strings.EqualFold(name, "Host") && !owned(name) {
			dst = appendField(dst, name, r.Headers[name])
		}
	}
	return append(dst, "\r\n"...)
}

func appendField(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}
