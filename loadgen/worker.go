package loadgen

import (
	crand "crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"

	"wsgauge/echo/order"
	"wsgauge/internal/evloop"
	"wsgauge/internal/tlsconn"
	"wsgauge/loadgen/wire"
)

// closeWait is how long the peer may take to end a connection after both close
// frames; then we close it ourselves (RFC 6455 section 7.1.1: "a reasonable time").
const closeWait = int64(2e9)

// earlyWake is how long before a timer is due a worker wakes, to wait for the rest
// awake. A virtual processor that has gone to sleep is 40 to 60 µs late, which would
// be the median of the send lag.
const earlyWake = int64(100e3)

// realtimePriority is above that of a backend on the same CPU ([echo.Options]): a message
// that is due does not wait for an answer to another. It polls for the last 40 µs, and
// only so long does a backend wait for it.
const realtimePriority = 3

// worker is one event loop and the connections that belong to it. All of it is
// used on the loop's thread alone; the agent speaks to it through posted calls.
type worker struct {
	loop       *evloop.Loop
	assignment Assignment
	index      int
	random     *rand.ChaCha8
	filler     *filler
	slab       slab
	groups     map[string]*group
	steps      []*running      // in the order in which they began
	tls        *tlsconn.Engine // nil until something is secured
	tlsConfigs map[TLSOptions]*tls.Config
	stamping   bool  // of the TLS read that is running
	age        int64 // … and how long the kernel had its bytes

	now      int64 // the clock when the bytes in hand were read
	opened   int   // open connections
	err      error // the loop itself failed
	redials  redials
	clock    string // what evloop.Now reads, by name
	orders   uint32 // given to the backend
	obeyed   bool   // the backend has answered one as it should
	vanished []int  // sockets of connections that vanished, which the kernel must keep

	frame   []byte // scratch for what is written
	payload []byte
	whole   assembly // a message that arrives in one piece
}

func newWorker(a Assignment, index int) (*worker, error) {
	loop, err := evloop.New()
	if err != nil {
		return nil, fmt.Errorf("worker %d: %w", index, err)
	}
	loop.Punctual(earlyWake, a.Nice)
	if a.Realtime > 0 {
		loop.Foremost(realtimePriority, a.Realtime)
	}
	var seed [32]byte
	if _, err := crand.Read(seed[:]); err != nil {
		loop.Discard()
		return nil, err
	}
	w := &worker{loop: loop, assignment: a, index: index, random: rand.NewChaCha8(seed),
		filler: newFiller(a.Seed), groups: map[string]*group{}}
	w.clock = order.Clock()
	w.redials.timer.Owner = &w.redials
	w.redials.worker = w
	return w, nil
}

// mask returns a fresh masking key. RFC 6455 section 5.3 wants one that cannot be
// predicted: ChaCha8 keyed from the system's entropy.
func (w *worker) mask() (m [4]byte) {
	binary.LittleEndian.PutUint32(m[:], uint32(w.random.Uint64()))
	return m
}

func (w *worker) nonce() (n [16]byte) {
	binary.LittleEndian.PutUint64(n[:8], w.random.Uint64())
	binary.LittleEndian.PutUint64(n[8:], w.random.Uint64())
	return n
}

// Connection number n belongs to agent n mod Agents, and there to worker
// (n / Agents) mod Workers.
func (w *worker) stride() int { return w.assignment.Agents * w.assignment.Workers }

func (w *worker) residue() int { return w.index*w.assignment.Agents + w.assignment.Agent }

// stamps tells whether the receive lag of an own connection is measured: each worker
// takes its first and every so many after it. By the number itself all would be those
// of a few agents, since numbers are dealt by remainders too, and who is not looked at
// can be late unseen.
func (w *worker) stamps(number uint32) bool { return int(number)/w.stride()%stampEvery == 0 }

// firstOwn returns the smallest own number that is not below n.
func (w *worker) firstOwn(n uint32) int {
	return int(n) + (w.residue()-int(n)%w.stride()+w.stride())%w.stride()
}

// Connections take the addresses in turn, and the sources in turn for each round
// of addresses, so that every pair is used before one is used twice.
func (w *worker) remote(number uint32) netip.AddrPort {
	return w.assignment.Addrs[int(number)%len(w.assignment.Addrs)]
}

