package order

import "wsgauge/loadgen/schedule"

// Stream walks the messages of a push. It is arithmetic: the client walks the same.
type Stream struct {
	push     *Push
	sizes    schedule.Sizes
	sequence schedule.Sequence // nil with Every
	k        uint64
}

// Due is one message of a stream.
type Due struct {
	Seq    uint32
	At     int64 // ns after the start
	Size   int
	Counts bool // lies in the window, not in the warm-up
}

// Stream returns the stream of a push that was checked.
func (p *Push) Stream() (*Stream, error) {
	sizes, err := p.sizes()
	if err != nil {
		return nil, err
	}
	s := &Stream{push: p, sizes: sizes}
	switch {
	case p.Poisson:
		s.sequence = schedule.Poisson(p.Rate, p.Seed)
	case p.Every == 0:
		s.sequence = schedule.Constant(p.Rate)
	}
	return s, nil
}

// Next returns the next message; false when there is none before the end.
func (s *Stream) Next() (Due, bool) {
	p := s.push
	at := int64(0)
	if s.sequence != nil {
		at = s.sequence.Next()
	} else if s.k > uint64(maxLength)/uint64(p.Every) {
		at = schedule.Never
	} else {
		at = int64(s.k) * p.Every
	}
	if !p.Poisson {
		at += p.Offset
	}
	if at >= p.Warmup+p.For {
		return Due{}, false
	}
	d := Due{Seq: uint32(s.k), At: at, Size: s.sizes.Of(p.Seed, s.k), Counts: at >= p.Warmup}
	s.k++
	return d, true
}

// PingBytes is the length of a ping's payload:
//
//	0  "wsgp"
//	4  number of the ping                            uint32, little endian
//	8  when it was sent, on the backend's clock      int64
//	16 round trip of the ping before, 0: not known   int64, ns
const PingBytes = 24

// PingTag begins the payload of a ping that was ordered.
const PingTag = "wsgp"
