package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"wsgauge/echo"
	"wsgauge/echo/node"
	"wsgauge/echo/python"
	"wsgauge/echo/script"
	"wsgauge/internal/certs"
	"wsgauge/internal/tlsconn"
)

// needBackend skips a test whose runtime is not here.
func needBackend(t *testing.T, runtime string) {
	t.Helper()
	find := map[string]func(context.Context) (*script.Script, error){"node": node.Find, "python": python.Find}[runtime]
	_, err := find(t.Context())
	var missing *script.MissingError
	if errors.As(err, &missing) {
		t.Skipf("skipped: %v (make setup-backends installs it where it may)", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

const throughBackend = `
name: backends
about: one after the other
backend: %s
targets: [direct, tunnel]
blocks: 1
steps:
  - connect: {connections: 30, rate: 300/s}
  - send: {rate: 200/s, size: {choose: {16B: 1, 300B: 1, 70KiB: 1}}, for: 500ms, warmup: 200ms, text: true, fragments: 3}
  - hold: {for: 600ms, ping: {every: 200ms}}
  - close: {}
`

func TestBackendsOfOtherRuntimes(t *testing.T) {
	for _, runtime := range []string{"node", "python"} {
		for _, tls := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s tls %v", runtime, tls), func(t *testing.T) {
				t.Parallel()
				needBackend(t, runtime)
				r := start(t, fmt.Sprintf(throughBackend, fmt.Sprintf("{runtime: %s, instances: 2, tls: %v}", runtime, tls)))
				r.passed(time.Minute)
				data := r.records()
				b := data.Run.Backend
				if b == nil || b.Runtime != runtime || b.Instances != 2 || b.TLS != tls || b.SHA256 == "" || !filepath.IsAbs(b.Path) || !strings.Contains(b.Version, ", w") {
					t.Errorf("the record says of the backend: %+v", b)
				}
				if len(data.Trials) != 2 {
					t.Fatalf("%d trials", len(data.Trials))
				}
				for _, trial := range data.Trials {
					m := trial.Messages
					if trial.Error != "" || m.Answered == 0 || m.Answered != m.Sent || len(trial.Failures) > 0 ||
						trial.Closures["closed_by_us"] != 30 || len(trial.Closures) > 1 {
						t.Errorf("%s: %q, messages %+v, failures %v, closures %v", trial.Target, trial.Error, m, trial.Failures, trial.Closures)
					}
					if p := trial.Ping; p == nil || p.Count == 0 {
						t.Errorf("%s: no ping was answered", trial.Target)
					}
					of := trial.Resources["backend"]
					if of == nil || of.ProcessesPeak == nil || *of.ProcessesPeak != 2 {
						t.Errorf("%s: resources of the backends: %+v", trial.Target, of)
					}
				}
			})
		}
	}
}

// A backend whose controller is killed goes with it.
func TestKilledRunLeavesNoBackend(t *testing.T) {
	for runtime, word := range map[string]string{"node": "server.mjs", "python": "server.py"} {
		t.Run(runtime, func(t *testing.T) {
			t.Parallel()
			needBackend(t, runtime)
			r := start(t, fmt.Sprintf(`
name: killed
about: in the middle of it
backend: {runtime: %s, instances: 3}
targets: [direct]
blocks: 1
steps:
  - connect: {connections: 10, rate: 1000/s}
  - hold: {for: 1m}
`, runtime))
			r.child("agent", 30*time.Second)
			if n := len(r.processes(word)); n != 3 {
				t.Errorf("%d backends run, want 3", n)
			}
			r.cmd.Process.Signal(syscall.SIGKILL)
			<-r.ended
			for deadline := time.Now().Add(10 * time.Second); len(r.processes(word)) > 0; time.Sleep(20 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("still there: %v", r.processes(word))
				}
			}
		})
	}
}

// elsewhere is an echo server that is not the run's.
func elsewhere(t *testing.T, o echo.Options) netip.AddrPort {
	t.Helper()
	o.Addr = netip.MustParseAddrPort("127.0.0.1:0")
	s, err := echo.Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s.Addr()
}

const external = `
name: external
about: a backend that runs already
backend: {external: "%s"}
targets: [direct, tunnel]
blocks: 1
steps:
  - connect: {connections: 10, rate: 300/s}
  - connect: {connections: 1, rate: 300/s, path: /own, group: own}
  - send: {rate: 100/s, size: 100B, for: 500ms, warmup: 200ms}
  - close: {}
`

