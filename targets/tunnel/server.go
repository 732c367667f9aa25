package tunnel

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

// Defaults of [Options].
const (
	defaultHeadTimeout = 10 * time.Second
	defaultDialTimeout = 10 * time.Second
	defaultBacklog     = 4096
)

// Options describe a tunnel proxy.
type Options struct {
	// Listen is where clients connect; port 0 lets the kernel choose.
	Listen netip.AddrPort
	// Backends are dialled in turn; at least one.
	Backends []netip.AddrPort
	// MaxTunnels bounds the requests that are with a backend at the same time, open
	// tunnels above all; one more is answered with 503. 0: no limit.
	MaxTunnels int
	// IdleTimeout ends a tunnel through which no byte has passed for so long, in
	// either direction. 0: never.
	IdleTimeout time.Duration
	// HeadTimeout bounds the time from a connection's start to the end of its
	// request head, and from the request to the end of the response head. A body
	// of a request or a response that is no tunnel may stand still for as long.
	// 0: 10 s.
	HeadTimeout time.Duration
	// DialTimeout bounds a connect to the backend. 0: 10 s.
	DialTimeout time.Duration
	// Sources are local addresses to dial from, in turn: each has some 28,000 ports
	// to a backend. Empty: the kernel's choice.
	Sources []netip.Addr
	// Backlog bounds the connections that wait to be accepted; 0 is 4096. The
	// kernel lowers it to net.core.somaxconn.
	Backlog int
	// Shared lets several processes listen on the same address (SO_REUSEPORT).
	Shared bool
	// TLS, when not nil, is how clients are spoken to; see [tlsconn.ServerConfig].
	TLS *tls.Config
	// BackendTLS, when not nil, is how backends are spoken to. Without a ServerName
	// a backend's certificate has to be for its address.
	BackendTLS *tls.Config
	// Inject adds faults of known size.
	Inject Injection
}

// complete puts in the defaults and refuses what makes no sense.
func (o *Options) complete() error {
	if !o.Listen.IsValid() {
		return errors.New("tunnel: no address to listen on; give one such as 127.0.0.1:0")
	}
	if len(o.Backends) == 0 {
		return errors.New("tunnel: no backend; give at least one address to lead to")
	}
	for _, b := range o.Backends {
		if !b.IsValid() || b.Port() == 0 {
			return fmt.Errorf("tunnel: backend %v has no address or no port; give one such as 127.0.0.1:9001", b)
		}
	}
	for _, s := range o.Sources {
		if !s.IsValid() {
			return errors.New("tunnel: an empty source address; leave Sources empty for the kernel's choice")
		}
	}
	if o.MaxTunnels < 0 || o.Backlog < 0 || o.IdleTimeout < 0 || o.HeadTimeout < 0 || o.DialTimeout < 0 {
		return errors.New("tunnel: a limit or timeout is negative; give 0 for its default")
	}
	if err := o.Inject.check(); err != nil {
		return fmt.Errorf("tunnel: %w", err)
	}
	o.Backends = append([]netip.AddrPort(nil), o.Backends...)
	o.Sources = append([]netip.Addr(nil), o.Sources...)
	if o.HeadTimeout == 0 {
		o.HeadTimeout = defaultHeadTimeout
	}
	if o.DialTimeout == 0 {
		o.DialTimeout = defaultDialTimeout
	}
	if o.Backlog == 0 {
		o.Backlog = defaultBacklog
	}
	return nil
}

// Stats are what a server has done, and what it does now.
type Stats struct {
	Accepted int64 // connections
	Total    int64 // tunnels opened
	Open     int64 // of them still open
	Refused  int64 // requests at the limit of tunnels
	Failed   int64 // requests for which no backend was reached, or none made sense
	Idled    int64 // tunnels ended by the idle timeout
	Paused   int64 // times that accepting had to rest
	Insecure int64 // connections that TLS itself has ended: no TLS, an alert, cut off
}

type counters struct {
	accepted, total, open, refused, failed, idled, paused, insecure atomic.Int64
}

