package wire

import (
	"errors"
)

// maxControl is the longest payload of a control frame: "All control frames MUST
// have a payload length of 125 bytes or less" (RFC 6455 section 5.5).
const maxControl = 125

// ErrStopped is returned by [Frames.Feed] when the sink has asked it to stop, and
// for everything fed after that or after an error.
var ErrStopped = errors.New("websocket frames: reading was stopped")

// Sink takes what a [Frames] finds. The slices are parts of what was fed, or of a
// buffer that is dropped afterwards: they are not valid after the call. A sink must
// not feed the same Frames.
type Sink interface {
	// Data takes a piece of a message as it arrives. op is the message's, Text or
	// Binary, also in the frames that continue it. first marks the message's first
	// piece and last its last one, which may be the same; only the last may be empty.
	// Text that was taken is valid UTF-8 so far. false stops the Frames.
	Data(op Opcode, piece []byte, first, last bool) bool
	// Control takes a whole Close, Ping or Pong with its payload of up to 125 bytes.
	// It may come between two pieces of a message. false stops the Frames.
	Control(op Opcode, payload []byte) bool
}

// Frames reads the frames of a server, which are not masked, from bytes that may be
// cut anywhere. The zero value is ready to use. It owns no buffer, but for a control
// frame whose payload has arrived in part.
type Frames struct {
	left    int64 // payload bytes of the frame to come; while its length is read, that
	message int64 // bytes in the message's frames so far
	partial *controlPayload

	at      place
	more    uint8  // length bytes to come
	op      Opcode // the frame's
	kind    Opcode // the message's: Text or Binary, or Continuation between messages
	fin     bool
	started bool // the message's first piece was passed on
	text    utf8State
}

type controlPayload struct {
	length uint8
	bytes  [maxControl]byte
}

// place is what the next byte is.
type place uint8

const (
	atFrame    place = iota // FIN, RSV, opcode
	atLength                // MASK, payload length
	atLength16              // extended payload length of 2 bytes
	atLength64              // … of 8 bytes
	atPayload               // payload
	atClosed                // after a Close frame
	atStopped               // after an error, or as the sink wished
)

// InMessage tells whether a frame or a message has begun and not ended: a stream
// that ends here was cut short.
func (f *Frames) InMessage() bool {
	return f.kind != Continuation || f.at > atFrame && f.at <= atPayload
}

// Feed reads p and calls s for what is in it, with pieces of p where it can. limit
// bounds the length of a data message in bytes; it is checked when a frame's length
// is known, before its payload. The error is a [*ProtocolError] at the first byte that
// breaks a rule, after which the connection has to be failed (RFC 6455 section 7.1.7),
// or [ErrStopped]. Bytes after a Close frame are dropped: an endpoint that has got one
// "discards any further data received" (section 1.4).
func (f *Frames) Feed(p []byte, limit int64, s Sink) error {
	for len(p) > 0 {
		switch f.at {
		case atClosed:
			return nil
		case atStopped:
			return ErrStopped
		case atPayload:
		default:
			n, err := f.header(p, limit)
			if err != nil {
				return f.fail(err)
			}
			if p = p[n:]; f.at != atPayload {
				return nil // all of p was used and the header is not complete
			}
		}
		// An empty payload is complete when its header is, so no byte is awaited.
		n := int(min(int64(len(p)), f.left))
		if n == 0 && f.left > 0 {
			return nil
		}
		if err := f.payload(p[:n], s); err != nil {
			return f.fail(err)
		}
		p = p[n:]
	}
	return nil
}

func (f *Frames) fail(err error) error {
	f.at, f.partial = atStopped, nil
	return err
}

// payload takes the next bytes of a frame's payload, none when it is empty.
func (f *Frames) payload(p []byte, s Sink) error {
	f.left -= int64(len(p))
	if f.op.control() {
		return f.control(p, s)
	}
	last := f.fin && f.left == 0
	if f.kind == Text && !f.text.next(p, last) {
		// "When an endpoint is to interpret a byte stream as UTF-8 but finds that the byte
		// stream is not, in fact, a valid UTF-8 stream, that endpoint MUST _Fail the
		// WebSocket Connection_." (section 8.1)
		return &ProtocolError{"a text message is not UTF-8 (RFC 6455 section 8.1)", codeNotUTF8}
	}
	kind, first := f.kind, !f.started
	if f.left == 0 {
		f.at = atFrame
	}
	if last {
		f.kind = Continuation
	}
	if len(p) == 0 && !last {
		return nil // an empty fragment says nothing
	}
	f.started = true
	if !s.Data(kind, p, first, last) {
		return ErrStopped
	}
	return nil
}

// control takes a part of a control frame's payload and passes on a whole one.
func (f *Frames) control(p []byte, s Sink) error {
	if f.left > 0 || f.partial != nil {
		if f.partial == nil {
			f.partial = new(controlPayload)
		}
		f.partial.length += uint8(copy(f.partial.bytes[f.partial.length:], p))
		if f.left > 0 {
			return nil
		}
		p = f.partial.bytes[:f.partial.length]
		f.partial = nil
	}
	f.at = atFrame
	if f.op == Close {
		if err := checkClose(p); err != nil {
			return err
		}
		f.at = atClosed
	}
	if !s.Control(f.op, p) {
		return ErrStopped
	}
	return nil
}
