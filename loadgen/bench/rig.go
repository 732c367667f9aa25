package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"wsgauge/echo"
	"wsgauge/internal/bus"
	"wsgauge/internal/certs"
	"wsgauge/internal/proc"
	"wsgauge/loadgen"
)

// rig is what every benchmark stands on: the keeper of its processes, the bus to the
// agents, a directory for logs and configurations. It is gone when the program ends,
// however it ends.
type rig struct {
	options
	keeper *proc.Keeper
	limits proc.ResourceLimits
	server *bus.Server
	conn   *bus.Conn
	dir    string
	serial int
}

func newRig(o options) (r *rig, err error) {
	o.executable, err = filepath.Abs(o.executable)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(o.executable); err != nil {
		return nil, fmt.Errorf("the program to measure: %w; build it with `make build`", err)
	}
	r = &rig{options: o}
	if r.limits, err = proc.Limits(); err != nil {
		return nil, err
	}
	if r.keeper, err = proc.NewKeeper(o.executable); err != nil {
		return nil, err
	}
	if r.dir, err = r.keeper.TempDir(); err == nil {
		r.server, err = bus.StartServer()
	}
	if err == nil {
		r.conn, err = bus.Connect(r.server.URL(), "wsgauge bench")
	}
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *rig) close() error {
	var errs []error
	if r.conn != nil {
		errs = append(errs, r.conn.Close())
	}
	if r.server != nil {
		r.server.Close()
	}
	return errors.Join(append(errs, r.keeper.Close())...)
}

// loopback gives every process that listens an address of its own, so that sockets in
// TIME_WAIT of one round never stand in the way of the next.
func (r *rig) loopback() netip.Addr {
	r.serial++
	return netip.AddrFrom4([4]byte{127, 1, byte(r.serial >> 8), byte(r.serial)})
}

// start starts a process with all the descriptors that it may have. An empty list of
// CPUs leaves it where this program may run.
func (r *rig) start(name, cpus string, env []string, argv ...string) (*proc.Child, error) {
	r.serial++
	return r.keeper.Start(proc.Spec{Name: name, Argv: argv, Env: env, CPUs: cpus,
		Output:     filepath.Join(r.dir, strconv.Itoa(r.serial)+"-"+name+".log"),
		NofileSoft: r.limits.NofileHard, NofileHard: r.limits.NofileHard})
}

// server is a process that listens.
type server struct {
	*proc.Child
	addr netip.AddrPort
}

// serve starts a server, whose command line command makes for an address to listen on,
// and proves it by an echo.
func (r *rig) serve(ctx context.Context, name, cpus string, command func(netip.AddrPort) ([]string, error)) (*server, error) {
	return r.serveBy(ctx, name, cpus, func(addr netip.AddrPort) ([]string, *tls.Config, error) {
		argv, err := command(addr)
		return argv, nil, err
	})
}

// serveBy does so for a server whose clients speak TLS, when command says how.
func (r *rig) serveBy(ctx context.Context, name, cpus string, command func(netip.AddrPort) ([]string, *tls.Config, error)) (*server, error) {
	ip := r.loopback()
	port, err := proc.FreePort(ip)
	if err != nil {
		return nil, err
	}
	addr := netip.AddrPortFrom(ip, port)
	argv, config, err := command(addr)
	if err != nil {
		return nil, err
	}
	child, err := r.start(name, cpus, nil, argv...)
	if err != nil {
		return nil, err
	}
	for limit := time.Now().Add(10 * time.Second); ; {
		one, done := context.WithTimeout(ctx, time.Second)
		err := echo.ProbeTLS(one, addr, addr.String(), "/", netip.Addr{}, config)
		done()
		if err == nil {
			return &server{child, addr}, nil
		}
		if ctx.Err() != nil || time.Now().After(limit) || child.Err() != nil {
			return nil, errors.Join(fmt.Errorf("%s: no echo through it: %w", name, err), child.Err(), stop(child))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (r *rig) echo(ctx context.Context, cpus string) (*server, error) {
	return r.serve(ctx, "echo", cpus, func(addr netip.AddrPort) ([]string, error) {
		return []string{r.executable, "echo", "--listen", addr.String()}, nil
	})
}

// secureEcho is an echo over wss, with a certificate of its own authority.
func (r *rig) secureEcho(ctx context.Context, cpus string) (*server, *loadgen.Trust, error) {
	var trust *loadgen.Trust
	s, err := r.serveBy(ctx, "echo", cpus, func(addr netip.AddrPort) ([]string, *tls.Config, error) {
		r.serial++
		dir := filepath.Join(r.dir, strconv.Itoa(r.serial)+"-tls")
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, nil, err
		}
		files, err := certs.Make(dir, []netip.Addr{addr.Addr()})
		if err != nil {
			return nil, nil, err
		}
		ca, err := os.ReadFile(files.CA)
		if err != nil {
			return nil, nil, err
		}
		trust = &loadgen.Trust{CA: string(ca), Name: addr.Addr().String()}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(ca)
		return []string{r.executable, "echo", "--listen", addr.String(), "--tls-cert", files.Cert, "--tls-key", files.Key},
			&tls.Config{RootCAs: pool, ServerName: addr.Addr().String()}, nil
	})
	return s, trust, err
}

func (r *rig) tunnel(ctx context.Context, cpus string, backend netip.AddrPort) (*server, error) {
	return r.serve(ctx, "tunnel", cpus, func(addr netip.AddrPort) ([]string, error) {
		return []string{r.executable, "tunnel", "--listen", addr.String(), "--backend", backend.String()}, nil
	})
}

// stop ends a process whatever has become of the context.
func stop(c *proc.Child) error { return c.Stop(context.Background(), 5*time.Second) }

// stopAll ends servers, the last one first; those that were never started are nil.
func stopAll(servers ...*server) error {
	var errs []error
	for i := len(servers) - 1; i >= 0; i-- {
		if servers[i] != nil {
			errs = append(errs, stop(servers[i].Child))
		}
	}
	return errors.Join(errs...)
}

// usage is what a process has used so far, its children included.
func usage(pid int, pss bool) (proc.Usage, error) {
	p, err := proc.NewProber()
	if err != nil {
		return proc.Usage{}, err
	}
	defer p.Close()
	u, err := p.Usage([]int{pid}, pss)
	if err == nil && (u.Processes < 1 || u.CPU < 0 || u.FDs < 0 || pss && u.PSS < 0) {
		err = fmt.Errorf("process %d: its figures cannot be read (%+v)", pid, u)
	}
	return u, err
}

func randomName() string { return rand.Text() }
