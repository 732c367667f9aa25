package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"wsgauge/echo"
	"wsgauge/internal/evloop"
	"wsgauge/internal/proc"
	"wsgauge/targets/tunnel"
)

// gcPercent is set for parts whose garbage is next to nothing: a small heap must
// not be collected for every few hundred kilobytes.
const gcPercent = 200

func newEcho(s streams) *cobra.Command {
	var listen string
	var realtime float64
	var files tlsFiles
	c := &cobra.Command{
		Use:     "echo --listen ADDR",
		Short:   "Serve WebSocket echo: the backend alone",
		Example: "  wsgauge echo --listen 127.0.0.1:9001",
		Args:    args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			addr, err := address("--listen", listen)
			if err != nil {
				return err
			}
			config, err := files.server()
			if err != nil {
				return err
			}
			debug.SetGCPercent(gcPercent)
			server, err := echo.Listen(echo.Options{Addr: addr, TLS: config, Realtime: realtime})
			if err != nil {
				return listenError("echo", addr, err)
			}
			fmt.Fprintf(s.out, "echo: listening on %v\n", server.Addr())
			return server.Serve(c.Context())
		},
	}
	c.Flags().StringVar(&listen, "listen", "", "`address` to listen on, host:port; port 0: any")
	c.Flags().Float64Var(&realtime, "realtime", 0, "go before ordinary threads up to this `share` of a CPU")
	if err := c.Flags().MarkHidden("realtime"); err != nil { // for the runner, which knows who shares the CPU
		panic(err)
	}
	files.flags(c)
	return c
}

// tunnelOptions are the flags of `wsgauge tunnel`.
type tunnelOptions struct {
	tunnel.Options
	listen    string
	backends  []string
	sources   []string
	inject    string
	processes int
	member    bool
	tls       tlsFiles
	backendCA string
}

func newTunnel(s streams) *cobra.Command {
	var o tunnelOptions
	c := &cobra.Command{
		Use:   "tunnel --listen ADDR --backend ADDR",
		Short: "Serve the reference tunnel alone",
		Example: `  wsgauge echo --listen 127.0.0.1:9001
  wsgauge tunnel --listen 127.0.0.1:9000 --backend 127.0.0.1:9001 --max-tunnels 1000 --idle-timeout 5m
  wsgauge tunnel --listen 127.0.0.1:9000 --backend 127.0.0.1:9001 --inject delay=5ms,stall=50ms/1s`,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.complete(); err != nil {
				return err
			}
			if o.processes > 1 {
				return o.serveSeveral(c.Context(), s)
			}
			return o.serve(c.Context(), s)
		},
	}
	c.Flags().StringVar(&o.listen, "listen", "", "`address` to listen on, host:port; port 0: any")
	c.Flags().StringSliceVar(&o.backends, "backend", nil, "`address` of the backend, host:port; several are used in turn")
	c.Flags().StringSliceVar(&o.sources, "source", nil, "local `address` to dial the backend from; several are used in turn, each has about 28,000 ports")
	c.Flags().IntVar(&o.MaxTunnels, "max-tunnels", 0, "answer 503 beyond this many tunnels; 0: no limit")
	c.Flags().DurationVar(&o.IdleTimeout, "idle-timeout", 0, "end a tunnel after this long without a byte; 0: never")
	c.Flags().IntVar(&o.processes, "processes", 1, "processes behind the one address; --max-tunnels is divided among them")
	c.Flags().StringVar(&o.inject, "inject", "", "`faults` of known size: delay=500us,jitter=2ms,stall=50ms/1s,cpu=100us,leak_fd_every=10,leak_bytes=4096")
	o.tls.flags(c)
	c.Flags().StringVar(&o.backendCA, "backend-tls-ca", "", "speak TLS to the backend, and trust the authorities in this PEM `file`")
	c.Flags().BoolVar(&o.member, "member", false, "be one of several processes; end with standard input")
	if err := c.Flags().MarkHidden("member"); err != nil {
		panic(err) // the flag stands a line above
	}
	return c
}