// Server is a tunnel proxy that listens, on one event loop. Either [Server.Serve]
// or [Server.Close] must be called once.
type Server struct {
	options Options
	addr    netip.AddrPort
	stats   counters

	// The rest belongs to the loop's thread.
	loop        *evloop.Loop
	pool        pool
	openings    []*opening
	unwatched   map[int]struct{} // descriptors that are open and not in the loop
	admitted    int              // requests that are with a backend
	nextBackend int
	nextSource  int
	injector    *injector // nil when nothing is injected
	security    *security // nil when neither leg speaks TLS
}

// Listen opens the listening socket; nothing is served until [Server.Serve]. An
// address that is taken gives an error that wraps [evloop.ErrInUse].
func Listen(o Options) (*Server, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	loop, err := evloop.New()
	if err != nil {
		return nil, fmt.Errorf("tunnel: cannot make the event loop: %w", err)
	}
	fd, bound, err := evloop.Listen(o.Listen, o.Backlog, o.Shared)
	if err != nil {
		loop.Discard()
		return nil, fmt.Errorf("tunnel: cannot listen: %w", err)
	}
	s := &Server{options: o, addr: bound, loop: loop, unwatched: make(map[int]struct{}), security: newSecurity(&o)}
	s.inject(o.Inject)
	a := &acceptor{server: s, fd: fd}
	a.pause.Owner = a
	if err := loop.Add(fd, evloop.Readable, a); err != nil {
		evloop.CloseSocket(fd)
		loop.Discard()
		return nil, fmt.Errorf("tunnel: cannot watch the listening socket: %w", err)
	}
	return s, nil
}

// Addr returns the address that the server listens on.
func (s *Server) Addr() netip.AddrPort { return s.addr }

// Stats may be called at any time from any goroutine.
func (s *Server) Stats() Stats {
	c := &s.stats
	return Stats{
		Accepted: c.accepted.Load(), Total: c.total.Load(), Open: c.open.Load(),
		Refused: c.refused.Load(), Failed: c.failed.Load(), Idled: c.idled.Load(), Paused: c.paused.Load(),
		Insecure: c.insecure.Load(),
	}
}

// Serve serves until ctx ends, then closes every descriptor and returns nil; it
// returns an error when the loop fails.
func (s *Server) Serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		if s.security != nil { // on its thread: handshakes end where they began
			s.loop.Post(s.security.engine.Close)
		}
		s.loop.Stop()
	})
	defer stop()
	if s.injector != nil {
		s.injector.ended = ctx.Done()
		defer s.injector.close()
	}
	err := s.loop.Run()
	for fd := range s.unwatched {
		evloop.CloseSocket(fd)
	}
	s.stats.open.Store(0)
	if err != nil {
		return fmt.Errorf("tunnel: event loop: %w", err)
	}
	return nil
}

// Close closes a server that was never served. After [Server.Serve] it does
// nothing.
func (s *Server) Close() { s.loop.Discard() }

// admit counts t among those that are with a backend, unless there are too many.
func (s *Server) admit(t *tunnel) bool {
	if limit := s.options.MaxTunnels; limit > 0 && s.admitted >= limit {
		return false
	}
	s.admitted++
	t.counted = true
	return true
}

// dial begins a connection to the next backend. A source address without a free
// port leaves it to the next one.
func (s *Server) dial() (fd, backend int, err error) {
	backend = s.nextBackend
	remote := s.options.Backends[backend]
	s.nextBackend = (s.nextBackend + 1) % len(s.options.Backends)
	for range max(1, len(s.options.Sources)) {
		var local netip.AddrPort
		if n := len(s.options.Sources); n > 0 {
			local = netip.AddrPortFrom(s.options.Sources[s.nextSource], 0)
			s.nextSource = (s.nextSource + 1) % n
		}
		if fd, err = evloop.Dial(remote, local); !errors.Is(err, evloop.ErrNoPort) {
			break
		}
	}
	return fd, backend, err
}
