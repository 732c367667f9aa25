package echo

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

const key = "dGhlIHNhbXBsZSBub25jZQ==" // the standard's own (section 1.3)

const handshake = "GET /chat HTTP/1.1\r\nHost: example.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: " + key + "\r\nSec-WebSocket-Version: 13\r\n\r\n"

func respond(t testing.TB, p *peer) *http.Response {
	t.Helper()
	r, err := http.ReadResponse(p.Reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestHandshakeIsAnsweredByTheStandard(t *testing.T) {
	s := serve(t, Options{})
	without := func(header string) string {
		var b strings.Builder
		for line := range strings.SplitAfterSeq(handshake, "\r\n") {
			if !strings.HasPrefix(line, header+":") {
				b.WriteString(line)
			}
		}
		return b.String()
	}
	with := func(line string) string { return strings.Replace(handshake, "\r\n", "\r\n"+line+"\r\n", 1) }
	swap := func(a, b string) string {
		if !strings.Contains(handshake, a) {
			t.Fatal(a)
		}
		return strings.Replace(handshake, a, b, 1)
	}
	for _, c := range []struct {
		name, head string
		want       int
	}{
		{"as it should be", handshake, 101},
		{"names and values in any case", swap("Upgrade: websocket", "uPGRADE:WebSocket"), 101},
		{"more in Connection", swap("Connection: Upgrade", "Connection: keep-alive, upgrade"), 101},
		{"an extension is offered", with("Sec-WebSocket-Extensions: permessage-deflate"), 101},
		{"empty line before", "\r\n" + handshake, 101},
		{"no Host", without("Host"), 400},
		{"two Hosts", with("Host: b"), 400},
		{"no Upgrade", without("Upgrade"), 400},
		{"no Connection", without("Connection"), 400},
		{"no Key", without("Sec-WebSocket-Key"), 400},
		{"short key", swap(key, "dGhlIHNhbXBsZQ=="), 400},
		{"long key", swap(key, key+key), 400},
		{"empty key", swap(key, ""), 400},
		{"key that is not base64", swap(key, "dGhlIHNhbXBsZSBub25j!Q=="), 400},
		{"no version", without("Sec-WebSocket-Version"), 400},
		{"old version", swap("Version: 13", "Version: 8"), 426},
		{"HTTP/1.0", swap("HTTP/1.1", "HTTP/1.0"), 505},
		{"POST", swap("GET", "POST"), 405},
		{"with a body", with("Content-Length: 3"), 400},
		{"space before the colon", swap("Host:", "Host :"), 400},
		{"folded line", with("X: a\r\n b"), 400},
		{"bare line feed", with("X: a\nY: b"), 400},
		{"control character", with("X: \x01"), 400},
		{"no version of HTTP", swap(" HTTP/1.1", ""), 400},
		{"line feed in the target", swap("/chat", "/ch\nat"), 400},
		{"the path that it says", with("X-Expect-URI: /chat"), 101},
		{"another path than it says", with("x-expect-uri: /chat?"), 400},
		{"an empty path is none", with("X-Expect-URI:"), 400},
		{"the origin that it says", with("Origin: https://a.test\r\nX-Expect-Origin: https://a.test"), 101},
		{"another origin than it says", with("Origin: https://b.test\r\nX-Expect-Origin: https://a.test"), 403},
		{"no origin, and it says one", with("X-Expect-Origin: https://a.test"), 403},
		{"an origin, and nothing said of it", with("Origin: https://b.test"), 101},
		{"garbage", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400}, // a TLS ClientHello
		{"refused as asked", with("X-Refuse: 200\r\nConnection: close"), 200},
		{"refused as asked, by an error", with("x-refuse: 503"), 503},
		{"refused by what is no status", with("X-Refuse: 101"), 400},
		{"refused by what has no body", with("X-Refuse: 204"), 400},
		{"not valid, and refused", with("X-Refuse: 200\r\nHost: b"), 400},
		{"too long", with("X: " + strings.Repeat("x", headLimit)), 431},
		{"never ends", "GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 2*headLimit), 431},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := dial(t, s)
			p.send([]byte(c.head))
			r := respond(t, p)
			if r.StatusCode != c.want {
				t.Fatalf("status %d, want %d", r.StatusCode, c.want)
			}
			if c.want == 101 {
				// Section 4.2.2; the accept value is the standard's own too.
				if got := r.Header.Get("Sec-WebSocket-Accept"); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
					t.Errorf("accept: %q", got)
				}
				if r.Header.Get("Sec-WebSocket-Extensions") != "" || r.Header.Get("Sec-WebSocket-Protocol") != "" {
					t.Errorf("agreed to what was not offered, or not to be had: %v", r.Header)
				}
				p.send(text("hi"))
				p.expect(ws.OpText, true, []byte("hi"))
				return
			}
			body, err := io.ReadAll(r.Body)
			if err != nil || len(body) == 0 {
				t.Errorf("body %q, %v", body, err)
			}
			if v := r.Header.Get("Sec-WebSocket-Version"); (v == "13") != (c.want == 426) {
				t.Errorf("version header: %q", v)
			}
			if !r.Close {
				t.Error("does not say that it closes")
			}
			p.expectEnd()
		})
	}
	settle(t, "connections", 0, s.Connections)
}

