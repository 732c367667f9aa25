package script_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"wsgauge/echo"
	"wsgauge/echo/script"
	"wsgauge/internal/certs"
	"wsgauge/internal/tlsconn"
)

func TestEchoes(t *testing.T) {
	each(t, func(t *testing.T, s *script.Script) {
		v := start(t, s, "", "", nil)
		p, _ := open(t, v, ws.Dialer{})
		for _, n := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
			p.send(masked(ws.OpBinary, true, pattern(n)))
			p.expect(ws.OpBinary, pattern(n))
		}
		p.send(masked(ws.OpText, true, []byte("grüß\x00 dich")))
		p.expect(ws.OpText, []byte("grüß\x00 dich"))
		// Many at once, in their order; fragments cut within a character, and control
		// frames between them.
		p.send(masked(ws.OpText, false, []byte("gr\xc3")), masked(ws.OpPing, true, []byte("are you there?")),
			masked(ws.OpPong, true, []byte("unasked")), masked(ws.OpContinuation, false, nil),
			masked(ws.OpContinuation, true, []byte("\xbc\xc3\x9f")), masked(ws.OpBinary, true, []byte{7}))
		p.expect(ws.OpPong, []byte("are you there?"))
		p.expect(ws.OpText, []byte("grüß"))
		p.expect(ws.OpBinary, []byte{7})
		// The end of the connection is the server's (RFC 6455 section 7.1.1).
		p.send(masked(ws.OpClose, true, nil))
		p.expectClose(0)
	})
}

func TestLargestMessage(t *testing.T) {
	each(t, func(t *testing.T, s *script.Script) {
		v := start(t, s, "", "", nil)
		p, _ := open(t, v, ws.Dialer{})
		largest := pattern(echo.DefaultMaxMessage)
		p.send(masked(ws.OpBinary, true, largest))
		p.expect(ws.OpBinary, largest)
		// The claim alone is refused; the message is not waited for.
		header := masked(ws.OpBinary, true, pattern(echo.DefaultMaxMessage+1))[:14]
		p.send(header)
		p.expectClose(ws.StatusMessageTooBig)
		p, _ = open(t, v, ws.Dialer{})
		half := pattern(echo.DefaultMaxMessage/2 + 1)
		p.send(masked(ws.OpBinary, false, half), masked(ws.OpContinuation, true, half)[:14])
		p.expectClose(ws.StatusMessageTooBig)
	})
}

func TestCloses(t *testing.T) {
	each(t, func(t *testing.T, s *script.Script) {
		v := start(t, s, "", "", nil)
		for name, c := range map[string]struct {
			frame []byte
			code  ws.StatusCode
		}{
			"normal":      {masked(ws.OpClose, true, ws.NewCloseFrameBody(1000, "that was all")), 1000},
			"going away":  {masked(ws.OpClose, true, ws.NewCloseFrameBody(1001, "")), 1001},
			"of a user":   {masked(ws.OpClose, true, ws.NewCloseFrameBody(4999, "")), 4999},
			"not masked":  {ws.MustCompileFrame(ws.NewTextFrame([]byte("x"))), ws.StatusProtocolError},
			"reserved":    {masked(ws.OpCode(3), true, nil), ws.StatusProtocolError},
			"not UTF-8":   {masked(ws.OpText, true, []byte{0xff}), ws.StatusInvalidFramePayloadData},
			"lonely":      {masked(ws.OpContinuation, true, nil), ws.StatusProtocolError},
			"split ping":  {masked(ws.OpPing, false, nil), ws.StatusProtocolError},
			"wrong close": {masked(ws.OpClose, true, ws.NewCloseFrameBody(1005, "")), ws.StatusProtocolError},
		} {
			t.Run(name, func(t *testing.T) {
				p, _ := open(t, v, ws.Dialer{})
				p.send(c.frame)
				p.expectClose(c.code)
			})
		}
		p, _ := open(t, v, ws.Dialer{}) // nobody else has suffered
		p.send(masked(ws.OpText, true, []byte("still here")))
		p.expect(ws.OpText, []byte("still here"))
	})
}

func TestHandshake(t *testing.T) {
	each(t, func(t *testing.T, s *script.Script) {
		v := start(t, s, "", "", nil)
		_, h := open(t, v, ws.Dialer{Protocols: []string{"second.example", "first.example"},
			Extensions: nil, Header: ws.HandshakeHeaderString("Sec-WebSocket-Extensions: permessage-deflate\r\nOrigin: https://elsewhere.example\r\n")})
		if h.Protocol != "second.example" || len(h.Extensions) != 0 {
			t.Errorf("agreed to protocol %q and extensions %v; want the first that was offered, and none", h.Protocol, h.Extensions)
		}
		client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}}
		defer client.CloseIdleConnections()
		answer, err := client.Get("http://" + v.addr.String() + "/some/page?x=1")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if answer.StatusCode != 200 || string(body) != "wsgauge echo\n" || err != nil {
			t.Errorf("a plain GET: %s %q %v", answer.Status, body, err)
		}
		for what, head := range map[string]string{
			"an old version": "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 7\r\n",
			"no key":         "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n",
		} {
			c, err := net.Dial("tcp", v.addr.String())
			if err != nil {
				t.Fatal(err)
			}
			c.SetDeadline(time.Now().Add(10 * time.Second))
			fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %v\r\n%s\r\n", v.addr, head)
			got, err := io.ReadAll(c)
			c.Close()
			if text := string(got); err != nil || !strings.HasPrefix(text, "HTTP/1.1 4") {
				t.Errorf("%s: %v, answered %.60q; want a status of 400 or more and the end", what, err, text)
			}
		}
	})
}

