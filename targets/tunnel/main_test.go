package tunnel

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// childEnv makes the test binary a tunnel process of its own: for what can be
// seen only from outside (memory, descriptors) or would hurt the test (limits).
const childEnv = "WSGAUGE_TUNNEL_TEST_CHILD"

type childPlan struct {
	Options Options
	Nofile  uint64 // 0: inherited
}

func TestMain(m *testing.M) {
	if plan := os.Getenv(childEnv); plan != "" {
		if err := runChild(plan); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// runChild prints the address, then the statistics for each line it is sent, and
// ends with its input.
func runChild(text string) error {
	var plan childPlan
	if err := json.Unmarshal([]byte(text), &plan); err != nil {
		return err
	}
	debug.SetGCPercent(200) // as the command does
	if plan.Nofile > 0 {
		var limit syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			return err
		}
		limit.Cur = plan.Nofile
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			return err
		}
	}
	s, err := Listen(plan.Options)
	if err != nil {
		return err
	}
	fmt.Println(s.Addr())
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			out, err := json.Marshal(s.Stats())
			fmt.Println(string(out), err)
		}
		cancel()
	}()
	return s.Serve(ctx)
}

// child is a tunnel in a process of its own.
type child struct {
	t    testing.TB
	addr netip.AddrPort
	pid  int
	in   io.WriteCloser
	out  *bufio.Reader
}

func startChild(t testing.TB, plan childPlan) *child {
	t.Helper()
	plan.Options.Listen = anyPort
	text, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, pid: cmd.Process.Pid, in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("tunnel process: %v", err)
		}
	})
	c.addr = netip.MustParseAddrPort(strings.TrimSpace(c.line()))
	return c
}

func (c *child) line() string {
	c.t.Helper()
	line, err := c.out.ReadString('\n')
	if err != nil {
		c.t.Fatalf("tunnel process: %v", err)
	}
	return line
}

func (c *child) stats() (s Stats) {
	c.t.Helper()
	if _, err := fmt.Fprintln(c.in); err != nil {
		c.t.Fatal(err)
	}
	if err := json.NewDecoder(strings.NewReader(c.line())).Decode(&s); err != nil {
		c.t.Fatal(err)
	}
	return s
}

// descriptors gives the numbers of those that are open.
func (c *child) descriptors() map[int]bool {
	c.t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", c.pid))
	if err != nil {
		c.t.Fatal(err)
	}
	open := make(map[int]bool)
	for _, e := range entries {
		n, err := strconv.Atoi(e.Name())
		if err != nil {
			c.t.Fatal(err)
		}
		open[n] = true
	}
	return open
}

var anyPort = netip.MustParseAddrPort("127.0.0.1:0")

const (
	upgradeRequest = "GET /chat?x=1 HTTP/1.1\r\nHost: example.org\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)

// backend is a server of which a test decides every byte.
type backend struct {
	t    testing.TB
	addr netip.AddrPort
	ln   *net.TCPListener
}

func listenBackend(t testing.TB) *backend {
	t.Helper()
	ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(anyPort))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return &backend{t: t, addr: ln.Addr().(*net.TCPAddr).AddrPort(), ln: ln}
}

// accept gives the next connection that the tunnel has dialled.
func (b *backend) accept() *peer {
	b.t.Helper()
	if err := b.ln.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		b.t.Fatal(err)
	}
	c, err := b.ln.AcceptTCP()
	if err != nil {
		b.t.Fatalf("nothing reached the backend: %v", err)
	}
	return newPeer(b.t, c)
}

// none checks that nothing connects.
func (b *backend) none() {
	b.t.Helper()
	if err := b.ln.SetDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		b.t.Fatal(err)
	}
	if c, err := b.ln.AcceptTCP(); err == nil {
		c.Close()
		b.t.Error("the backend was dialled")
	}
}

// echo serves every connection until the listener closes: 101, then every byte
// comes back.
func (b *backend) echo() {
	go func() {
		for {
			c, err := b.ln.AcceptTCP()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if _, err := readHead(c); err != nil {
					return
				}
				if _, err := io.WriteString(c, switching); err != nil {
					return
				}
				buf := make([]byte, 512)
				for {
					n, err := c.Read(buf)
					if err != nil {
						return
					}
					if _, err := c.Write(buf[:n]); err != nil {
						return
					}
				}
			}()
		}
	}()
}

