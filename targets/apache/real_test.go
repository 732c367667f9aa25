package apache

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"wsgauge/internal/certs"
	"wsgauge/scenarios"
	"wsgauge/targets"
)

// patience bounds every wait for a server on a machine that is busy with other
// tests; nothing waits this long when things work.
const patience = 30 * time.Second

// needApache skips, saying why, where there is no Apache to test.
func needApache(t *testing.T) {
	t.Helper()
	var missing *targets.MissingError
	if _, err := New(scenarios.Apache{}).Find(); errors.As(err, &missing) {
		t.Skipf("skipped: %v", missing)
	}
}

// backend is an echo server for WebSockets that answers plain requests as well.
type backend struct {
	addr netip.AddrPort
	name string
	open sync.WaitGroup
	stop func() // ends it and all its connections, before the test does

	mu    sync.Mutex
	conns map[net.Conn]bool
	uris  []string // of all requests, as they came
}

// asked are the requests so far.
func (b *backend) asked() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.uris)
}

// loopback gives each test addresses of its own, so that no socket of another
// one is in the way.
func loopback(t *testing.T, last int) string {
	t.Helper()
	return fmt.Sprintf("127.%d.%d.%d", 100+os.Getpid()%100, os.Getpid()/100%250, last)
}

func startBackend(t *testing.T, last int) *backend { return startBackendTLS(t, last, nil) }

// startBackendTLS starts one that speaks wss when there are certificates.
func startBackendTLS(t *testing.T, last int, files *targets.Certificates) *backend {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(loopback(t, last), "0"))
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{addr: l.Addr().(*net.TCPAddr).AddrPort(), name: fmt.Sprint("backend ", last), conns: map[net.Conn]bool{}}
	server := &http.Server{Handler: b, ErrorLog: log.New(io.Discard, "", 0)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		serve := func() error { return server.Serve(l) }
		if files != nil {
			serve = func() error { return server.ServeTLS(l, files.Cert, files.Key) }
		}
		if err := serve(); err != http.ErrServerClosed {
			t.Errorf("backend: %v", err)
		}
	}()
	b.stop = sync.OnceFunc(func() {
		if err := server.Close(); err != nil {
			t.Errorf("backend: %v", err)
		}
		<-done
		b.mu.Lock()
		for conn := range b.conns {
			_ = conn.Close() // its own goroutine closes it too
		}
		b.mu.Unlock()
		b.open.Wait()
	})
	t.Cleanup(b.stop)
	return b
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	b.uris = append(b.uris, r.RequestURI)
	b.mu.Unlock()
	if r.Header.Get("Upgrade") == "" {
		_, _ = io.WriteString(w, "plain from "+b.name) // the client sees a failure
		return
	}
	conn, _, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		return // the client sees it
	}
	b.open.Add(1)
	b.mu.Lock()
	b.conns[conn] = true
	b.mu.Unlock()
	go func() {
		defer b.open.Done()
		defer func() {
			b.mu.Lock()
			delete(b.conns, conn)
			b.mu.Unlock()
			_ = conn.Close() // stop may have closed it
		}()
		for {
			msg, op, err := wsutil.ReadClientData(conn)
			if err != nil || wsutil.WriteServerMessage(conn, op, append(msg, " from "+b.name...)) != nil {
				return
			}
		}
	}()
}

// running is a started Apache.
type running struct {
	*targets.Instance
	cmd    *exec.Cmd
	dir    string
	log    *targets.Tail
	ended  chan error
	stderr *os.File
	client *tls.Config // nil: clients connect by ws
}

// start prepares and starts a server in a process group of its own and waits
// until it is settled. It is stopped, and must stop in time, when the test ends.
func start(t *testing.T, a scenarios.Apache, backends ...*backend) *running {
	t.Helper()
	return startAt(t, a, targets.Site{}, backends...)
}

