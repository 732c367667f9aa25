package echo

import (
	"bytes"
	"errors"
	"io"

	"github.com/gobwas/ws"

	"wsgauge/echo/order"
)

const (
	// wholeLimit is the payload up to which a frame is echoed only when it is all
	// there: one write for it, and a Close can still stand in its place.
	wholeLimit = 4 << 10
	closeFrame = 4 // the length of a Close with a code and no reason
)

// next is what follows when the answer is written.
type next uint8

const (
	goOn   next = iota // read on
	finish             // close
	fail               // send FIN, throw away what still comes, close
)

// session is what a connection has to remember of its protocol between two
// reads. It owns no buffer.
type session struct {
	left     int64    // payload still to come of the frame that is being echoed
	message  int64    // length of the message so far, as its headers claim it
	mask     [4]byte  // of that frame
	state    ws.State // whether a fragmented message has begun
	offset   uint8    // where in the mask its payload goes on
	text     bool     // the message is text
	last     bool     // the frame is the message's last
	upgraded bool
	check    textCheck
	sink     *gathering // takes messages in place of their echo; nil: they are echoed
}

// between tells whether a frame of another message can be sent now: not within an
// echo that has begun.
func (s *session) between() bool {
	return s.upgraded && (s.sink != nil || s.left == 0 && !s.state.Fragmented())
}

// codec turns what a client sent into the answer. It holds what can be shared by
// all sessions of a loop, since nothing in it outlives one call.
type codec struct {
	maxMessage int64
	source     bytes.Reader // what ws reads a header or a head from
	to         place        // where ws writes a header
	header     [ws.MaxHeaderSize]byte
	answers    []byte // to requests
	client     client // of the connection that is served; nil: orders are messages like any
	upgrader   ws.Upgrader
}

func (k *codec) init(maxMessage int64) {
	k.maxMessage = maxMessage
	k.upgrader = ws.Upgrader{
		ReadBufferSize: headLimit,
		Protocol:       func([]byte) bool { return true }, // the first offered
	}
}

// consume takes what has come, beginning with the rest that the last call left,
// and gives the answer, what has to come back with the next call because it is
// not whole, and what follows. In must have closeFrame bytes of spare capacity.
// Frames are answered within the memory of in, since an answer is never longer:
// it lacks the mask. Out and rest are good until the next call.
func (k *codec) consume(s *session, in []byte) (out, rest []byte, after next) {
	if s.upgraded {
		return k.frames(s, in)
	}
	k.answers = k.answers[:0]
	rest, after = k.requests(s, in)
	if !s.upgraded || after != goOn || len(rest) == 0 {
		return k.answers, rest, after
	}
	// Frames that came with the request: the client did not wait for the 101.
	out, rest, after = k.frames(s, rest)
	k.answers = append(k.answers, out...)
	return k.answers, rest, after
}

// frames echoes, frame by frame. The answer lies at in[start:end], always behind
// the frame that is looked at.
func (k *codec) frames(s *session, in []byte) (out, rest []byte, after next) {
	start, end, at := 0, 0, 0
	s.state = s.state.Set(ws.StateServerSide)
	for at < len(in) {
		if s.left > 0 {
			piece := in[at:min(int64(len(in)), int64(at)+s.left)]
			if s.sink != nil {
				if code := s.gather(piece); code != 0 {
					return closing(in, start, end, code), nil, fail
				}
				at += len(piece)
				continue
			}
			if !s.pass(piece) {
				return in[start:end], nil, fail // within a frame: no Close can be sent
			}
			end += copy(in[end:], piece)
			at += len(piece)
			continue
		}
		h, size, code := k.readHeader(s, in[at:])
		if code != 0 {
			return closing(in, start, end, code), nil, fail
		}
		if size == 0 || int64(len(in)-at-size) < min(h.Length, wholeLimit) {
			return in[start:end], in[at:], goOn
		}
		if start == end { // the first answer: its payload can stay where it is
			start = at + len(h.Mask)
			end = start
		}
		payload := in[at+size : min(int64(len(in)), int64(at+size)+h.Length)]
		at += size + len(payload)
		if h.OpCode.IsControl() {
			ws.Cipher(payload, h.Mask, 0)
			switch h.OpCode {
			case ws.OpPing:
				end = k.put(in, end, ws.OpPong, true, h.Length, payload)
			case ws.OpPong:
				if k.client != nil {
					k.client.pong(payload)
				}
			case ws.OpClose:
				out, after = k.closed(in, start, end, payload)
				if at < len(in) {
					after = fail // more came behind it, and may go on coming
				}
				return out, nil, after
			}
			continue
		}
		s.begin(h)
		if s.sink != nil && (h.OpCode != ws.OpBinary || h.Length > order.MaxBytes) {
			if code := s.gather(payload); code != 0 {
				return closing(in, start, end, code), nil, fail
			}
			continue
		}
		if !s.pass(payload) {
			return closing(in, start, end, ws.StatusInvalidFramePayloadData), nil, fail
		}
		if k.client != nil && h.OpCode == ws.OpBinary && h.Fin && h.Length == int64(len(payload)) && order.Is(payload) {
			if !k.client.order(payload) {
				return closing(in, start, end, ws.StatusPolicyViolation), nil, fail
			}
			continue
		}
		if s.sink != nil {
			if code := s.sink.take(payload, s.text, h.Fin); code != 0 {
				return closing(in, start, end, code), nil, fail
			}
			continue
		}
		end = k.put(in, end, h.OpCode, h.Fin, h.Length, payload)
	}
	return in[start:end], nil, goOn
}

