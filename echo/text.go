package echo

import "unicode/utf8"

// textCheck tells whether a text message is UTF-8 (RFC 6455 section 8.1) while it
// comes in pieces that may be cut within a character. Its zero value is the
// beginning of a message.
type textCheck struct {
	tail [utf8.UTFMax - 1]byte // the beginning of a character that was cut
	n    uint8                 // bytes in tail
}

// piece takes the next bytes, the last ones of the message when last is set, and
// reports false as soon as the message cannot be UTF-8.
func (t *textCheck) piece(p []byte, last bool) bool {
	if t.n > 0 {
		var r [utf8.UTFMax]byte
		had := copy(r[:], t.tail[:t.n])
		have := had + copy(r[had:], p)
		if !utf8.FullRune(r[:have]) {
			t.n = uint8(copy(t.tail[:], r[:have]))
			return !last
		}
		r0, size := utf8.DecodeRune(r[:have])
		if r0 == utf8.RuneError && size <= 1 {
			return false
		}
		p, t.n = p[size-had:], 0
	}
	whole := len(p)
	for back := 1; back < utf8.UTFMax && back <= len(p); back++ {
		if at := len(p) - back; utf8.RuneStart(p[at]) {
			// FullRune is also true of bytes that no character begins with.
			if !utf8.FullRune(p[at:]) {
				whole = at
			}
			break
		}
	}
	if !utf8.Valid(p[:whole]) {
		return false
	}
	t.n = uint8(copy(t.tail[:], p[whole:]))
	return !last || t.n == 0
}
