package wire

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

// maxHeader is the longest header of a masked frame.
const maxHeader = 14

// AppendHeader appends the header of a masked frame to dst; length bytes of payload,
// masked with [Mask], have to follow. It writes what it is told: that a control frame
// is short and final, and that fragments are in order, is the caller's care. It
// panics when length is negative.
func AppendHeader(dst []byte, op Opcode, fin bool, length int, mask [4]byte) []byte {
	first := byte(op)
	if fin {
		first |= 0x80
	}
	// "A client MUST mask all frames that it sends to the server" (section 5.1).
	const masked = 0x80
	switch {
	case length < 0:
		panic(fmt.Sprintf("wire: a frame of %d bytes", length))
	case length < 126:
		dst = append(dst, first, masked|byte(length))
	case length < 1<<16:
		dst = append(dst, first, masked|126, byte(length>>8), byte(length))
	default:
		dst = append(dst, first, masked|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(length))
	}
	return append(dst, mask[0], mask[1], mask[2], mask[3])
}

// AppendFrame appends a masked frame to dst. payload stays as it is; it must not
// overlap the free part of dst.
func AppendFrame(dst []byte, op Opcode, fin bool, mask [4]byte, payload []byte) []byte {
	dst = slices.Grow(dst, maxHeader+len(payload))
	dst = AppendHeader(dst, op, fin, len(payload), mask)
	start := len(dst)
	dst = append(dst, payload...)
	Mask(dst[start:], mask, 0)
	return dst
}

// Mask masks p in place, or unmasks it: "The same algorithm applies regardless of the
// direction of the translation" (RFC 6455 section 5.3). offset is how many bytes of
// the frame's payload come before p; next is the offset after it, modulo 4.
func Mask(p []byte, mask [4]byte, offset int) (next int) {
	next = (offset + len(p)) & 3
	key := bits.RotateLeft32(binary.LittleEndian.Uint32(mask[:]), -8*(offset&3))
	wide := uint64(key)<<32 | uint64(key)
	for len(p) >= 32 { // four at a time: the loop itself costs as much as one
		b := p[:32:len(p)]
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^wide)
		binary.LittleEndian.PutUint64(b[8:], binary.LittleEndian.Uint64(b[8:])^wide)
		binary.LittleEndian.PutUint64(b[16:], binary.LittleEndian.Uint64(b[16:])^wide)
		binary.LittleEndian.PutUint64(b[24:], binary.LittleEndian.Uint64(b[24:])^wide)
		p = p[32:]
	}
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^wide)
		p = p[8:]
	}
	for i := range p {
		p[i] ^= byte(wide)
		wide >>= 8
	}
	return next
}
