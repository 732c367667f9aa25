package tlsconn

import (
	"crypto/tls"
	"errors"

	"wsgauge/internal/evloop"
)

const (
	// MinRead is the least room that [Conn.Read] needs: a record that has come in
	// part (18 KiB at most, RFC 5246 section 6.2.3) and some more.
	MinRead = 32 << 10
	// readLen bounds one read of a socket.
	readLen = 64 << 10
	// chunkLen is how much is encrypted before the socket is asked to take it, and
	// with it what waits, encrypted, on a socket that takes nothing.
	chunkLen = 32 << 10
	// maxPending bounds what waits for a socket: a chunk with the overhead of its
	// records, and the answers to a few key updates.
	maxPending = 2 * chunkLen
	// keptBuffers of chunkLen stay with the engine for sockets that are full.
	keptBuffers = 32
)

// ErrCrowded says that as many handshakes are under way as the engine allows.
var ErrCrowded = errors.New("tls: too many handshakes at once")

// Engine holds what the TLS connections of one event loop share, and belongs to
// the loop's thread.
type Engine struct {
	limit   int
	flights map[*Conn]struct{} // connections with a handshake under way
	closed  bool

	read  func(fd int, p []byte) (int, error)
	write func(fd int, p []byte) (int, error)

	// Of the call that is running:
	in  []byte // what the socket brought and crypto/tls has not read
	fin bool   // nothing will follow it
	out []byte // what crypto/tls has written

	socket []byte // one read of a socket
	spare  [][]byte
}

// NewEngine makes an engine. At most limit handshakes (1 or more) are under way
// at once, each with some 20 KiB; one more fails with [ErrCrowded].
func NewEngine(limit int) *Engine {
	return &Engine{limit: max(limit, 1), flights: map[*Conn]struct{}{},
		read: evloop.Read, write: evloop.Write, socket: make([]byte, readLen)}
}

// ReadWith makes read the way in which sockets are read, in place of evloop.Read.
func (e *Engine) ReadWith(read func(fd int, p []byte) (int, error)) { e.read = read }

// Handshakes returns how many are under way.
func (e *Engine) Handshakes() int { return len(e.flights) }

// Close ends every handshake that is under way, and any that would begin. It has
// to be called on the loop's thread, before the loop ends: a coroutine can only
// be ended by the thread that began it.
func (e *Engine) Close() {
	e.closed = true
	for c := range e.flights {
		c.Close()
	}
}

// Client makes the client's end of a connection; config needs a ServerName.
func (e *Engine) Client(config *tls.Config) *Conn {
	c := &Conn{engine: e}
	c.tls = tls.Client((*transport)(c), config)
	return c
}

// Server makes the server's end of a connection.
func (e *Engine) Server(config *tls.Config) *Conn {
	c := &Conn{engine: e}
	c.tls = tls.Server((*transport)(c), config)
	return c
}

func (e *Engine) borrow() []byte {
	last := len(e.spare) - 1
	if last < 0 {
		return make([]byte, 0, chunkLen+1024)
	}
	b := e.spare[last]
	e.spare[last] = nil
	e.spare = e.spare[:last]
	return b
}

func (e *Engine) giveBack(b []byte) {
	if cap(b) == chunkLen+1024 && len(e.spare) < keptBuffers {
		e.spare = append(e.spare, b[:0])
	}
}