// readHead reads to an empty line and not a byte further.
func readHead(c io.Reader) (string, error) {
	var head []byte
	one := make([]byte, 1)
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		if _, err := c.Read(one); err != nil {
			return string(head), err
		}
		head = append(head, one[0])
	}
	return string(head), nil
}

// peer is one end of a connection in a test; everything fails within seconds.
type peer struct {
	*net.TCPConn
	t testing.TB
}

func newPeer(t testing.TB, c *net.TCPConn) *peer {
	t.Helper()
	t.Cleanup(func() { c.Close() })
	p := &peer{c, t}
	p.extend()
	return p
}

// extend gives everything on this connection another ten seconds.
func (p *peer) extend() {
	p.t.Helper()
	if err := p.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		p.t.Fatal(err)
	}
}

func dial(t testing.TB, addr netip.AddrPort) *peer {
	t.Helper()
	c, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(addr))
	if err != nil {
		t.Fatal(err)
	}
	return newPeer(t, c)
}

func (p *peer) send(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p, text); err != nil {
		p.t.Fatalf("sending %.20q: %v", text, err)
	}
}

func (p *peer) expect(text string) {
	p.t.Helper()
	got := make([]byte, len(text))
	n, err := io.ReadFull(p, got)
	if err != nil || string(got) != text {
		p.t.Fatalf("read %q, %v; want %q", got[:n], err, text)
	}
}

// expectEnd checks that FIN comes next.
func (p *peer) expectEnd() {
	p.t.Helper()
	if n, err := p.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		p.t.Fatalf("read %d bytes, %v; want the end", n, err)
	}
}

// silent checks that nothing comes for a moment.
func (p *peer) silent() {
	p.t.Helper()
	if err := p.SetReadDeadline(time.Now().Add(40 * time.Millisecond)); err != nil {
		p.t.Fatal(err)
	}
	if n, err := p.Read(make([]byte, 1)); !os.IsTimeout(err) {
		p.t.Fatalf("read %d bytes, %v; want nothing", n, err)
	}
	if err := p.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) reset() {
	p.t.Helper()
	if err := p.SetLinger(0); err != nil {
		p.t.Fatal(err)
	}
	p.Close()
}

// all reads to the end and tells how it came.
func (p *peer) all() (string, error) {
	data, err := io.ReadAll(p)
	return string(data), err
}

// serve runs a tunnel in this process until the test ends.
func serve(t testing.TB, o Options) *Server {
	t.Helper()
	if !o.Listen.IsValid() {
		o.Listen = anyPort
	}
	s, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return s
}

// open opens a tunnel and gives both of its peers.
func open(t testing.TB, addr netip.AddrPort, b *backend) (client, server *peer) {
	t.Helper()
	client = dial(t, addr)
	client.send(upgradeRequest)
	server = b.accept()
	server.expect(upgradeRequest)
	server.send(switching)
	client.expect(switching)
	return client, server
}

// on looks at a server's state from its loop's thread.
func on[T any](t testing.TB, s *Server, look func() T) T {
	t.Helper()
	seen := make(chan T, 1)
	if !s.loop.Post(func() { seen <- look() }) {
		t.Fatal("the loop has ended")
	}
	return <-seen
}

// eventually waits for something that another process or thread is about to do.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within five seconds: %s", what)
		}
	}
}

// clean checks that a server holds nothing any more.
func clean(t testing.TB, s *Server) {
	t.Helper()
	eventually(t, "everything is given back", func() bool {
		return on(t, s, func() bool {
			return s.loop.Open() == 1 && s.admitted == 0 && s.pool.lent == 0 && len(s.unwatched) == 0
		})
	})
	if n := s.Stats().Open; n != 0 {
		t.Errorf("%d tunnels are said to be open", n)
	}
}

func backends(all ...*backend) (addrs []netip.AddrPort) {
	for _, b := range all {
		addrs = append(addrs, b.addr)
	}
	return addrs
}