// readHeader parses and checks the header at the front of p. A size of 0 means
// that it is not whole, a code that a rule is broken.
func (k *codec) readHeader(s *session, p []byte) (h ws.Header, size int, code ws.StatusCode) {
	k.source.Reset(p)
	h, err := ws.ReadHeaderBuffer(&k.source, k.header[:])
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return h, 0, 0
		}
		return h, 0, ws.StatusProtocolError // section 5.2: the length's first bit must be 0
	}
	size = len(p) - k.source.Len()
	// Section 5.2: a length stands in the fewest bytes that hold it.
	if ws.CheckHeader(h, s.state) != nil || size != ws.HeaderSize(h) {
		return h, 0, ws.StatusProtocolError
	}
	if h.OpCode.IsData() {
		before := int64(0)
		if h.OpCode == ws.OpContinuation {
			before = s.message
		}
		if h.Length > k.maxMessage-before {
			return h, 0, ws.StatusMessageTooBig
		}
	}
	return h, size, 0
}

// begin takes the header of a data frame, all of whose payload is still to come.
func (s *session) begin(h ws.Header) {
	if h.OpCode != ws.OpContinuation {
		s.message, s.text, s.check = 0, h.OpCode == ws.OpText, textCheck{}
	}
	s.message += h.Length
	s.left, s.mask, s.offset, s.last = h.Length, h.Mask, 0, h.Fin
	if h.Fin {
		s.state = s.state.Clear(ws.StateFragmented)
	} else {
		s.state = s.state.Set(ws.StateFragmented)
	}
}

// pass unmasks the next piece of the frame's payload in place, and reports false
// when it shows that a text is not UTF-8.
func (s *session) pass(piece []byte) bool {
	ws.Cipher(piece, s.mask, int(s.offset))
	s.left -= int64(len(piece))
	s.offset = uint8((int(s.offset) + len(piece)) % len(s.mask))
	return !s.text || s.check.piece(piece, s.last && s.left == 0)
}

// gather passes the next piece to the sink.
func (s *session) gather(piece []byte) ws.StatusCode {
	if !s.pass(piece) {
		s.sink.end()
		return ws.StatusInvalidFramePayloadData
	}
	return s.sink.take(piece, s.text, s.last && s.left == 0)
}

// put writes a header for length bytes to in[end:], and behind it the payload, as
// much as there is of it.
func (k *codec) put(in []byte, end int, op ws.OpCode, fin bool, length int64, payload []byte) int {
	k.to = in[end:]
	h := ws.Header{Fin: fin, OpCode: op, Length: length}
	// It fails only on a short buffer or a negative length.
	if err := ws.WriteHeaderBuffer(&k.to, h, k.header[:]); err != nil {
		panic("echo: " + err.Error())
	}
	end = len(in) - len(k.to)
	return end + copy(in[end:], payload)
}

// place is memory that is written from front to back.
type place []byte

// Write copies p to the front.
func (w *place) Write(p []byte) (int, error) {
	n := copy(*w, p)
	*w = (*w)[n:]
	return n, nil
}

// closed answers a Close by section 5.5.1: the same code, when it is one that may
// be sent.
func (k *codec) closed(in []byte, start, end int, payload []byte) ([]byte, next) {
	if len(payload) == 0 {
		return in[start:k.put(in, end, ws.OpClose, true, 0, nil)], finish
	}
	code, reason := ws.ParseCloseFrameDataUnsafe(payload)
	switch err := ws.CheckCloseFrameData(code, reason); {
	case err == nil:
		return closing(in, start, end, code), finish
	case errors.Is(err, ws.ErrProtocolInvalidUTF8):
		return closing(in, start, end, ws.StatusInvalidFramePayloadData), fail
	default: // a lone byte too: it parses as the code 0
		return closing(in, start, end, ws.StatusProtocolError), fail
	}
}

// closing appends a Close with code to the answer. It is the only answer that can
// be longer than what it answers, so it may reach into in's spare capacity.
func closing(in []byte, start, end int, code ws.StatusCode) []byte {
	out := in[start : end+closeFrame]
	copy(out[end-start:], []byte{0x80 | byte(ws.OpClose), 2, byte(code >> 8), byte(code)})
	return out
}