// complete reads the flags' texts.
func (o *tunnelOptions) complete() (err error) {
	if o.Listen, err = address("--listen", o.listen); err != nil {
		return err
	}
	if len(o.backends) == 0 {
		return usage(errors.New("--backend is needed: where the tunnel leads, host:port"))
	}
	for _, b := range o.backends {
		addr, err := address("--backend", b)
		if err != nil {
			return err
		}
		o.Backends = append(o.Backends, addr)
	}
	for _, text := range o.sources {
		source, err := netip.ParseAddr(text)
		if err != nil {
			return usage(fmt.Errorf("--source %s: want an address of this machine, such as 127.0.0.2", text))
		}
		o.Sources = append(o.Sources, source)
	}
	if o.MaxTunnels < 0 || o.IdleTimeout < 0 {
		return usage(errors.New("--max-tunnels and --idle-timeout must not be negative"))
	}
	if o.processes < 1 || o.processes > 256 || o.MaxTunnels > 0 && o.MaxTunnels < o.processes {
		return usage(fmt.Errorf("--processes %d: want 1 to 256, and no more than --max-tunnels", o.processes))
	}
	if o.TLS, err = o.tls.server(); err != nil {
		return err
	}
	if o.BackendTLS, err = o.tls.client(o.backendCA); err != nil {
		return err
	}
	if o.inject != "" {
		if o.Inject, err = tunnel.ParseInjection(o.inject); err != nil {
			return usage(err)
		}
	}
	return nil
}

func (o *tunnelOptions) serve(ctx context.Context, s streams) error {
	debug.SetGCPercent(gcPercent)
	if o.member {
		o.Shared = true
		ctx = tunnel.Member(ctx, s.in)
	}
	server, err := tunnel.Listen(o.Options)
	if err != nil {
		return listenError("tunnel", o.Listen, err)
	}
	fmt.Fprintf(s.out, "%s%v\n", tunnel.Listening, server.Addr())
	err = server.Serve(ctx)
	if late := server.Lateness(); late.Chunks > 0 {
		fmt.Fprintf(s.out, "tunnel: held back %d chunks, longer than asked for by %v (p50), %v (p99), %v at most\n",
			late.Chunks, late.P50, late.P99, late.Max)
	}
	return err
}

// serveSeveral owns processes that serve.
func (o *tunnelOptions) serveSeveral(ctx context.Context, s streams) error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this executable, which is to be started %d times: %w", o.processes, err)
	}
	p := tunnel.Processes{Executable: exe, Number: o.processes, Listen: o.Listen, MaxTunnels: o.MaxTunnels, Output: s.out,
		Args: []string{"--backend", strings.Join(o.backends, ",")}}
	if len(o.sources) > 0 {
		p.Args = append(p.Args, "--source", strings.Join(o.sources, ","))
	}
	if o.IdleTimeout > 0 {
		p.Args = append(p.Args, "--idle-timeout", o.IdleTimeout.String())
	}
	if o.inject != "" {
		p.Args = append(p.Args, "--inject", o.inject)
	}
	p.Args = append(p.Args, o.tls.args()...)
	if o.backendCA != "" {
		p.Args = append(p.Args, "--backend-tls-ca", o.backendCA)
	}
	return p.Serve(ctx, func(addr netip.AddrPort) {
		fmt.Fprintf(s.out, "%s%v, %d processes\n", tunnel.Listening, addr, o.processes)
	})
}

// listenError says who is in the way when the address is taken.
func listenError(part string, addr netip.AddrPort, err error) error {
	if errors.Is(err, evloop.ErrInUse) {
		return fmt.Errorf("%s: %v is in use by another program; pick another port, or 0 for any free one", part, addr)
	}
	return fmt.Errorf("%s: %w", part, err)
}

func address(flag, text string) (netip.AddrPort, error) {
	if text == "" {
		return netip.AddrPort{}, usage(fmt.Errorf("%s is needed: an address such as 127.0.0.1:9000", flag))
	}
	if strings.HasPrefix(text, "localhost:") {
		text = "127.0.0.1" + strings.TrimPrefix(text, "localhost")
	}
	if strings.HasPrefix(text, ":") {
		text = "0.0.0.0" + text
	}
	addr, err := netip.ParseAddrPort(text)
	if err != nil {
		return addr, usage(fmt.Errorf("%s %s: want an address and a port, such as 127.0.0.1:9000", flag, text))
	}
	return addr, nil
}

// newGuard is the process that outlives the controller and cleans up after it.
func newGuard(s streams) *cobra.Command {
	return &cobra.Command{Use: "guard", Hidden: true, Args: args(cobra.NoArgs),
		Short: "Clean up after a controller that was killed (started by `run`)",
		RunE: func(*cobra.Command, []string) error {
			signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
			return proc.Guard(s.in)
		}}
}

// newLaunch sets limits and placement in the child itself, then becomes it.
func newLaunch() *cobra.Command {
	return &cobra.Command{Use: "launch", Hidden: true, DisableFlagParsing: true,
		Short: "Set limits, then become another program (started by `run`)",
		RunE:  func(_ *cobra.Command, a []string) error { return proc.Launch(a) }}
}
