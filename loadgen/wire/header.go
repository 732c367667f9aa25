package wire

import "fmt"

// ProtocolError is a rule that the peer has broken.
type ProtocolError struct {
	Rule string // what is wrong, and the section that says so
	Code uint16 // close code to answer with: 1002, 1007 or 1009
}

// Close codes of [ProtocolError] (RFC 6455 section 7.4.1).
const (
	codeProtocol = 1002
	codeNotUTF8  = 1007
	codeTooLong  = 1009
)

func (e *ProtocolError) Error() string {
	return fmt.Sprintf("websocket frames: %s; close code %d", e.Rule, e.Code)
}

func broken(rule string) error { return &ProtocolError{rule, codeProtocol} }

// header reads what it can of a frame header and returns how many bytes it used:
// all of p, unless the place is the payload then.
func (f *Frames) header(p []byte, limit int64) (int, error) {
	for i, b := range p {
		var err error
		switch f.at {
		case atFrame:
			err = f.firstByte(b)
		case atLength:
			err = f.lengthByte(b, limit)
		default:
			err = f.extendedByte(b, limit)
		}
		if err != nil || f.at == atPayload {
			return i + 1, err
		}
	}
	return len(p), nil
}

// firstByte takes FIN, RSV1 to RSV3 and the opcode.
func (f *Frames) firstByte(b byte) error {
	f.fin, f.op, f.at = b&0x80 != 0, Opcode(b&0x0f), atLength
	switch {
	case b&0x70 != 0:
		// "MUST be 0 unless an extension is negotiated that defines meanings for non-zero
		// values. If a nonzero value is received and none of the negotiated extensions
		// defines the meaning of such a nonzero value, the receiving endpoint MUST _Fail
		// the WebSocket Connection_." (section 5.2)
		return broken("a reserved bit is set (RFC 6455 section 5.2)")
	case f.op.reserved():
		// "If an unknown opcode is received, the receiving endpoint MUST _Fail the
		// WebSocket Connection_." (section 5.2)
		return broken("an opcode is reserved (RFC 6455 section 5.2)")
	case f.op.control():
		// "All control frames MUST have a payload length of 125 bytes or less and MUST NOT
		// be fragmented." (section 5.5)
		if !f.fin {
			return broken("a control frame is fragmented (RFC 6455 section 5.5)")
		}
	case f.op == Continuation:
		// "A fragmented message consists of a single frame with the FIN bit clear and an
		// opcode other than 0, followed by zero or more frames with the FIN bit clear and
		// the opcode set to 0, and terminated by a single frame with the FIN bit set and
		// an opcode of 0." (section 5.4)
		if f.kind == Continuation {
			return broken("a continuation frame continues nothing (RFC 6455 section 5.4)")
		}
	default:
		// "The fragments of one message MUST NOT be interleaved between the fragments of
		// another message unless an extension has been negotiated that can interpret the
		// interleaving." (section 5.4)
		if f.kind != Continuation {
			return broken("a message begins inside another (RFC 6455 section 5.4)")
		}
		f.kind, f.message, f.started, f.text = f.op, 0, false, utf8Start
	}
	return nil
}

// lengthByte takes MASK and the payload length, or the form of the extended one.
func (f *Frames) lengthByte(b byte, limit int64) error {
	switch {
	case b&0x80 != 0:
		// "A server MUST NOT mask any frames that it sends to the client. A client MUST
		// close a connection if it detects a masked frame." (section 5.1)
		return broken("a server's frame is masked (RFC 6455 section 5.1)")
	case b > maxControl && f.op.control():
		return broken("a control frame is longer than 125 bytes (RFC 6455 section 5.5)")
	case b == 126:
		f.left, f.more, f.at = 0, 2, atLength16
	case b == 127:
		f.left, f.more, f.at = 0, 8, atLength64
	default:
		f.left = int64(b)
		return f.begin(limit)
	}
	return nil
}

// extendedByte takes a byte of the extended payload length, "expressed in network
// byte order" (section 5.2).
func (f *Frames) extendedByte(b byte, limit int64) error {
	f.left = f.left<<8 | int64(b)
	if f.more--; f.more > 0 {
		return nil
	}
	switch {
	case f.left < 0:
		// "If 127, the following 8 bytes interpreted as a 64-bit unsigned integer (the
		// most significant bit MUST be 0) are the payload length." (section 5.2)
		return broken("the most significant bit of a length is set (RFC 6455 section 5.2)")
	case f.left < 126, f.at == atLength64 && f.left < 1<<16:
		// "Note that in all cases, the minimal number of bytes MUST be used to encode the
		// length, for example, the length of a 124-byte-long string can't be encoded as
		// the sequence 126, 0, 124." (section 5.2)
		return broken("a length is not in its shortest form (RFC 6455 section 5.2)")
	}
	return f.begin(limit)
}

// begin checks the length of a frame whose header is complete against the limit.
func (f *Frames) begin(limit int64) error {
	f.at = atPayload
	if f.op.control() {
		return nil
	}
	// "1009 indicates that an endpoint is terminating the connection because it has
	// received a message that is too big for it to process." (section 7.4.1)
	if f.left > max(limit, 0)-f.message {
		return &ProtocolError{fmt.Sprintf("a message is longer than %d bytes, the limit here", limit), codeTooLong}
	}
	f.message += f.left
	return nil
}
