package tunnel

import "errors"

// bodyKind is how a message's body ends (RFC 9112 section 6.3).
type bodyKind uint8

const (
	empty   bodyKind = iota
	sized            // after so many bytes
	chunked          // after the last chunk and its trailers
	toEnd            // with the connection
)

// lineLimit bounds a line of the chunked coding, and all trailers together.
const lineLimit = 4 << 10

var errChunk = errors.New("malformed chunk")

// chunkPart is where in the chunked coding (RFC 9112 section 7.1) we are.
type chunkPart uint8

const (
	chunkSize chunkPart = iota
	chunkExtension
	chunkSizeLF
	chunkData
	chunkDataCR
	chunkDataLF
	trailerStart
	trailerLine
	trailerLF
	lastLF
)

// body follows a message's body to its end without keeping any of it. It can be
// fed any pieces.
type body struct {
	kind   bodyKind
	part   chunkPart
	digits uint8 // of a chunk's size
	line   uint16
	left   int64 // bytes of the body, or of the chunk
}

// done tells whether the body has ended. One of kind toEnd never does by itself.
func (b *body) done() bool { return b.kind == empty || b.kind == sized && b.left == 0 }

// take tells how many of the first bytes of p belong to the body.
func (b *body) take(p []byte) (n int, err error) {
	switch b.kind {
	case toEnd:
		return len(p), nil
	case sized:
		n = int(min(b.left, int64(len(p))))
		b.left -= int64(n)
		return n, nil
	case chunked:
		for n < len(p) && b.kind == chunked {
			if b.part == chunkData {
				step := int(min(b.left, int64(len(p)-n)))
				n += step
				if b.left -= int64(step); b.left == 0 {
					b.part = chunkDataCR
				}
				continue
			}
			if err := b.step(p[n]); err != nil {
				return n, err
			}
			n++
		}
	}
	return n, nil
}

// step takes one byte of the coding's own. Lines end with CR LF and nothing else.
func (b *body) step(c byte) error {
	if b.line++; b.line > lineLimit {
		return errChunk
	}
	switch b.part {
	case chunkSize, chunkExtension:
		return b.sizeLine(c)
	case chunkDataCR:
		return b.expect(c, '\r', chunkDataLF)
	case chunkDataLF:
		b.line, b.left, b.digits = 0, 0, 0
		return b.expect(c, '\n', chunkSize)
	case chunkSizeLF:
		next := chunkData
		if b.line = 0; b.left == 0 {
			next = trailerStart
		}
		return b.expect(c, '\n', next)
	case trailerStart, trailerLine:
		switch {
		case c == '\n':
			return errChunk
		case c != '\r':
			b.part = trailerLine
		case b.part == trailerStart:
			b.part = lastLF
		default:
			b.part = trailerLF
		}
	case trailerLF:
		return b.expect(c, '\n', trailerStart)
	case lastLF:
		if c != '\n' {
			return errChunk
		}
		b.kind = empty
	}
	return nil
}

func (b *body) sizeLine(c byte) error {
	digit := hexDigit(c)
	switch {
	case c == '\r' && b.digits > 0:
		b.part = chunkSizeLF
	case c == '\n' || c == '\r':
		return errChunk
	case b.part == chunkExtension:
	case digit >= 0 && b.digits < 15: // 60 bits
		b.left = b.left<<4 | int64(digit)
		b.digits++
	case b.digits > 0 && (c == ';' || c == ' ' || c == '\t'):
		b.part = chunkExtension
	default:
		return errChunk
	}
	return nil
}

func (b *body) expect(c, want byte, next chunkPart) error {
	if c != want {
		return errChunk
	}
	b.part = next
	return nil
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
