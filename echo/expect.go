package echo

import (
	"bytes"
	"net/http"
)

// What a handshake may say of itself. A client that asks for a path and names the same
// one in a header learns from the answer whether a proxy has changed the first; one that
// names the origin to be accepted sees what a backend that checks it would do. A
// handshake without these headers is accepted whatever its path and origin.
const (
	expectURI    = "X-Expect-URI"    // the request-target: another one is answered with 400
	expectOrigin = "X-Expect-Origin" // the Origin: another one, or none, is answered with 403
)

// expectation is what a request says of itself.
type expectation struct {
	uri, origin           []byte
	aboutURI, aboutOrigin bool // an empty header says something, too
}

// unexpected returns the status and text of the answer to a handshake that is not what
// it says; status 0 when it is.
func (r *request) unexpected() (status int, why string) {
	switch {
	case r.wants.aboutURI && !bytes.Equal(r.wants.uri, r.target):
		return http.StatusBadRequest, "the request-target is not that of " + expectURI
	case r.wants.aboutOrigin && !bytes.Equal(r.wants.origin, r.origin):
		return http.StatusForbidden, "the Origin is not that of " + expectOrigin
	}
	return 0, ""
}
