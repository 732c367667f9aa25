package script_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"wsgauge/echo"
	"wsgauge/echo/node"
	"wsgauge/echo/python"
	"wsgauge/echo/script"
)

// runtimes are all that there are, by the names that scenarios have for them. Each is
// looked for once.
var runtimes = []struct {
	name string
	find func() (*script.Script, error)
}{
	{"node", sync.OnceValues(func() (*script.Script, error) { return node.Find(context.Background()) })},
	{"python", sync.OnceValues(func() (*script.Script, error) { return python.Find(context.Background()) })},
}

// each runs a test with every runtime that this machine has.
func each(t *testing.T, test func(*testing.T, *script.Script)) {
	t.Helper()
	for _, r := range runtimes {
		t.Run(r.name, func(t *testing.T) {
			s, err := r.find()
			var missing *script.MissingError
			if errors.As(err, &missing) {
				t.Skipf("skipped: %v (make setup-backends installs it where it may)", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			test(t, s)
		})
	}
}

// server is one that runs for a test.
type server struct {
	addr netip.AddrPort
	cmd  *exec.Cmd
	out  bytes.Buffer
	done chan struct{}
}

// start starts a server and waits for an echo through it, as the runner does.
func start(t *testing.T, s *script.Script, cert, key string, trust *tls.Config) *server {
	t.Helper()
	v := launch(t, s, free(t), cert, key)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		err := echo.ProbeTLS(ctx, v.addr, "", "/", netip.Addr{}, trust)
		if err == nil {
			return v
		}
		select {
		case <-v.done:
			t.Fatalf("it ended: %s", v.out.String())
		case <-ctx.Done():
			t.Fatalf("not ready: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func launch(t *testing.T, s *script.Script, addr netip.AddrPort, cert, key string) *server {
	t.Helper()
	path, err := s.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	argv := s.Command(path, addr, echo.DefaultMaxMessage, cert, key)
	v := &server{addr: addr, cmd: exec.Command(argv[0], argv[1:]...), done: make(chan struct{})}
	v.cmd.Stdout, v.cmd.Stderr = &v.out, &v.out
	v.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := v.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		v.cmd.Wait() // how it ended is in ProcessState
		close(v.done)
	}()
	t.Cleanup(func() {
		v.cmd.Process.Signal(syscall.SIGCONT)
		v.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-v.done:
		case <-time.After(5 * time.Second):
			v.cmd.Process.Kill()
			<-v.done
			t.Error("it did not end on SIGTERM")
		}
		if text := v.out.String(); text != "" && !t.Failed() && !strings.HasPrefix(text, "echo: ") {
			t.Errorf("it said: %s", text)
		}
	})
	return v
}

// free is an address on which nobody listens.
func free(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// peer is a client's end, raw.
type peer struct {
	t testing.TB
	net.Conn
	from *bufio.Reader
}

func open(t testing.TB, v *server, d ws.Dialer) (*peer, ws.Handshake) {
	t.Helper()
	url := "ws://"
	if d.TLSConfig != nil {
		url = "wss://"
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, early, h, err := d.Dial(ctx, url+v.addr.String()+"/any?path")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(30 * time.Second))
	if early == nil {
		early = bufio.NewReader(c)
	}
	return &peer{t, c, early}, h
}

func (p *peer) send(frames ...[]byte) {
	p.t.Helper()
	if _, err := p.Write(bytes.Join(frames, nil)); err != nil {
		p.t.Fatalf("sending: %v", err)
	}
}

func (p *peer) frame() ws.Frame {
	p.t.Helper()
	f, err := ws.ReadFrame(p.from)
	if err != nil {
		p.t.Fatalf("waiting for a frame: %v", err)
	}
	if f.Header.Masked || f.Header.Rsv != 0 {
		p.t.Fatalf("the server sent %+v", f.Header)
	}
	return f
}

// expect wants a message, in one frame or several, or a control frame.
func (p *peer) expect(op ws.OpCode, payload []byte) {
	p.t.Helper()
	f := p.frame()
	got := f.Payload
	for last := f; !last.Header.Fin; got = append(got, last.Payload...) {
		if last = p.frame(); last.Header.OpCode != ws.OpContinuation {
			p.t.Fatalf("opcode %#x within a message", last.Header.OpCode)
		}
	}
	if f.Header.OpCode != op || !bytes.Equal(got, payload) {
		p.t.Fatalf("got opcode %#x with %d bytes %.40q, want %#x with %d bytes %.40q",
			f.Header.OpCode, len(got), got, op, len(payload), payload)
	}
}

// expectClose wants a Close with code (0: an empty one), whatever the reason, and then
// the end of the stream, not a reset.
func (p *peer) expectClose(code ws.StatusCode) {
	p.t.Helper()
	f := p.frame()
	got := ws.StatusCode(0)
	if f.Header.OpCode == ws.OpClose && f.Header.Length > 0 {
		got, _ = ws.ParseCloseFrameData(f.Payload)
	}
	if f.Header.OpCode != ws.OpClose || got != code {
		p.t.Fatalf("got opcode %#x with code %d, want a Close with %d", f.Header.OpCode, got, code)
	}
	if rest, err := io.ReadAll(p.from); err != nil || len(rest) != 0 {
		p.t.Fatalf("%d bytes and %v instead of the end of the stream", len(rest), err)
	}
}

// masked compiles a client's frame. The payload is copied.
func masked(op ws.OpCode, fin bool, payload []byte) []byte {
	f := ws.NewFrame(op, fin, bytes.Clone(payload))
	return ws.MustCompileFrame(ws.MaskFrameInPlaceWith(f, [4]byte{0x12, 0xe4, 0x56, 0xf8}))
}

// pattern is n bytes that differ by their place.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8*13 + i>>16)
	}
	return b
}

// readEnv is a variable of the environment that makes long tests run.
func readEnv(name string) bool { return os.Getenv(name) != "" }

func mustURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}
