package echo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"wsgauge/internal/evloop"
)

// DefaultMaxMessage is the message bound of a server that was not given one:
// 16 MiB, and 64 KiB for whatever a client wraps around so round a number.
const DefaultMaxMessage = 16<<20 + 64<<10

const (
	defaultBacklog     = 4096 // the kernel lowers it to net.core.somaxconn
	defaultHeadTimeout = 10 * time.Second
	maxLoops           = 1024
)

// realtimePriority is below that of the generator's workers.
const realtimePriority = 2

// Options describe a server.
type Options struct {
	// Addr is where to listen; port 0 lets the kernel choose.
	Addr netip.AddrPort
	// MaxMessage bounds a message in bytes, all its fragments together; a longer
	// one is refused with 1009. 0 is [DefaultMaxMessage].
	MaxMessage int64
	// Loops is the number of event loops, each with a thread of its own; 0 is 1.
	// Connections are dealt to them in turn, so that all have the same number.
	Loops int
	// Backlog bounds the connections that wait to be accepted; 0 is 4096. The
	// kernel lowers it to net.core.somaxconn.
	Backlog int
	// HeadTimeout bounds the time from the first byte of a request head to its last,
	// after which the connection is closed; 0 is 10 s.
	HeadTimeout time.Duration
	// TLS, when not nil, makes it a wss server; see [tlsconn.ServerConfig].
	TLS *tls.Config
	// Realtime is the share of a CPU up to which each loop's thread goes before all
	// ordinary ones; 0: never. It takes CAP_SYS_NICE or
	// RLIMIT_RTPRIO, and is left out without.
	Realtime float64
	// Refused, when not nil, is told why a connection could not be taken (mostly
	// that no descriptor is left). The server pauses accepting for a moment and
	// goes on. It is called on a loop's thread and must not block.
	Refused func(error)
}

// Server is an echo server that listens. Either [Server.Serve] or
// [Server.Close] must be called once.
type Server struct {
	addr     netip.AddrPort
	workers  []*worker
	refused  func(error)
	headTime time.Duration
	open     atomic.Int64
	crossing atomic.Int64 // bytes of broadcasts on their way to other loops

	tls      *tls.Config
	insecure atomic.Int64
}

// Listen opens the listening socket and makes the loops; nothing is served until
// [Server.Serve]. An address that is taken gives an error that wraps
// [evloop.ErrInUse].
func Listen(o Options) (*Server, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	fd, bound, err := evloop.Listen(o.Addr, o.Backlog, false)
	if err != nil {
		return nil, fmt.Errorf("echo: cannot listen: %w", err)
	}
	s := &Server{addr: bound, refused: o.Refused, tls: o.TLS, headTime: o.HeadTimeout}
	for range o.Loops {
		loop, err := evloop.New()
		if err != nil {
			evloop.CloseSocket(fd)
			s.Close()
			return nil, fmt.Errorf("echo: cannot make event loop %d of %d: %w", len(s.workers)+1, o.Loops, err)
		}
		if o.Realtime > 0 {
			loop.Foremost(realtimePriority, o.Realtime)
		}
		s.workers = append(s.workers, newWorker(s, loop, o.MaxMessage))
	}
	a := &acceptor{server: s, fd: fd}
	a.pause.Owner = a
	if err := s.workers[0].loop.Add(fd, evloop.Readable, a); err != nil {
		evloop.CloseSocket(fd)
		s.Close()
		return nil, fmt.Errorf("echo: cannot watch the listening socket: %w", err)
	}
	return s, nil
}

// complete puts in the defaults and refuses what makes no sense.
func (o *Options) complete() error {
	switch {
	case !o.Addr.IsValid():
		return errors.New("echo: no address to listen on; give one such as 127.0.0.1:0")
	case o.MaxMessage < 0:
		return fmt.Errorf("echo: a message bound of %d bytes; give 0 for the default or a positive one", o.MaxMessage)
	case o.Loops < 0 || o.Loops > maxLoops:
		return fmt.Errorf("echo: %d event loops; give 0 for one, or up to %d", o.Loops, maxLoops)
	case o.Realtime < 0 || o.Realtime > 1:
		return fmt.Errorf("echo: real-time priority up to a share of %g; give 0 for none, or up to 1", o.Realtime)
	case o.HeadTimeout < 0:
		return fmt.Errorf("echo: a head timeout of %v; give 0 for %v or a positive one", o.HeadTimeout, defaultHeadTimeout)
	case o.Backlog < 0:
		return fmt.Errorf("echo: a backlog of %d; give 0 for %d or a positive one", o.Backlog, defaultBacklog)
	}
	if o.HeadTimeout == 0 {
		o.HeadTimeout = defaultHeadTimeout
	}
	if o.MaxMessage == 0 {
		o.MaxMessage = DefaultMaxMessage
	}
	if o.Loops == 0 {
		o.Loops = 1
	}
	if o.Backlog == 0 {
		o.Backlog = defaultBacklog
	}
	return nil
}

// Addr returns the address that the server listens on.
func (s *Server) Addr() netip.AddrPort { return s.addr }

// Connections returns the number of connections that are open now.
func (s *Server) Connections() int { return int(s.open.Load()) }

// Serve serves until ctx ends, then closes the listening socket and every
// connection and returns nil; it returns an error when a loop fails, which ends
// the others too. Either way no descriptor and no goroutine of it is left.
func (s *Server) Serve(ctx context.Context) error {
	ctx, failed := context.WithCancel(ctx)
	defer failed()
	ended := make(chan error, len(s.workers))
	for _, w := range s.workers {
		go func() {
			err := w.loop.Run()
			failed()
			ended <- err
		}()
	}
	<-ctx.Done()
	for _, w := range s.workers {
		w.loop.Post(func() {
			if w.tls != nil {
				w.tls.Close() // on its thread: handshakes end where they began
			}
		})
		w.loop.Stop()
	}
	var errs []error
	for range s.workers {
		if err := <-ended; err != nil {
			errs = append(errs, fmt.Errorf("echo: event loop: %w", err))
		}
	}
	s.open.Store(0)
	return errors.Join(errs...)
}

// Close closes a server that was never served. After [Server.Serve] it does
// nothing.
func (s *Server) Close() {
	for _, w := range s.workers {
		w.loop.Discard()
	}
}
