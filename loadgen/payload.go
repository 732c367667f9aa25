package loadgen

import (
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"math/rand/v2"

	"wsgauge/echo/order"
)

// A message's payload begins with who it is:
//
//	0  sequence on its connection   uint32, little endian
//	4  connection number            uint32
//	8  intended send time           int64, wall clock, ns since 1970
//	16 CRC-32C of all but itself    uint32
//	20 filler
//
// A text message holds the first 20 bytes as 40 hexadecimal digits. A message
// that is too short holds as much as fits; without a checksum the bytes
// themselves are compared with what was sent.
const (
	identityLen = 16
	headerLen   = identityLen + 4
	textHeader  = 2 * headerLen
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// identity is what a payload says of its message.
type identity struct {
	seq      uint32
	conn     uint32
	intended int64
}

func (id identity) put(b []byte) {
	binary.LittleEndian.PutUint32(b[0:], id.seq)
	binary.LittleEndian.PutUint32(b[4:], id.conn)
	binary.LittleEndian.PutUint64(b[8:], uint64(id.intended))
}

// begins is where in the filler the message's begins.
func (id identity) begins() int { return int(id.seq*131+id.conn*17) % fillerPeriod }

// filler is what messages are filled with: random bytes, so that nothing on the
// way can compress them, and random letters for text. It belongs to one goroutine.
type filler struct {
	binary, text []byte
	header       [headerLen]byte // scratch
	digits       [textHeader]byte
}

const fillerPeriod = 64 << 10

func newFiller(seed uint64) *filler {
	r := rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))
	f := &filler{binary: make([]byte, 2*fillerPeriod), text: make([]byte, 2*fillerPeriod)}
	for i := range fillerPeriod {
		b := byte(r.Uint32())
		f.binary[i], f.binary[i+fillerPeriod] = b, b
		f.text[i], f.text[i+fillerPeriod] = 'a'+b%26, 'a'+b%26
	}
	return f
}

// fill writes a message of len(p) bytes into p.
func (f *filler) fill(p []byte, id identity, text bool) {
	head, source := headerLen, f.binary
	if text {
		head, source = textHeader, f.text
	}
	if len(p) > head {
		at := id.begins()
		for rest := p[head:]; len(rest) > 0; {
			rest = rest[copy(rest, source[at:at+fillerPeriod]):]
		}
	}
	header := &f.header // not a local one: what the checksum is made of would escape
	id.put(header[:])
	if len(p) >= head {
		sum := crc32.Checksum(header[:identityLen], castagnoli)
		sum = crc32.Update(sum, castagnoli, p[head:])
		binary.LittleEndian.PutUint32(header[identityLen:], sum)
	} else {
		clear(header[identityLen:])
	}
	if text {
		hex.Encode(f.digits[:], header[:])
		copy(p, f.digits[:])
		return
	}
	copy(p, header[:])
}

// assembly gathers a message that arrives in pieces: its beginning, its length
// and the running checksum. Nothing of the filler is kept.
type assembly struct {
	text   bool
	length int
	got    int // bytes of header
	header [textHeader]byte
	raw    [headerLen]byte // the header decoded, once it is there
	bad    bool            // the header of a text message is not hexadecimal
	sum    uint32
	after  [8]byte // what follows the header
	beyond int     // bytes of it
	keep   bool    // the message may be an answer to an order: all of it is kept
	kept   []byte
}

func (a *assembly) reset(text bool) { *a = assembly{text: text, kept: a.kept[:0]} }

func (a *assembly) headerSize() int {
	if a.text {
		return textHeader
	}
	return headerLen
}

func (a *assembly) add(piece []byte) {
	a.length += len(piece)
	if a.keep {
		if a.length > order.MaxBytes {
			a.keep = false
		} else {
			a.kept = append(a.kept, piece...)
		}
	}
	if size := a.headerSize(); a.got < size {
		n := copy(a.header[a.got:size], piece)
		a.got += n
		piece = piece[n:]
		if a.got < size {
			return
		}
		if !a.text {
			copy(a.raw[:], a.header[:headerLen])
		} else if _, err := hex.Decode(a.raw[:], a.header[:]); err != nil {
			a.bad = true
		}
		a.sum = crc32.Checksum(a.raw[:identityLen], castagnoli)
	}
	if a.beyond < len(a.after) {
		a.beyond += copy(a.after[a.beyond:], piece)
	}
	a.sum = crc32.Update(a.sum, castagnoli, piece)
}

// says is the identity in the header, believed or not.
func (a *assembly) says() (id identity) {
	id.seq = binary.LittleEndian.Uint32(a.raw[0:])
	id.conn = binary.LittleEndian.Uint32(a.raw[4:])
	id.intended = int64(binary.LittleEndian.Uint64(a.raw[8:]))
	return id
}

// identity returns who the message says it is, and whether that can be believed:
// it is long enough for a checksum, and the checksum is right.
func (a *assembly) identity() (id identity, sound bool) {
	if a.got < a.headerSize() || a.bad {
		return id, false
	}
	return a.says(), a.sum == binary.LittleEndian.Uint32(a.raw[identityLen:])
}

// short tells whether the message is too short to carry a checksum; its bytes
// are then all in the header.
func (a *assembly) short() bool { return a.length < a.headerSize() }

// isShort tells whether a short message is exactly what id of that length looks like.
func (a *assembly) isShort(f *filler, id identity) bool {
	var want [textHeader]byte
	f.fill(want[:a.length], id, a.text)
	return string(want[:a.length]) == string(a.header[:a.length])
}
