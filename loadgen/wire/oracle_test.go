package wire

import (
	"bytes"
	"io"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// oracle reads the same bytes with gobwas/ws: its header reader, its checks and its
// UTF-8 reader. It returns what a collector would hold and the close code, 0 when no
// rule is broken. Where gobwas/ws leaves something to its user, or knows less than
// the registry, the oracle says so in a line of its own.
func oracle(p []byte, limit int64) (events []event, code uint16) {
	r := bytes.NewReader(p)
	state := ws.StateClientSide
	var kind ws.OpCode
	var message []byte
	for r.Len() > 0 {
		before := p[len(p)-r.Len():]
		h, err := ws.ReadHeader(r)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			if !soundSoFar(before, state) {
				return events, 1002
			}
			break
		}
		if err != nil || ws.CheckHeader(h, state) != nil || !shortestForm(before[1], h.Length) {
			return events, 1002
		}
		if h.OpCode.IsControl() {
			payload, whole := take(r, h.Length)
			if !whole {
				break
			}
			if h.OpCode == ws.OpClose {
				if code := closeOracle(payload); code != 0 {
					return events, code
				}
				return partial(append(events, event{Close, string(payload)}), state, message), 0
			}
			events = append(events, event{Opcode(h.OpCode), string(payload)})
			continue
		}
		if h.OpCode != ws.OpContinuation {
			kind, message = h.OpCode, nil
		}
		if h.Length > limit-int64(len(message)) { // gobwas/ws has no bound on messages
			return events, 1009
		}
		payload, whole := take(r, h.Length)
		message = append(message, payload...)
		ended := whole && h.Fin
		if kind == ws.OpText && !textOracle(message, ended) {
			return events, 1007
		}
		state = state.Set(ws.StateFragmented)
		if ended {
			state = state.Clear(ws.StateFragmented)
			events = append(events, event{Opcode(kind), string(message)})
			message = nil
		}
		if !whole {
			break
		}
	}
	return partial(events, state, message), 0
}

// partial adds what has come of a message that has not ended.
func partial(events []event, state ws.State, message []byte) []event {
	if state.Fragmented() && len(message) > 0 {
		events = append(events, event{Continuation, string(message)})
	}
	return events
}

// soundSoFar checks a header that is cut: the bytes that decide are its first two, so
// the rest is made up.
func soundSoFar(cut []byte, state ws.State) bool {
	made := append(append([]byte{cut[0]}, 0), bytes.Repeat([]byte{1}, 12)...)
	if len(cut) > 1 {
		made[1] = cut[1]
	}
	if state.ClientSide() && made[1]&0x80 != 0 {
		return false
	}
	h, err := ws.ReadHeader(bytes.NewReader(made))
	return err == nil && ws.CheckHeader(h, state) == nil
}

// shortestForm: gobwas/ws takes a length in any form.
func shortestForm(second byte, length int64) bool {
	switch second & 0x7f {
	case 126:
		return length > 125
	case 127:
		return length > 65535
	}
	return true
}

// take reads n bytes or what there is of them; it never allocates what is only claimed.
func take(r *bytes.Reader, n int64) (p []byte, whole bool) {
	p = make([]byte, min(n, int64(r.Len())))
	r.Read(p)
	return p, int64(len(p)) == n
}

func closeOracle(payload []byte) uint16 {
	if len(payload) == 0 {
		return 0
	}
	code, reason := ws.ParseCloseFrameData(payload)
	switch {
	case len(payload) == 1: // gobwas/ws takes it for an empty one
		return 1002
	case code >= 1012 && code <= 1014: // in IANA's registry, not in the standard
		code = 1000
	case code >= 5000: // gobwas/ws has no upper end
		return 1002
	}
	switch ws.CheckCloseFrameData(code, reason) {
	case nil:
		return 0
	case ws.ErrProtocolInvalidUTF8:
		return 1007
	}
	return 1002
}

// textOracle tells whether text can be the beginning of UTF-8, or all of it.
func textOracle(text []byte, ended bool) bool {
	u := wsutil.NewUTF8Reader(bytes.NewReader(text))
	if _, err := io.Copy(io.Discard, u); err != nil {
		return false
	}
	return !ended || u.Valid()
}