// startAt is start with parts of a site given.
func startAt(t *testing.T, a scenarios.Apache, site targets.Site, backends ...*backend) *running {
	t.Helper()
	needApache(t)
	// Not t.TempDir, whose parents keep everybody else out: the directory has to
	// do as the runner makes it.
	dir, err := os.MkdirTemp("", "wsgauge-apache-test-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	logDir := t.TempDir()
	if !site.Listen.IsValid() {
		site.Listen = freeAddr(t, loopback(t, 1))
	}
	site.Dir, site.LogDir = dir, logDir
	for _, b := range backends {
		site.Backends = append(site.Backends, b.addr)
	}
	r := &running{dir: dir, ended: make(chan error, 1)}
	if a.TLS.Frontend {
		r.client = trusting(t, site.Certificates, site.Listen.Addr())
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if r.Instance, err = New(a).Prepare(site); err != nil {
		t.Fatal(err)
	}
	if r.stderr, err = os.Create(filepath.Join(logDir, "stderr")); err != nil {
		t.Fatal(err)
	}
	r.cmd = exec.Command(r.Argv[0], r.Argv[1:]...)
	r.cmd.Env = append(os.Environ(), r.Env...)
	r.cmd.Dir, r.cmd.Stdout, r.cmd.Stderr = r.Dir, r.stderr, r.stderr
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	r.log = &targets.Tail{Path: r.ErrorLog, Code: r.Code}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.ended <- r.cmd.Wait() }()
	guard(t, r.cmd.Process.Pid, dir)
	t.Cleanup(func() { r.stop(t) })
	eventually(t, "the server to stand", func() (bool, string) {
		processes, threads := r.count(t)
		return (r.Settled == nil || r.Settled(processes, threads)) && canDial(r.Addrs[0]), fmt.Sprintf("%d processes, %d threads", processes, threads)
	})
	return r
}

// guard starts a shell that ends a process group and removes a directory when this
// process is killed: the server's parent is told of our death by the kernel
// (Pdeathsig), but its children live on. It ends when the test does.
func guard(t *testing.T, pgid int, dir string) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", `read bye || { kill -s KILL -- "-$1"; rm -rf "$2"; }`, "guard", fmt.Sprint(pgid), dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // what kills us is not meant for it
	alive, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := io.WriteString(alive, "bye\n"); err != nil {
			t.Errorf("the guard has gone: %v", err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the guard: %v", err)
		}
	})
}

func (r *running) stop(t *testing.T) {
	t.Helper()
	if r.cmd == nil {
		return
	}
	pid := r.cmd.Process.Pid
	r.cmd = nil
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	select {
	case err := <-r.ended:
		if err != nil {
			t.Errorf("the server ended with %v", err)
		}
	case <-time.After(r.StopGrace):
		t.Errorf("still there %v after SIGTERM", r.StopGrace)
		if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil {
			t.Error(err)
		}
		<-r.ended
	}
	if err := r.stderr.Close(); err != nil {
		t.Error(err)
	}
	lines, err := r.log.Close()
	if err != nil {
		t.Error(err)
	}
	if t.Failed() {
		for _, l := range lines {
			t.Logf("error log: %s", l.Text)
		}
	}
}

// pids are the server's processes, the parent first.
func (r *running) pids(t *testing.T) []string {
	t.Helper()
	pid := fmt.Sprint(r.cmd.Process.Pid)
	children, err := os.ReadFile(filepath.Join("/proc", pid, "task", pid, "children"))
	if err != nil {
		t.Fatal(err)
	}
	return append([]string{pid}, strings.Fields(string(children))...)
}

func (r *running) count(t *testing.T) (processes, threads int) {
	t.Helper()
	for _, pid := range r.pids(t) {
		// A child may end in between.
		if tasks, err := os.ReadDir(filepath.Join("/proc", pid, "task")); err == nil {
			processes++
			threads += len(tasks)
		}
	}
	return processes, threads
}

func (r *running) dial(ctx context.Context) (*tunnel, error) { return r.dialPath(ctx, "/echo", nil) }

