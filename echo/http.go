package echo

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gobwas/ws"
)

// headLimit bounds a request head, in bytes.
const headLimit = 8 << 10

// refuseHeader asks for a status in place of the 101: so a client can see what a proxy
// makes of a backend that does not upgrade.
const refuseHeader = "X-Refuse"

const (
	greeting  = "wsgauge echo\n" // the answer to a plain GET
	malformed = "malformed request head"
)

// requests answers the heads that are whole. Rest is a head that is not, or, when
// the session was upgraded, what came behind the head.
func (k *codec) requests(s *session, in []byte) (rest []byte, after next) {
	for {
		// RFC 9112 section 2.2: empty lines before a request are ignored.
		in = bytes.TrimLeft(in, "\r\n")
		end := bytes.Index(in, []byte("\r\n\r\n"))
		if end < 0 {
			switch {
			case bytes.IndexFunc(in, neverInHead) >= 0: // as in a TLS ClientHello
				k.refuse(http.StatusBadRequest, malformed, "")
				return nil, fail
			case len(in) >= headLimit:
				k.refuse(http.StatusRequestHeaderFieldsTooLarge, "request head over "+strconv.Itoa(headLimit)+" bytes", "")
				return nil, fail
			}
			return in, goOn
		}
		head := in[:end+4]
		in = in[end+4:]
		r, ok := parseHead(head[:end])
		switch {
		case !ok:
			k.refuse(http.StatusBadRequest, malformed, "")
			return nil, fail
		case r.wantsWebSocket():
			if after := k.upgrade(s, &r, head); after != goOn {
				return nil, after
			}
			return in, goOn
		}
		if after := k.plain(&r); after != goOn {
			return nil, after
		}
	}
}

// upgrade answers an opening handshake (RFC 6455 section 4.2). The library checks
// what is said of the handshake, this what is said of any request, and that the
// key is one.
func (k *codec) upgrade(s *session, r *request, head []byte) next {
	switch {
	case r.hosts > 1 || r.hasBody:
		k.refuse(http.StatusBadRequest, "a handshake has one Host and no body", "")
		return fail
	case r.key != nil && !isKey(r.key):
		k.refuse(http.StatusBadRequest, "Sec-WebSocket-Key is not 16 bytes in base64", "")
		return fail
	case r.refuse != nil:
		return k.refuseAsAsked(r)
	}
	if status, why := r.unexpected(); status != 0 {
		k.refuse(status, why, "")
		return fail
	}
	k.source.Reset(head)
	answer := exchange{Reader: &k.source}
	_, err := k.upgrader.Upgrade(&answer)
	if err == nil {
		k.answers = append(k.answers, answer.out...)
		s.upgraded = true
		return goOn
	}
	status, extra := http.StatusBadRequest, ""
	var rejected *ws.ConnectionRejectedError
	if errors.As(err, &rejected) {
		status = rejected.StatusCode()
	}
	switch status {
	case http.StatusUpgradeRequired: // section 4.2.2: names the versions it knows
		extra = "Sec-WebSocket-Version: 13\r\n"
	case http.StatusMethodNotAllowed:
		extra = "Allow: GET\r\n"
	}
	k.refuse(status, err.Error(), extra)
	return fail
}

// refuseAsAsked answers a handshake with the status that it names, 200 to 599. After a
// 2xx the connection stays, as after any request that was served.
func (k *codec) refuseAsAsked(r *request) next {
	status, err := strconv.Atoi(string(r.refuse))
	switch {
	case err != nil || status < 200 || status > 599:
		k.refuse(http.StatusBadRequest, refuseHeader+" is no status from 200 to 599", "")
		return fail
	case status == http.StatusNoContent || status == http.StatusNotModified: // which have no body
		k.refuse(http.StatusBadRequest, refuseHeader+" is a status without a body", "")
		return fail
	case status < 300 && !r.close:
		k.respond(status, greeting, "", true)
		return goOn
	}
	k.refuse(status, "refused as asked", "")
	return fail
}

// isKey tells whether p is 16 bytes in base64 (RFC 6455 section 4.1).
func isKey(p []byte) bool {
	var key [18]byte
	if len(p) != base64.StdEncoding.EncodedLen(16) {
		return false
	}
	n, err := base64.StdEncoding.Decode(key[:], p)
	return err == nil && n == 16
}

// exchange lets the library read a head that is here already.
type exchange struct {
	*bytes.Reader
	out []byte
}

// Write keeps the answer.
func (e *exchange) Write(p []byte) (int, error) {
	e.out = append(e.out, p...)
	return len(p), nil
}

// plain answers a request that asks for no WebSocket.
func (k *codec) plain(r *request) next {
	switch {
	case r.major != 1:
		k.refuse(http.StatusHTTPVersionNotSupported, "HTTP/1 only", "")
		return fail
	case r.hosts > 1 || r.hosts == 0 && r.minor > 0: // RFC 9112 section 3.2
		k.refuse(http.StatusBadRequest, "a request has one Host", "")
		return fail
	case r.hasBody:
		k.refuse(http.StatusBadRequest, "requests with a body are not served", "")
		return fail
	case r.method != http.MethodGet && r.method != http.MethodHead:
		k.refuse(http.StatusMethodNotAllowed, "GET and HEAD only", "Allow: GET, HEAD\r\n")
		return fail
	}
	// RFC 9112 section 9.3: HTTP/1.1 keeps the connection unless told otherwise,
	// HTTP/1.0 only when asked.
	keep, extra := !r.close, ""
	if r.minor == 0 {
		keep = keep && r.keepAlive
		extra = "Connection: keep-alive\r\n"
	}
	if !keep {
		extra = "Connection: close\r\n"
	}
	k.respond(http.StatusOK, greeting, extra, r.method == http.MethodGet)
	if !keep {
		return fail
	}
	return goOn
}

// refuse answers with an error, after which the connection is closed.
func (k *codec) refuse(status int, why, extra string) {
	k.respond(status, why+"\n", extra+"Connection: close\r\n", true)
}

// respond appends a response. Extra are further header lines, each with its end.
func (k *codec) respond(status int, body, extra string, withBody bool) {
	b := k.answers
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	b = append(b, http.StatusText(status)...)
	b = append(b, "\r\nDate: "...)
	b = time.Now().UTC().AppendFormat(b, http.TimeFormat)
	b = append(b, "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(body)), 10)
	b = append(b, "\r\n"...)
	b = append(b, extra...)
	b = append(b, "\r\n"...)
	if withBody {
		b = append(b, body...)
	}
	k.answers = b
}
