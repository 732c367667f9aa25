package wire

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

func TestHeadCuts(t *testing.T) {
	for _, seed := range headSeeds {
		p := []byte(seed)
		whole, _ := readHead(p, nil)
		if cut, _ := readHead(p, bytes.Repeat([]byte{1}, len(p))); cut != whole {
			t.Errorf("%q: byte by byte %+v, whole %+v", seed, cut, whole)
		}
		for cut := range p {
			if got, _ := readHead(p, []byte{byte(cut)}); got != whole {
				t.Errorf("%q cut at %d: %+v, whole %+v", seed, cut, got, whole)
			}
		}
	}
}

func TestHead(t *testing.T) {
	var h Head
	if h.Status() != 0 || h.Get("A") != "" {
		t.Error("an empty Head tells something")
	}
	rest, done, err := h.Feed([]byte("HTTP/1.1 101 Switching Protocols\r\nA:  b \t\r\nEmpty:\r\na: c\r\nFolded: x\r\n  y\r\n\tz\r\n\r\n\x81\x01x"))
	if !done || err != nil || string(rest) != "\x81\x01x" {
		t.Fatalf("rest %q, done %v, error %v", rest, done, err)
	}
	for name, want := range map[string]string{"a": "b, c", "A": "b, c", "empty": "", "none": ""} {
		if got := h.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if words := strings.Fields(h.Get("FOLDED")); strings.Join(words, "|") != "x|y|z" {
		t.Errorf("unfolded to %q", words)
	}
	if rest, done, err := h.Feed([]byte("more")); !done || err != nil || string(rest) != "more" {
		t.Errorf("fed after the end: rest %q, done %v, error %v", rest, done, err)
	}
}

// TestHeadRefused gives the byte at which each is refused, when it comes byte by byte.
func TestHeadRefused(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, c := range []struct {
		bytes, detail string
		offset        int
	}{
		{"SSH-2.0", "does not begin with HTTP/1.", 0},
		{"\r\n", "does not begin with HTTP/1.", 0},
		{"\x15\x03\x01", "does not begin with HTTP/1.", 0}, // a TLS alert
		{"HTTP/2", "does not begin with HTTP/1.", 5},
		{"HTTP/1\r\n", "does not begin with HTTP/1.", 6},
		{"HTTP/1.1 200 OK\n", "does not end with CR LF", 15},
		{"HTTP/1.1 200 OK\r ", "does not end with CR LF", 16},
		{"HTTP/1.1 200 O\x00", "control character", 14},
		{ok + "A: \x7f", "control character", 20},
		{"HTTP/1.1 200\r\n\r\n", "the status line is not", 15},
		{"HTTP/1.x 200 \r\n\r\n", "the status line is not", 16},
		{"HTTP/1.1  200 OK\r\n\r\n", "the status line is not", 19},
		{"HTTP/1.1 2000 OK\r\n\r\n", "the status line is not", 19},
		{"HTTP/1.1 20x OK\r\n\r\n", "the status line is not", 18},
		{"HTTP/1.1 099 OK\r\n\r\n", "the status line is not", 18},
		{"HTTP/1.\r\n\r\n", "the status line is not", 10},
		{ok + " A: b\r\n\r\n", "before the first header", 25},
		{ok + "\tA: b\r\n\r\n", "before the first header", 25},
		{ok + "A : b\r\n\r\n", "a header line is not", 25},
		{ok + "A\r\n\r\n", "a header line is not", 21},
		{ok + ": b\r\n\r\n", "a header line is not", 23},
		{ok + "A: b\r\n(: c\r\n\r\n", "a header line is not", 30},
		{"HTTP/1.1 100 Continue\r\n\r\nrubbish", "does not begin with HTTP/1.", 25},
		{"HTTP/1.1 100 Continue\r\n: x\r\n\r\n", "a header line is not", 29},
	} {
		var h Head
		for i := range c.bytes {
			_, done, err := h.Feed([]byte{c.bytes[i]})
			if err == nil && (done || i == len(c.bytes)-1) {
				t.Errorf("%q: not refused", c.bytes)
				break
			}
			if err == nil {
				continue
			}
			var refused *HandshakeError
			if !errors.As(err, &refused) || refused.Class != "protocol_error" || i != c.offset || !strings.Contains(err.Error(), c.detail) {
				t.Errorf("%q: %v at byte %d, want %q at byte %d", c.bytes, err, i, c.detail, c.offset)
			}
			if _, _, again := h.Feed([]byte("x")); again != err {
				t.Errorf("%q: fed again: %v", c.bytes, again)
			}
			break
		}
	}
}

func TestHeadBound(t *testing.T) {
	line := "A: " + strings.Repeat("x", 995) + "\r\n"
	fill := func(start string, n int) string {
		for len(start)+len(line)+2 <= n {
			start += line
		}
		return start + "B: " + strings.Repeat("x", n-len(start)-7) + "\r\n\r\n"
	}
	const interim = "HTTP/1.1 103 Early Hints\r\n\r\n"
	for _, c := range []struct {
		head string
		ok   bool
	}{
		{fill("HTTP/1.1 200 OK\r\n", MaxHead), true},
		{fill("HTTP/1.1 200 OK\r\n", MaxHead+1), false},
		{fill(interim+"HTTP/1.1 200 OK\r\n", MaxHead), true},
		{fill(interim+"HTTP/1.1 200 OK\r\n", MaxHead+1), false},
		{fill("HTTP/1.1 103 x\r\n", MaxHead) + "HTTP/1.1 200 OK\r\n\r\n", false},
		{strings.Repeat(interim, 1+MaxHead/len(interim)), false},
		{"HTTP/1.1 200 " + strings.Repeat("x", 1<<20), false},
	} {
		var h Head
		_, done, err := h.Feed([]byte(c.head))
		if done != c.ok || (err == nil) != c.ok {
			t.Errorf("%d bytes: done %v, error %v, want %v", len(c.head), done, err, c.ok)
		}
		var slow Head
		for i := range c.head {
			if _, done, err = slow.Feed([]byte{c.head[i]}); done || err != nil {
				break
			}
			if cap(slow.spill) > 2*MaxHead {
				t.Fatalf("the spill grew to %d bytes", cap(slow.spill))
			}
		}
		if done != c.ok || (err == nil) != c.ok {
			t.Errorf("%d bytes one by one: done %v, error %v, want %v", len(c.head), done, err, c.ok)
		}
	}
}

func TestCheck(t *testing.T) {
	key := Key([]byte(sampleKey))
	const (
		upgrade    = "Upgrade: websocket\r\n"
		connection = "Connection: Upgrade\r\n"
		accept     = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
		all        = upgrade + connection + accept
		start      = "HTTP/1.1 101 Switching Protocols\r\n"
	)
	for _, c := range []struct{ head, subprotocol, class string }{
		{start + all, "", ""},
		{start + all, "chat", ""}, // a server may choose none
		{start + all + "Sec-WebSocket-Protocol: chat\r\n", "chat", ""},
		{start + all + "Sec-WebSocket-Protocol: b\r\n", "a, b", ""},
		{start + all + "Sec-WebSocket-Extensions:\r\n", "", ""},
		{start + "Upgrade: WebSocket\r\nConnection: keep-alive\r\nConnection: x , UPGRADE\r\n" + accept, "", ""},
		{start + upgrade + connection + "sec-websocket-accept: \t s3pPLMBiTxaQ9kYGzzhZRbK+xOo= \r\n", "", ""},
		{"HTTP/1.1 200 OK\r\n" + all, "", "upgrade_status_200"},
		{"HTTP/1.0 503 No\r\n", "", "upgrade_status_503"},
		{"HTTP/1.1 599 \r\n", "", "upgrade_status_599"},
		{"HTTP/1.0 101 x\r\n" + all, "", "protocol_error"},
		{start + connection + accept, "", "protocol_error"},
		{start + "Upgrade: websocket, h2c\r\n" + connection + accept, "", "protocol_error"},
		{start + "Upgrade: websoc\xe2\x84\xaaet\r\n" + connection + accept, "", "protocol_error"}, // the Kelvin sign
		{start + upgrade + accept, "", "protocol_error"},
		{start + upgrade + "Connection: Upgraded\r\n" + accept, "", "protocol_error"},
		{start + upgrade + connection, "", "upgrade_bad_accept"},
		{start + upgrade + connection + "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", "", "upgrade_bad_accept"},
		{start + all + accept, "", "upgrade_bad_accept"},
		{start + all + "Sec-WebSocket-Extensions: permessage-deflate\r\n", "", "protocol_error"},
		{start + all + "Sec-WebSocket-Protocol: chat\r\n", "", "protocol_error"},
		{start + all + "Sec-WebSocket-Protocol: Chat\r\n", "chat", "protocol_error"},
		{start + all + "Sec-WebSocket-Protocol: a, b\r\n", "a, b", "protocol_error"},
		{start + all + "Sec-WebSocket-Protocol:\r\n", "chat", "protocol_error"},
		{start + all + "Sec-WebSocket-Protocol:\r\n", "", "protocol_error"},
	} {
		var h Head
		if _, done, err := h.Feed([]byte(c.head + "\r\n")); !done || err != nil {
			t.Errorf("%q: done %v, error %v", c.head, done, err)
			continue
		}
		err := h.Check(key, c.subprotocol)
		var refused *HandshakeError
		if errors.As(err, &refused); c.class == "" && err != nil || c.class != "" && (refused == nil || refused.Class != c.class) {
			t.Errorf("%q: %v, want class %q", c.head, err, c.class)
		}
	}
	var h Head
	if err := h.Check(key, ""); err == nil {
		t.Error("a head that has not come was taken")
	}
}

// TestUpgrade lets gobwas/ws answer our request, and reads its answer cut everywhere.
func TestUpgrade(t *testing.T) {
	for random := range 20 {
		key := NewKey([16]byte{byte(random), 2: 0xff, 15: byte(random * 7)})
		request := AppendRequest(nil, &Request{Host: "localhost:8080", Path: "/echo?conn=1", Subprotocol: "a, chat",
			Headers: map[string]string{"X-Conn": "1", "Origin": "http://localhost"}}, key)
		var uri, host string
		seen := map[string]string{}
		u := ws.Upgrader{
			OnRequest: func(b []byte) error { uri = string(b); return nil },
			OnHost:    func(b []byte) error { host = string(b); return nil },
			OnHeader:  func(k, v []byte) error { seen[string(k)] = string(v); return nil },
			Protocol:  func(p []byte) bool { return string(p) == "chat" },
		}
		conn := exchange{in: bytes.NewReader(request)}
		if _, err := u.Upgrade(&conn); err != nil {
			t.Fatal(err)
		}
		if uri != "/echo?conn=1" || host != "localhost:8080" || seen["X-Conn"] != "1" || seen["Origin"] != "http://localhost" {
			t.Errorf("uri %q, host %q, headers %v", uri, host, seen)
		}
		answer := conn.out.Bytes()
		for cut := range answer {
			var h Head
			_, _, first := h.Feed(answer[:cut])
			rest, done, err := h.Feed(answer[cut:])
			if first != nil || !done || err != nil || len(rest) > 0 {
				t.Fatalf("cut at %d: rest %q, done %v, errors %v, %v", cut, rest, done, first, err)
			}
			if err := h.Check(key, "a, chat"); err != nil || h.Get("Sec-WebSocket-Protocol") != "chat" {
				t.Fatalf("cut at %d: %v, subprotocol %q", cut, err, h.Get("Sec-WebSocket-Protocol"))
			}
		}
	}
}

type exchange struct {
	in  io.Reader
	out bytes.Buffer
}

func (e *exchange) Read(p []byte) (int, error)  { return e.in.Read(p) }
func (e *exchange) Write(p []byte) (int, error) { return e.out.Write(p) }