func TestFirstSubprotocolIsChosen(t *testing.T) {
	s := serve(t, Options{})
	for _, lines := range []string{"chat.v2, chat.v1", "chat.v2\r\nSec-WebSocket-Protocol: chat.v1"} {
		p := dial(t, s)
		p.send([]byte(strings.Replace(handshake, "\r\n", "\r\nSec-WebSocket-Protocol: "+lines+"\r\n", 1)))
		if got := respond(t, p).Header["Sec-Websocket-Protocol"]; len(got) != 1 || got[0] != "chat.v2" {
			t.Errorf("offered %q, chosen %q", lines, got)
		}
	}
}

func TestPlainRequests(t *testing.T) {
	s := serve(t, Options{})
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for i := range 5 {
		r, err := client.Get(fmt.Sprintf("http://%v/page/%d", s.Addr(), i))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || r.StatusCode != 200 || string(body) != greeting {
			t.Errorf("%d %q %v", r.StatusCode, body, err)
		}
		if date, err := http.ParseTime(r.Header.Get("Date")); err != nil || time.Since(date).Abs() > time.Minute {
			t.Errorf("date %q: %v", r.Header.Get("Date"), err)
		}
	}
	if n := s.Connections(); n != 1 {
		t.Errorf("%d connections for requests one after the other", n)
	}
	if r, err := client.Head("http://" + s.Addr().String()); err != nil || r.StatusCode != 200 || r.ContentLength != int64(len(greeting)) {
		t.Errorf("HEAD: %v %v", r, err)
	}
	for _, c := range []struct {
		head  string
		want  int
		keeps bool
	}{
		{"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200, false},
		{"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", 200, true},
		{"GET / HTTP/1.0\r\n\r\n", 200, false},
		{"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", 200, true},
		{"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 200, true},
		{"GET / HTTP/1.1\r\n\r\n", 400, false},
		{"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", 400, false},
		{"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, false},
		{"DELETE / HTTP/1.1\r\nHost: x\r\n\r\n", 405, false},
		{"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505, false},
	} {
		p := dial(t, s)
		p.send([]byte(c.head))
		r := respond(t, p)
		if _, err := io.Copy(io.Discard, r.Body); err != nil || r.StatusCode != c.want {
			t.Errorf("%q: %d, want %d (%v)", c.head, r.StatusCode, c.want, err)
		}
		if !c.keeps {
			p.expectEnd()
			continue
		}
		p.send([]byte(handshake)) // on the same connection
		if r := respond(t, p); r.StatusCode != 101 {
			t.Errorf("%q, then a handshake: %d", c.head, r.StatusCode)
		}
	}
}

// Pipelined: requests, a handshake and frames in one write.
func TestEverythingInOneWrite(t *testing.T) {
	s := serve(t, Options{})
	p := dial(t, s)
	get := "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	p.send(join([]byte(strings.Repeat(get, 100)+handshake), text("early"), binary(pattern(60_000))))
	for range 100 {
		if r := respond(t, p); r.StatusCode != 200 {
			t.Fatal(r.Status)
		} else if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Fatal(err)
		}
	}
	if r := respond(t, p); r.StatusCode != 101 {
		t.Fatal(r.Status)
	}
	p.expect(ws.OpText, true, []byte("early"))
	p.expect(ws.OpBinary, true, pattern(60_000))
}

// Over a real socket, every byte of a conversation is the last one of a segment
// once.
func TestSplitAtEveryByte(t *testing.T) {
	s := serve(t, Options{})
	whole := join([]byte(handshake), text("héllo"), masked(ws.OpBinary, false, pattern(130)),
		masked(ws.OpPing, true, []byte("p")), masked(ws.OpContinuation, true, nil),
		masked(ws.OpClose, true, ws.NewCloseFrameBody(1001, "x")))
	for at := 1; at < len(whole); at++ {
		p := dial(t, s)
		p.send(whole[:at])
		if at%8 == 0 { // let the server see the first part alone, now and then
			time.Sleep(200 * time.Microsecond)
		}
		p.send(whole[at:])
		if r := respond(t, p); r.StatusCode != 101 {
			t.Fatalf("split at %d: %s", at, r.Status)
		}
		p.expect(ws.OpText, true, []byte("héllo"))
		p.expect(ws.OpBinary, false, pattern(130))
		p.expect(ws.OpPong, true, []byte("p"))
		p.expect(ws.OpContinuation, true, nil)
		p.expectClose(1001)
		p.Close()
	}
	p := dial(t, s)
	for i := range whole {
		p.send(whole[i : i+1])
		if i%16 == 0 {
			time.Sleep(100 * time.Microsecond)
		}
	}
	if r := respond(t, p); r.StatusCode != 101 {
		t.Fatal(r.Status)
	}
	p.expect(ws.OpText, true, []byte("héllo"))
}

// A head that trickles in holds one small buffer, and is cut off at the bound.
func TestSlowHeadHoldsNoMoreThanTheBound(t *testing.T) {
	var k codec
	k.init(1 << 20)
	var s session
	var rest []byte
	line := []byte("X-Filler: 0123456789\r\n")
	head := []byte("GET / HTTP/1.1\r\nHost: x\r\n")
	for sent := 0; ; sent++ {
		out, kept, after := k.consume(&s, append(bytes.Clone(rest), head...))
		if after == fail {
			if sent*len(line) > 2*headLimit || !bytes.HasPrefix(out, []byte("HTTP/1.1 431 ")) {
				t.Errorf("after %d bytes: %q", sent*len(line), out)
			}
			return
		}
		if rest = bytes.Clone(kept); len(rest) > headLimit || len(out) > 0 {
			t.Fatalf("%d bytes held, answer %q", len(rest), out)
		}
		head = line
	}
}

// A client that dials and says nothing costs nothing, and may come to itself
// later: the server has no limit of its own.
func TestSilentClient(t *testing.T) {
	s := serve(t, Options{})
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	time.Sleep(50 * time.Millisecond)
	if _, err := c.Write([]byte(handshake)); err != nil {
		t.Fatal(err)
	}
	p := &peer{t, c, bufio.NewReader(c)}
	if r := respond(t, p); r.StatusCode != 101 {
		t.Error(r.Status)
	}
	// Nothing comes unasked either.
	c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if b, err := p.ReadByte(); err == nil {
		t.Errorf("the server said %#x unasked", b)
	}
}

// Half a head does not hold a connection for ever, wherever it stands; a whole one, and
// what comes behind it, has no limit.
func TestHalfAHeadIsBounded(t *testing.T) {
	const limit = 150 * time.Millisecond
	s := serve(t, Options{HeadTimeout: limit})
	const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, before := range map[string]string{"first": "", "behind another": get} {
		p := dial(t, s)
		p.send([]byte(before + "GET / HT"))
		begun := time.Now()
		time.Sleep(limit / 2)
		p.send([]byte("TP/1.1\r\n")) // does not begin it anew
		answer, err := io.ReadAll(p)
		if err != nil || (len(answer) > 0) != (before != "") {
			t.Errorf("%s: %q, %v", name, answer, err)
		}
		if took := time.Since(begun); took < limit-10*time.Millisecond || took > 10*limit {
			t.Errorf("%s: ended after %v, want %v", name, took, limit)
		}
	}
	resting, upgraded, half := dial(t, s), open(t, s), dial(t, s)
	half.send([]byte("GET / HT"))
	half.send([]byte(get[len("GET / HT"):]))
	readGreeting(t, half)
	upgraded.send(text("half of it")[:5]) // a frame has no limit
	time.Sleep(2 * limit)
	for _, p := range []*peer{resting, half} {
		p.send([]byte(get))
		readGreeting(t, p)
	}
	settle(t, "connections", 3, s.Connections)
}

func readGreeting(t *testing.T, p *peer) {
	t.Helper()
	r, err := http.ReadResponse(p.Reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if body, err := io.ReadAll(r.Body); err != nil || string(body) != greeting {
		t.Fatalf("%q, %v", body, err)
	}
}