func TestExternalBackend(t *testing.T) {
	seen := &firstLines{}
	addr := seen.relay(t, elsewhere(t, echo.Options{}))
	// Somebody else's connection to it must not be waited for.
	other, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	fmt.Fprintf(other, "GET /other HTTP/1.1\r\n")
	r := start(t, fmt.Sprintf(external, fmt.Sprintf("ws://localhost:%d/room?n=1", addr.Port())))
	r.passed(time.Minute)
	data := r.records()
	b := data.Run.Backend
	if b == nil || b.Runtime != "" || b.Path != "" || !strings.HasPrefix(b.URL, "ws://localhost:") || !slices.Equal(b.Addrs, []netip.AddrPort{addr}) {
		t.Errorf("the record says of the backend: %+v", b)
	}
	for _, trial := range data.Trials {
		if m := trial.Messages; trial.Error != "" || m.Answered == 0 || m.Answered != m.Sent || len(trial.Failures) > 0 || trial.Resources["backend"] != nil {
			t.Errorf("%s: %q, messages %+v, failures %v, backend %+v", trial.Target, trial.Error, m, trial.Failures, trial.Resources["backend"])
		}
	}
	count := seen.count()
	// Besides the clients of two trials: the tunnel's probe, and preflight's.
	if count["GET /room?n=1 HTTP/1.1"] != 2*10+2 || count["GET /own HTTP/1.1"] != 2 {
		t.Errorf("requests: %v", count)
	}
}

func TestExternalBackendByWSS(t *testing.T) {
	files, err := certs.Make(t.TempDir(), []netip.Addr{netip.MustParseAddr("127.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	config, err := tlsconn.ServerConfig(files.Cert, files.Key, tlsconn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	url := fmt.Sprintf("wss://%v/", elsewhere(t, echo.Options{TLS: config}))
	t.Run("trusted", func(t *testing.T) {
		t.Setenv("SSL_CERT_FILE", files.CA)
		r := start(t, fmt.Sprintf(external, url))
		r.passed(time.Minute)
		for _, trial := range r.records().Trials {
			if m := trial.Messages; trial.Error != "" || m.Answered == 0 || m.Answered != m.Sent || len(trial.Failures) > 0 {
				t.Errorf("%s: %q, messages %+v, failures %v", trial.Target, trial.Error, m, trial.Failures)
			}
		}
	})
	t.Run("not trusted", func(t *testing.T) {
		strange := filepath.Join(t.TempDir(), "ca.pem")
		other, err := certs.Make(t.TempDir(), nil)
		if err == nil {
			err = os.Rename(other.CA, strange)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv("SSL_CERT_FILE", strange)
		refuses(t, url, "does not echo", "certificate signed by unknown authority")
	})
}

func TestExternalBackendThatDoesNotEcho(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	l.Close()
	refuses(t, "ws://"+nobody+"/", "backend: external: it does not echo", "connection refused", "start it first")
	refuses(t, "ws://nowhere.invalid:9001/", "backend: external: finding the address of nowhere.invalid")
}

// refuses wants a run to end with an error before it begins.
func refuses(t *testing.T, url string, words ...string) {
	t.Helper()
	r := start(t, fmt.Sprintf(external, url))
	if code := r.exit(time.Minute); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	for _, word := range words {
		if !strings.Contains(r.output.String(), word) {
			t.Errorf("%q is not in:\n%s", word, r.output.String())
		}
	}
	if _, err := os.Stat(r.dir); err == nil {
		t.Error("the run's directory was made")
	}
}

// firstLines are those of what a relay has led on, by how often they came.
type firstLines struct {
	mu    sync.Mutex
	lines map[string]int
}

func (f *firstLines) count() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lines
}

// relay leads connections to an address, and notes the first line of each.
func (f *firstLines) relay(t *testing.T, to netip.AddrPort) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	f.lines = map[string]int{}
	all.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { f.lead(from, to) })
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func (f *firstLines) lead(from net.Conn, to netip.AddrPort) {
	defer from.Close()
	from.SetDeadline(time.Now().Add(time.Minute))
	first := make([]byte, 4096)
	n, err := from.Read(first)
	if err != nil {
		return
	}
	line, _, whole := strings.Cut(string(first[:n]), "\r\n")
	if !whole {
		return
	}
	f.mu.Lock()
	f.lines[line]++
	f.mu.Unlock()
	onward, err := net.Dial("tcp", to.String())
	if err != nil {
		return
	}
	defer onward.Close()
	if _, err := onward.Write(first[:n]); err != nil {
		return
	}
	back := make(chan struct{})
	go func() {
		defer close(back)
		io.Copy(from, onward) // ends with either
		from.Close()
	}()
	io.Copy(onward, from)
	onward.(*net.TCPConn).CloseWrite()
	<-back
}
