package wire

import "strconv"

// Opcode is what a frame carries (RFC 6455 section 5.2).
type Opcode byte

// The opcodes in use. "%x3-7 are reserved for further non-control frames" and
// "%xB-F are reserved for further control frames".
const (
	Continuation Opcode = 0x0
	Text         Opcode = 0x1
	Binary       Opcode = 0x2
	Close        Opcode = 0x8
	Ping         Opcode = 0x9
	Pong         Opcode = 0xA
)

// String returns the opcode's name in the standard, in lower case.
func (op Opcode) String() string {
	switch op {
	case Continuation:
		return "continuation"
	case Text:
		return "text"
	case Binary:
		return "binary"
	case Close:
		return "close"
	case Ping:
		return "ping"
	case Pong:
		return "pong"
	}
	return "opcode " + strconv.Itoa(int(op))
}

// control: "Control frames are identified by opcodes where the most significant bit
// of the opcode is 1" (section 5.5).
func (op Opcode) control() bool { return op&0x8 != 0 }

func (op Opcode) reserved() bool { return op > Pong || op > Binary && op < Close }
