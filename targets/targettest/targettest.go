// Package targettest starts the proxies under test as a run does, with an echo backend
// behind them, for the tests of the packages of targets. What goes wrong fails the
// test that asked.
package targettest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wsgauge/echo"
	"wsgauge/internal/certs"
	"wsgauge/internal/proc"
	"wsgauge/internal/tlsconn"
	"wsgauge/targets"
)

// Patience bounds every wait for a server on a machine that is busy with other tests;
// nothing waits this long when things work.
const Patience = 20 * time.Second

// Main is the TestMain of a package that uses this one: it lets the test binary stand
// in for wsgauge as the guard and the launcher of children.
func Main(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "guard":
			exit(proc.Guard(os.Stdin))
		case "launch":
			exit(proc.Launch(os.Args[2:]))
		}
	}
	os.Exit(m.Run())
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Need skips, saying why, where target cannot run for want of something.
func Need(t *testing.T, target targets.Target) {
	t.Helper()
	var missing *targets.MissingError
	if _, err := target.Find(); errors.As(err, &missing) {
		t.Skipf("skipped: %v", missing)
	}
}

// Address is a loopback address that no other test process uses.
func Address(last int) netip.Addr {
	pid := os.Getpid()
	return netip.AddrFrom4([4]byte{127, byte(100 + pid/250%100), byte(1 + pid%250), byte(last)})
}

// Free is an address of [Address] with a port on which nobody listens.
func Free(t *testing.T, last int) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", netip.AddrPortFrom(Address(last), 0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// Options are what stands around a target.
type Options struct {
	Backends int  // 0: one
	Front    bool // clients speak TLS
	Back     bool // backends speak TLS
	Nofile   uint64
	Listen   netip.AddrPort // zero: chosen
}

// Running is a started target.
type Running struct {
	*targets.Instance
	Site     targets.Site
	Child    *proc.Child
	Backends []*echo.Server

	t      *testing.T
	front  bool
	keeper *proc.Keeper
	log    *targets.Tail
}

// Site makes a place for an instance, with backends that serve until the test ends,
// and a keeper that then proves that nothing is left.
func Site(t *testing.T, o Options) *Running {
	t.Helper()
	r := &Running{t: t, front: o.Front}
	var err error
	if r.keeper, err = proc.NewKeeper(os.Args[0]); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.keeper.Close(); err != nil {
			t.Error(err)
		}
	})
	dir, err := r.keeper.TempDir()
	if err != nil {
		t.Fatal(err)
	}
	r.Site = targets.Site{Listen: o.Listen, Dir: filepath.Join(dir, "target"), LogDir: filepath.Join(t.TempDir(), "the logs"), Executable: os.Args[0]}
	if !r.Site.Listen.IsValid() {
		r.Site.Listen = Free(t, 1)
	}
	for _, dir := range []string{r.Site.Dir, r.Site.LogDir} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if o.Front || o.Back {
		made, err := certs.Make(dir, []netip.Addr{Address(1), Address(2)})
		if err != nil {
			t.Fatal(err)
		}
		files := targets.Certificates(made)
		r.Site.Certificates = &files
	}
	for range max(1, o.Backends) {
		r.backend(o.Back)
	}
	return r
}

func (r *Running) backend(secure bool) {
	r.t.Helper()
	o := echo.Options{Addr: netip.AddrPortFrom(Address(2), 0)}
	if secure {
		var err error
		if o.TLS, err = tlsconn.ServerConfig(r.Site.Certificates.Cert, r.Site.Certificates.Key, tlsconn.Options{}); err != nil {
			r.t.Fatal(err)
		}
	}
	s, err := echo.Listen(o)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	r.t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			r.t.Error(err)
		}
	})
	r.Backends = append(r.Backends, s)
	r.Site.Backends = append(r.Site.Backends, s.Addr())
}

// Start prepares target at a [Site], starts it and proves an echo through it. When the
// test ends it is stopped, has to stop in time, and may have left nothing running.
func Start(t *testing.T, target targets.Target, o Options) *Running {
	t.Helper()
	Need(t, target)
	r := Site(t, o)
	var err error
	if r.Instance, err = target.Prepare(r.Site); err != nil {
		t.Fatal(err)
	}
	r.log = &targets.Tail{Path: r.ErrorLog, Code: r.Code}
	t.Cleanup(func() {
		if r.Child != nil {
			r.Stop()
		}
		lines, err := r.log.Close()
		if err != nil {
			t.Error(err)
		}
		if t.Failed() {
			for _, l := range lines {
				t.Logf("log: %s", l.Text)
			}
		}
	})
	r.launch(o)
	return r
}

func (r *Running) launch(o Options) {
	r.t.Helper()
	var err error
	r.Child, err = r.keeper.Start(proc.Spec{Argv: r.Argv, Env: r.Env, Dir: r.Site.Dir,
		Output: filepath.Join(r.Site.LogDir, targets.OutputFile), NofileSoft: o.Nofile, NofileHard: o.Nofile})
	if err != nil {
		r.t.Fatal(err)
	}
	r.Eventually("an echo through it", func() error {
		if r.Child.Err() != nil {
			r.t.Fatal(r.Child.Err())
		}
		return r.Probe()
	})
}

// Probe has one message echoed.
func (r *Running) Probe() error {
	ctx, cancel := context.WithTimeout(r.t.Context(), 5*time.Second)
	defer cancel()
	config, err := r.config()
	if err != nil {
		return err
	}
	return echo.ProbeTLS(ctx, r.Addrs[0], r.Addrs[0].String(), "/", netip.Addr{}, config)
}

// Stop ends the target as a run does; it has to end by itself within its StopGrace.
func (r *Running) Stop() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if err := r.Child.Stop(ctx, r.StopGrace); err != nil {
		r.t.Error(err)
	}
	if r.Child.Forced() {
		r.t.Errorf("it had to be killed %v after SIGTERM", r.StopGrace)
	}
	r.Child = nil
}

// Graceful does what `signal: graceful` does.
func (r *Running) Graceful() {
	r.t.Helper()
	if len(r.Instance.Graceful.Argv) == 0 {
		if err := r.Child.Signal(r.Instance.Graceful.Signal); err != nil {
			r.t.Fatal(err)
		}
		return
	}
	c, err := r.keeper.Start(proc.Spec{Argv: r.Instance.Graceful.Argv, Env: r.Env, Dir: r.Site.Dir, Output: filepath.Join(r.Site.LogDir, "reload.log")})
	if err != nil {
		r.t.Fatal(err)
	}
	select {
	case <-c.Done():
	case <-time.After(Patience):
		r.t.Fatalf("the reload did not end: %s", c.Tail())
	}
	// A child that ends unasked has an error, also one that has done its work.
	if err := c.Err(); !strings.Contains(err.Error(), "exit status 0") {
		r.t.Errorf("the reload: %v", err)
	}
}

// Codes counts what has been logged since the last call, by code.
func (r *Running) Codes() map[string]int {
	r.t.Helper()
	lines, err := r.log.Read()
	if err != nil {
		r.t.Fatal(err)
	}
	all := map[string]int{}
	for _, l := range lines {
		all[l.Code]++
		r.t.Logf("log: %q %s", l.Code, l.Text)
	}
	return all
}

// Eventually repeats until there is no error.
func (r *Running) Eventually(what string, try func() error) {
	r.t.Helper()
	for deadline := time.Now().Add(Patience); ; time.Sleep(20 * time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("waited %v for %s: %v", Patience, what, err)
		}
	}
}
