package tunnel

// The sizes of buffers: a head, what a read may bring besides, a read. The last
// is the most that one direction of a tunnel ever holds.
var bufferSizes = [...]int{1 << 10, 4 << 10, 16 << 10, 64 << 10}

// keptBytes bounds what the pool keeps of each size; after a storm the rest goes
// back to the collector.
const keptBytes = 1 << 20

// buffer is bytes that wait: bytes[sent:] is still to be written.
type buffer struct {
	bytes []byte
	sent  int
}

func (b *buffer) rest() []byte { return b.bytes[b.sent:] }

// pool lends buffers to the tunnels of one loop.
type pool struct {
	free [len(bufferSizes)][]*buffer
	lent int // bytes of capacity that are out
}

// keep appends p to b and returns the buffer to use from now on; b may be nil,
// and so is the result when there is nothing to keep.
func (q *pool) keep(b *buffer, p []byte) *buffer {
	if len(p) == 0 {
		return b
	}
	if b == nil {
		b = q.get(len(p))
	} else if need := len(b.bytes) + len(p); need > cap(b.bytes) {
		larger := q.get(need - b.sent)
		larger.bytes = append(larger.bytes, b.rest()...)
		q.put(b)
		b = larger
	}
	b.bytes = append(b.bytes, p...)
	return b
}

func (q *pool) get(n int) *buffer {
	size := 0
	for size < len(bufferSizes)-1 && bufferSizes[size] < n {
		size++
	}
	free := &q.free[size]
	if last := len(*free) - 1; last >= 0 {
		b := (*free)[last]
		(*free)[last] = nil
		*free = (*free)[:last]
		q.lent += cap(b.bytes)
		return b
	}
	b := &buffer{bytes: make([]byte, 0, max(n, bufferSizes[size]))}
	q.lent += cap(b.bytes)
	return b
}

// put takes a buffer back; nil is nothing.
func (q *pool) put(b *buffer) {
	if b == nil {
		return
	}
	q.lent -= cap(b.bytes)
	b.bytes, b.sent = b.bytes[:0], 0
	for i, size := range bufferSizes {
		if cap(b.bytes) == size && len(q.free[i]) < keptBytes/size {
			q.free[i] = append(q.free[i], b)
		}
	}
}