func (w *worker) local(number uint32) netip.AddrPort {
	s := w.assignment.Sources
	if len(s) == 0 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(s[int(number)/len(w.assignment.Addrs)%len(s)], 0)
}

// decided is told of every attempt that was opened or has failed.
func (c *conn) decided() {
	if s := c.opening.step; s != nil {
		s.pending--
	}
}

// broken keeps the first error of the loop itself, which the agent reports.
func (w *worker) broken(err error) {
	if w.err == nil {
		w.err = err
	}
}

// group returns a group, made when it is new.
func (w *worker) group(name string) *group {
	g := w.groups[name]
	if g == nil {
		g = &group{name: name}
		g.step = &g.between
		w.groups[name] = g
	}
	return g
}

// group is a named set of connections; conns is indexed by own number / stride.
type group struct {
	name  string
	conns []*conn
	// step is the one whose own the group is now. Between steps it is one without a plan,
	// whose record the next step of the group takes over.
	step    *running
	between running
}

func (g *group) put(w *worker, number uint32, c *conn) {
	i := int(number) / w.stride()
	for len(g.conns) <= i {
		g.conns = append(g.conns, nil)
	}
	g.conns[i] = c
}

// own returns the connection of that number, nil when it is another worker's or
// was never begun.
func (g *group) own(w *worker, number uint32) *conn {
	if int(number)%w.stride() != w.residue() {
		return nil
	}
	if i := int(number) / w.stride(); i < len(g.conns) {
		return g.conns[i]
	}
	return nil
}

// open returns the numbers of the open connections.
func (g *group) open() Set {
	var s Set
	for _, c := range g.conns {
		if c != nil && c.state == open {
			s.Add(c.number)
		}
	}
	return s
}

// slab hands out connections and messages without a heap object for each.
type slab struct {
	conns    []conn
	openings []*opening
	free     *message
}

// keptOpenings bounds those that wait for the next connection.
const keptOpenings = 256

func (s *slab) opening() *opening {
	last := len(s.openings) - 1
	if last < 0 {
		return new(opening)
	}
	o := s.openings[last]
	s.openings = s.openings[:last]
	return o
}

func (s *slab) putOpening(o *opening) {
	*o = opening{} // what it has read is garbage now
	if len(s.openings) < keptOpenings {
		s.openings = append(s.openings, o)
	}
}

func (s *slab) conn() *conn {
	if len(s.conns) == 0 {
		s.conns = make([]conn, 64)
	}
	c := &s.conns[0]
	s.conns = s.conns[1:]
	return c
}

func (s *slab) message() *message {
	if s.free == nil {
		chunk := make([]message, 128)
		for i := range chunk[:len(chunk)-1] {
			chunk[i].next = &chunk[i+1]
		}
		s.free = &chunk[0]
	}
	m := s.free
	s.free = m.next
	return m
}

func (s *slab) putMessage(m *message) {
	m.next = s.free
	s.free = m
}

func itoa(n int) string { return strconv.Itoa(n) }

// pong is the answer to one of our pings.
func (c *conn) pong(payload []byte) {
	if len(payload) != 8 {
		return // unsolicited pongs are allowed (RFC 6455 section 5.5.3)
	}
	sent := int64(binary.LittleEndian.Uint64(payload))
	if now := c.worker.now; sent > 0 && sent <= now {
		c.rec().Record(Ping, now-sent)
		c.rec().Counts.PingsAnswered++
		if c.pingAt == sent {
			c.pingDone()
		}
	}
}

// pingDone is told that c has answered its latest ping, or has ended before.
func (c *conn) pingDone() {
	if h := c.group.step.holding; h != nil && c.pingAt != 0 {
		h.answered(c)
	}
}

// ping sends a ping, which says when it was due.
func (w *worker) ping(c *conn, intended int64) {
	var payload [8]byte
	binary.LittleEndian.PutUint64(payload[:], uint64(intended))
	w.frame = wire.AppendFrame(w.frame[:0], wire.Ping, true, w.mask(), payload[:])
	c.write(w.frame, nil)
}
