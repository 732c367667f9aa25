package echo

const (
	smallBuffer = headLimit              // a head, or a frame that is not whole
	largeBuffer = readLimit + closeFrame // all that one read can be answered with
	poolSmall   = 256                    // 2 MiB
	poolLarge   = 64                     // 4 MiB
)

// pool keeps buffers of two sizes for the connections of one loop. It keeps only
// so many: after a storm the rest goes back to the collector.
type pool struct{ small, large [][]byte }

// get returns an empty buffer with room for n bytes, n at most [largeBuffer].
func (p *pool) get(n int) []byte {
	list, size := &p.small, smallBuffer
	if n > smallBuffer {
		list, size = &p.large, max(largeBuffer, n)
	}
	last := len(*list) - 1
	if last < 0 {
		return make([]byte, 0, size)
	}
	b := (*list)[last]
	(*list)[last] = nil
	*list = (*list)[:last]
	return b
}

// put takes a buffer back; nil is nothing.
func (p *pool) put(b []byte) {
	switch {
	case b == nil:
	case cap(b) == smallBuffer:
		if len(p.small) < poolSmall {
			p.small = append(p.small, b[:0])
		}
	case cap(b) == largeBuffer:
		if len(p.large) < poolLarge {
			p.large = append(p.large, b[:0])
		}
	}
}
