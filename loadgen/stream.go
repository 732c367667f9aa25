package loadgen

import (
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"

	"wsgauge/loadgen/wire"
)

// streamChunk is how much of a large message is made at a time. A message above it
// never exists as a whole.
const streamChunk = 64 << 10

// stream makes the frames of one message piece by piece.
type stream struct {
	m      *message
	head   [textHeader]byte
	headed int    // length of head
	filler []byte // a period of it, beginning with the byte after the head
	size   int
	at     int // payload bytes made
	text   bool

	frames int // in all
	frame  int // begun
	left   int // payload bytes of the frame that has begun
	mask   [4]byte
	offset int // in the mask
}

// newStream prepares the message that [filler.fill] would write, which must be
// longer than its header. The checksum is computed over it once, the bytes are made
// later.
func (f *filler) newStream(m *message, conn uint32, p *SendPlan) *stream {
	s := &stream{m: m, size: int(m.size), text: p.Text, headed: headerLen}
	source := f.binary
	if p.Text {
		s.headed, source = textHeader, f.text
	}
	s.frames = min(max(p.Fragments, 1), s.size)
	id := identity{m.seq, conn, m.wall}
	at := id.begins()
	s.filler = source[at : at+fillerPeriod]
	var raw [identityLen]byte
	id.put(raw[:])
	sum := crc32.Checksum(raw[:], castagnoli)
	for rest := s.size - s.headed; rest > 0; rest -= fillerPeriod {
		sum = crc32.Update(sum, castagnoli, s.filler[:min(rest, fillerPeriod)])
	}
	var header [headerLen]byte
	copy(header[:], raw[:])
	binary.LittleEndian.PutUint32(header[identityLen:], sum)
	if p.Text {
		hex.Encode(s.head[:], header[:])
	} else {
		copy(s.head[:], header[:])
	}
	return s
}

// next appends the next streamChunk bytes or so of the frames to dst.
func (s *stream) next(dst []byte, w *worker) []byte {
	for limit := len(dst) + streamChunk; len(dst) < limit && s.at < s.size; {
		if s.left == 0 {
			op := wire.Continuation
			if s.frame == 0 {
				if op = wire.Binary; s.text {
					op = wire.Text
				}
			}
			s.left = s.size*(s.frame+1)/s.frames - s.size*s.frame/s.frames
			s.frame++
			s.mask, s.offset = w.mask(), 0
			dst = wire.AppendHeader(dst, op, s.frame == s.frames, s.left, s.mask)
		}
		start := len(dst)
		dst = s.payload(dst, min(s.left, streamChunk))
		s.offset = wire.Mask(dst[start:], s.mask, s.offset)
		s.left -= len(dst) - start
	}
	return dst
}

// payload appends up to n of the next bytes of the payload, at least one.
func (s *stream) payload(dst []byte, n int) []byte {
	var from []byte
	if s.at < s.headed {
		from = s.head[s.at:s.headed]
	} else {
		from = s.filler[(s.at-s.headed)%fillerPeriod:]
	}
	from = from[:min(n, len(from))]
	s.at += len(from)
	return append(dst, from...)
}