func (r *running) dialPath(ctx context.Context, path string, header http.Header) (*tunnel, error) {
	d := ws.Dialer{TLSConfig: r.client, Header: ws.HandshakeHeaderHTTP(header)}
	scheme := "ws"
	if r.client != nil {
		scheme = "wss"
	}
	conn, early, _, err := d.Dial(ctx, fmt.Sprintf("%s://%s%s", scheme, r.Addrs[0], path))
	if err != nil {
		return nil, err
	}
	if early == nil {
		early = bufio.NewReader(conn)
	}
	return &tunnel{conn, early}, nil
}

// get makes a plain request on a connection of its own.
func (r *running) get(t *testing.T, path string, from netip.Addr) (status int, body string, header http.Header) {
	t.Helper()
	scheme := "http"
	if r.client != nil {
		scheme = "https"
	}
	dialer := &net.Dialer{}
	if from.IsValid() {
		dialer.LocalAddr = &net.TCPAddr{IP: from.AsSlice()}
	}
	client := &http.Client{Timeout: patience,
		Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: r.client, DialContext: dialer.DialContext}}
	resp, err := client.Get(fmt.Sprintf("%s://%s%s", scheme, r.Addrs[0], path))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text), resp.Header
}

// certificates are a trial's, for the addresses of these tests.
func certificates(t *testing.T, lasts ...int) *targets.Certificates {
	t.Helper()
	var addrs []netip.Addr
	for _, last := range lasts {
		addrs = append(addrs, netip.MustParseAddr(loopback(t, last)))
	}
	made, err := certs.Make(t.TempDir(), addrs)
	if err != nil {
		t.Fatal(err)
	}
	files := targets.Certificates(made)
	return &files
}

// trusting is a client's configuration that believes a trial's authority alone.
func trusting(t *testing.T, files *targets.Certificates, name netip.Addr) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(files.CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatal("the authority's file holds no certificate")
	}
	return &tls.Config{RootCAs: roots, ServerName: name.String()}
}

type tunnel struct {
	net.Conn
	early *bufio.Reader
}

func (c *tunnel) Read(b []byte) (int, error) { return c.early.Read(b) }

// echo sends a message and returns the answer.
func (c *tunnel) echo(text string) (string, error) {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if err := wsutil.WriteClientText(c, []byte(text)); err != nil {
		return "", err
	}
	answer, err := wsutil.ReadServerText(c)
	return string(answer), err
}

// open makes n tunnels and proves each by an echo.
func (r *running) open(t *testing.T, n int) []*tunnel {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var all []*tunnel
	t.Cleanup(func() { r.closeAll(t, all) })
	for i := range n {
		c, err := r.dial(ctx)
		if err != nil {
			t.Fatalf("tunnel %d: %v", i, err)
		}
		all = append(all, c)
		want := fmt.Sprint("message ", i)
		if got, err := c.echo(want); err != nil || !strings.HasPrefix(got, want+" from ") {
			t.Fatalf("tunnel %d: got %q, %v", i, got, err)
		}
	}
	return all
}

func closeAll(all []*tunnel) {
	for _, c := range all {
		_ = c.Close() // it may have ended already
	}
}

// closeAll closes tunnels and waits until the server holds none: SIGTERM costs
// event and worker ten seconds while a thread has one.
func (r *running) closeAll(t *testing.T, all []*tunnel) {
	t.Helper()
	closeAll(all)
	if r.cmd == nil {
		return // stopped already
	}
	eventually(t, "the server's tunnels to end", func() (bool, string) {
		held, table := 0, socketTable(t)
		for _, pid := range r.pids(t)[1:] {
			held += r.clients(t, pid, table, established, closeWait)
		}
		return held == 0, fmt.Sprint(held, " sockets")
	})
}

func eventually(t *testing.T, what string, ok func() (bool, string)) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		good, state := ok()
		if good {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s: %s", patience, what, state)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func canDial(addr netip.AddrPort) bool {
	c, err := net.DialTimeout("tcp", addr.String(), time.Second)
	if err != nil {
		return false
	}
	return c.Close() == nil
}

func freeAddr(t *testing.T, host string) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// version is the TLS version that the server gives to clients.
func (r *running) version(t *testing.T) uint16 {
	t.Helper()
	c, err := tls.Dial("tcp", r.Addrs[0].String(), r.client)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().Version
}
