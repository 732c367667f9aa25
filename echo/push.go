package echo

import (
	enc "encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"math"
	"math/rand/v2"

	"github.com/gobwas/ws"

	"wsgauge/echo/order"
)

// A pushed message begins with who it is, as those of the generator do:
//
//	0  number in its stream           uint32, little endian
//	4  connection                     uint32
//	8  when it was due, CLOCK_MONOTONIC of this machine, ns   int64
//	16 CRC-32C of all but itself      uint32
//	20 ns from then to the first attempt to send it           uint32
//	24 filler
//
// A text holds the first 24 bytes as 48 hexadecimal digits. A message that is
// shorter holds as much as fits.
const (
	identityLen = 16
	sumEnd      = identityLen + 4
	lagEnd      = sumEnd + 4
)

// Bounds of what is due on a connection and cannot be sent: messages beyond them are
// skipped. They are not made before their turn, so this costs little memory.
const (
	pushWaiting   = 4096
	pushWaitBytes = 16 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// filler is random bytes and letters, so that nothing on the way can compress them.
type filler struct{ binary, text [fillerPeriod]byte }

const fillerPeriod = 64 << 10

func newFiller() *filler {
	r := rand.New(rand.NewPCG(1, 2))
	f := &filler{}
	for i := range fillerPeriod {
		b := byte(r.Uint32())
		f.binary[i], f.text[i] = b, 'a'+b%26
	}
	return f
}

// push is a stream of messages that a client has ordered.
type push struct {
	worker  *worker
	ordered *order.Push
	stream  *order.Stream
	start   int64
	ahead   order.Due // the next of the stream
	more    bool      // there is one
	queue   []attempt // due and not begun
	bytes   int       // of them
	skipped int64     // in the window
	over    bool      // nothing of the stream is left, in the queue neither
	stopped bool      // the client wants no more

	// The message that has begun.
	head   [2 * lagEnd]byte
	headed int
	size   int // 0: none has begun
	at     int // payload bytes made
	frame  int // begun
	left   int // payload bytes of the frame
}

// attempt is a message at its first attempt.
type attempt struct {
	order.Due
	lag int64
}

func (w *worker) newPush(o *order.Push, now int64) (*push, error) {
	s, err := o.Stream()
	if err != nil {
		return nil, err
	}
	if w.pushes == nil {
		w.pushes = newFiller()
	}
	p := &push{worker: w, ordered: o, stream: s, start: now + o.In}
	if c := clock(); c != "" && c == o.Clock {
		p.start = o.Start
	}
	p.advance()
	return p, nil
}

func (p *push) advance() {
	p.ahead, p.more = p.stream.Next()
	p.over = !p.more && len(p.queue) == 0
}

// next is when the timer has to run out; 0 when all of the stream has been due.
func (p *push) next() int64 {
	if !p.more {
		return 0
	}
	return p.start + p.ahead.At
}

// collect takes what is due into the queue.
func (p *push) collect(now int64) {
	for range pushWaiting {
		if !p.more || p.next() > now {
			break
		}
		d := p.ahead
		switch {
		case len(p.queue) > 0 && p.bytes+d.Size > pushWaitBytes, len(p.queue) >= pushWaiting:
			if d.Counts {
				p.skipped++
			}
		default:
			p.queue = append(p.queue, attempt{d, now - p.next()})
			p.bytes += d.Size
		}
		p.advance()
	}
}

// stop drops what has not begun; true when a message has.
func (p *push) stop() bool {
	p.stopped, p.more, p.over, p.queue = true, false, true, nil
	return p.begun()
}

func (p *push) begun() bool { return p.size > 0 }

func (p *push) waiting() bool { return len(p.queue) > 0 }

// piece appends the next piece of the message that has begun, or of the next one.
func (p *push) piece(dst []byte) []byte {
	if !p.begun() {
		p.take()
	}
	frames := min(max(p.ordered.Fragments, 1), p.size)
	for limit := len(dst) + pieceLimit; len(dst) < limit && p.at < p.size; {
		if p.left == 0 {
			h := ws.Header{Fin: p.frame == frames-1, OpCode: ws.OpContinuation}
			if p.frame == 0 {
				if h.OpCode = ws.OpBinary; p.ordered.Text {
					h.OpCode = ws.OpText
				}
			}
			p.left = p.size*(p.frame+1)/frames - p.size*p.frame/frames
			p.frame++
			h.Length = int64(p.left)
			dst = append(dst, ws.MustCompileFrame(ws.Frame{Header: h})...)
		}
		from := p.filler()[max(p.at-p.headed, 0)%fillerPeriod:]
		if p.at < p.headed {
			from = p.head[p.at:p.headed]
		}
		from = from[:min(len(from), p.left, limit-len(dst)+1)]
		dst = append(dst, from...)
		p.at += len(from)
		p.left -= len(from)
	}
	if p.at == p.size {
		p.size = 0
		p.over = !p.more && len(p.queue) == 0
	}
	return dst
}

func (p *push) filler() []byte {
	if p.ordered.Text {
		return p.worker.pushes.text[:]
	}
	return p.worker.pushes.binary[:]
}

// take begins the next message: its head, with the checksum over all of it.
func (p *push) take() {
	m := p.queue[0]
	p.queue = p.queue[1:]
	p.bytes -= m.Size
	p.size, p.at, p.frame, p.left = m.Size, 0, 0, 0
	var raw [lagEnd]byte
	enc.LittleEndian.PutUint32(raw[0:], m.Seq)
	enc.LittleEndian.PutUint32(raw[4:], p.ordered.Conn)
	enc.LittleEndian.PutUint64(raw[8:], uint64(p.start+m.At))
	enc.LittleEndian.PutUint32(raw[sumEnd:], uint32(min(m.lag, math.MaxUint32)))
	digits := 1
	if p.ordered.Text {
		digits = 2
	}
	p.headed = min(digits*lagEnd, m.Size)
	written := raw[sumEnd:]
	if digits == 2 {
		hex.Encode(p.head[2*sumEnd:], raw[sumEnd:])
		written = p.head[2*sumEnd:]
	}
	sum := crc32.Checksum(raw[:identityLen], castagnoli)
	if m.Size > digits*sumEnd {
		sum = crc32.Update(sum, castagnoli, written[:p.headed-digits*sumEnd])
	}
	for rest := m.Size - p.headed; rest > 0; rest -= fillerPeriod {
		sum = crc32.Update(sum, castagnoli, p.filler()[:min(rest, fillerPeriod)])
	}
	enc.LittleEndian.PutUint32(raw[identityLen:], sum)
	if digits == 2 {
		hex.Encode(p.head[:], raw[:])
	} else {
		copy(p.head[:], raw[:])
	}
}