func TestTLS(t *testing.T) {
	each(t, func(t *testing.T, s *script.Script) {
		files, err := certs.Make(t.TempDir(), []netip.Addr{netip.MustParseAddr("127.0.0.1")})
		if err != nil {
			t.Fatal(err)
		}
		ca, err := os.ReadFile(files.CA)
		if err != nil {
			t.Fatal(err)
		}
		trust := func(version string) *tls.Config {
			c, err := tlsconn.ClientConfig(ca, "127.0.0.1", tlsconn.Options{Min: version, Max: version})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		v := start(t, s, files.Cert, files.Key, trust("1.3"))
		for _, version := range []string{"1.2", "1.3"} {
			p, _ := open(t, v, ws.Dialer{TLSConfig: trust(version)})
			p.send(masked(ws.OpBinary, true, pattern(300_000)))
			p.expect(ws.OpBinary, pattern(300_000))
			p.send(masked(ws.OpClose, true, ws.NewCloseFrameBody(1000, "")))
			p.expectClose(1000)
		}
	})
}

// A burst of connects waits in the kernel, also while the server is not there to take
// them; the libraries' own backlogs are 100 and 511.
func TestManyAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s *script.Script) {
		const most = 700
		v := start(t, s, "", "", nil)
		if err := v.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		sockets := make([]net.Conn, most)
		for i := range sockets {
			c, err := net.DialTimeout("tcp", v.addr.String(), 500*time.Millisecond)
			if err != nil {
				t.Fatalf("connection %d, while it is stopped: %v", i, err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(20 * time.Second))
			sockets[i] = c
		}
		if err := v.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		errs := make([]error, most)
		var all sync.WaitGroup
		for i, c := range sockets {
			all.Go(func() { errs[i] = once(c, v, byte(i)) })
		}
		all.Wait()
		for i, err := range errs {
			if err != nil {
				t.Fatalf("connection %d of %d: %v", i, most, err)
			}
		}
	})
}

// once upgrades a connection and has a message echoed.
func once(c net.Conn, v *server, b byte) error {
	_, _, err := ws.Dialer{}.Upgrade(c, mustURL("ws://"+v.addr.String()))
	if err != nil {
		return err
	}
	if _, err := c.Write(masked(ws.OpBinary, true, []byte{b})); err != nil {
		return err
	}
	f, err := ws.ReadFrame(c)
	if err == nil && (len(f.Payload) != 1 || f.Payload[0] != b) {
		err = fmt.Errorf("got %x", f.Payload)
	}
	return err
}

// A client that does not read is not read from either, and gets everything later.
func TestSlowReader(t *testing.T) {
	each(t, func(t *testing.T, s *script.Script) {
		v := start(t, s, "", "", nil)
		p, _ := open(t, v, ws.Dialer{})
		message := pattern(64 << 10)
		const messages = 1600 // 100 MiB; sockets' buffers hold 10 at most
		accepted := make(chan int, 1)
		go func() {
			for i := range messages {
				p.SetWriteDeadline(time.Now().Add(time.Second))
				if _, err := p.Write(masked(ws.OpBinary, true, message)); err != nil {
					accepted <- i // that one was accepted in part
					return
				}
			}
			accepted <- messages
		}()
		n := <-accepted
		if n > messages/2 {
			t.Fatalf("%d of %d messages were accepted of a client that reads nothing", n, messages)
		}
		for range n {
			p.expect(ws.OpBinary, message)
		}
		other, _ := open(t, v, ws.Dialer{})
		other.send(masked(ws.OpText, true, []byte("a bystander")))
		other.expect(ws.OpText, []byte("a bystander"))
	})
}

func TestPortTaken(t *testing.T) {
	each(t, func(t *testing.T, s *script.Script) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		v := launch(t, s, l.Addr().(*net.TCPAddr).AddrPort(), "", "")
		select {
		case <-v.done:
		case <-time.After(20 * time.Second):
			t.Fatal("it goes on with a port that is taken")
		}
		if text := v.out.String(); v.cmd.ProcessState.ExitCode() != 1 || !strings.Contains(text, "in use") {
			t.Errorf("exit code %d: %s", v.cmd.ProcessState.ExitCode(), text)
		}
	})
}

// TestSilence holds connections for longer than the libraries' own heartbeats and
// timeouts would leave them alone (20 and 5 seconds, a minute for a request).
func TestSilence(t *testing.T) {
	idle := 2 * time.Second
	if readEnv("WSGAUGE_EVIDENCE") {
		idle = 100 * time.Second
	}
	each(t, func(t *testing.T, s *script.Script) {
		t.Parallel()
		v := start(t, s, "", "", nil)
		p, _ := open(t, v, ws.Dialer{})
		bare, err := net.Dial("tcp", v.addr.String()) // has not said anything yet
		if err != nil {
			t.Fatal(err)
		}
		defer bare.Close()
		p.SetDeadline(time.Now().Add(idle))
		if n, err := p.from.Read(make([]byte, 100)); n > 0 || !os.IsTimeout(err) {
			t.Fatalf("%d bytes and %v from a server that was asked nothing", n, err)
		}
		p.SetDeadline(time.Now().Add(20 * time.Second))
		p.send(masked(ws.OpText, true, []byte("good morning")))
		p.expect(ws.OpText, []byte("good morning"))
		bare.SetDeadline(time.Now().Add(20 * time.Second))
		if err := once(bare, v, 1); err != nil {
			t.Errorf("a connection that was silent before its request: %v", err)
		}
	})
}
