package wire

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// TestKey is the example of RFC 6455 section 1.3.
func TestKey(t *testing.T) {
	key := NewKey([16]byte([]byte("the sample nonce")))
	if string(key[:]) != sampleKey {
		t.Errorf("key %s", key)
	}
	if accept := key.Accept(); string(accept[:]) != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Errorf("accept %s", accept)
	}
}

func TestAppendRequest(t *testing.T) {
	key := Key([]byte(sampleKey))
	got := AppendRequest([]byte("before"), &Request{Host: "server.example.com", Path: "/chat", Subprotocol: "chat, superchat",
		Headers: map[string]string{"X-B": "2", "X-A": "1", "Origin": "http://example.com", "Connection": "close"}}, key)
	want := "beforeGET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + sampleKey + "\r\nSec-WebSocket-Protocol: chat, superchat\r\n" +
		"Origin: http://example.com\r\nX-A: 1\r\nX-B: 2\r\n\r\n"
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	got = AppendRequest(nil, &Request{Host: "a", Headers: map[string]string{"host": "b"}}, key)
	if !bytes.HasPrefix(got, []byte("GET / HTTP/1.1\r\nHost: b\r\n")) || bytes.Count(got, []byte("ost: ")) != 1 {
		t.Errorf("with a host among the headers and no path:\n%s", got)
	}
}

func TestRequestCheck(t *testing.T) {
	good := Request{Host: "[::1]:80", Path: "/a?b=c", Subprotocol: "a, b", Headers: map[string]string{"X-A": "b\tc \xe9", "Host": "x"}}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for want, r := range map[string]Request{
		`the host ""`:                   {},
		`the host "a\r\nX: y"`:          {Host: "a\r\nX: y"},
		`the path "chat"`:               {Host: "a", Path: "chat"},
		`the path "/a b"`:               {Host: "a", Path: "/a b"},
		`the path "/a#b"`:               {Host: "a", Path: "/a#b"},
		`the path "/é"`:                 {Host: "a", Path: "/é"},
		`the subprotocol "a,"`:          {Host: "a", Subprotocol: "a,"},
		`the subprotocol "a b"`:         {Host: "a", Subprotocol: "a b"},
		`the subprotocol "a, b, a"`:     {Host: "a", Subprotocol: "a, b, a"},
		`"X Y" is no header name`:       {Host: "a", Headers: map[string]string{"X Y": ""}},
		`"" is no header name`:          {Host: "a", Headers: map[string]string{"": ""}},
		`the value "b\r\nC: d"`:         {Host: "a", Headers: map[string]string{"X": "b\r\nC: d"}},
		`sec-websocket-KEY belongs to`:  {Host: "a", Headers: map[string]string{"sec-websocket-KEY": ""}},
		`Sec-WebSocket-Extensions belo`: {Host: "a", Headers: map[string]string{"Sec-WebSocket-Extensions": ""}},
	} {
		if err := r.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", r, err, want)
		}
	}
}

// TestMask compares with the standard's own formula: "j = i MOD 4, transformed-octet-i
// = original-octet-i XOR masking-key-octet-j" (section 5.3), in parts at any offset.
func TestMask(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "payload")
		mask := [4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "mask"))
		start := rapid.IntRange(0, 1000).Draw(t, "offset")
		want := make([]byte, len(p))
		for i := range p {
			want[i] = p[i] ^ mask[(start+i)%4]
		}
		got := bytes.Clone(p)
		offset := start
		for rest := got; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "part")
			before := offset
			offset = Mask(rest[:n], mask, offset)
			if offset != (before+n)%4 {
				t.Fatalf("next offset %d after %d bytes from %d", offset, n, before)
			}
			rest = rest[n:]
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("got  % x\nwant % x", got, want)
		}
	})
}

// TestAppendHeader holds the bytes of each form, at both ends of its lengths.
func TestAppendHeader(t *testing.T) {
	mask := [4]byte{1, 2, 3, 4}
	for length, want := range map[int]string{
		0:          "\x82\x80",
		125:        "\x82\xfd",
		126:        "\x82\xfe\x00\x7e",
		65535:      "\x82\xfe\xff\xff",
		65536:      "\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00",
		1<<63 - 1:  "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff",
		0x12345678: "\x82\xff\x00\x00\x00\x00\x12\x34\x56\x78",
	} {
		if got := AppendHeader(nil, Binary, true, length, mask); string(got) != want+"\x01\x02\x03\x04" {
			t.Errorf("%d bytes: % x", length, got)
		}
	}
	if got := AppendHeader([]byte{9}, Text, false, 1, mask); string(got) != "\x09\x01\x81\x01\x02\x03\x04" {
		t.Errorf("not final: % x", got)
	}
}

func TestClose(t *testing.T) {
	long := strings.Repeat("é", 80) // 160 bytes; a cut at 123 falls inside a character
	for _, c := range []struct {
		code             uint16
		reason           string
		wantCode         uint16
		wantReasonLength int
	}{
		{1000, "bye", 1000, 3},
		{1000, "", 1000, 0},
		{1005, "never sent", 1005, 0},
		{1006, "", 1005, 0},
		{1015, "", 1005, 0},
		{0, "", 1005, 0},
		{4999, long, 4999, 122},
		{1001, strings.Repeat("x", 200), 1001, 123},
		{1001, "\xff", 1001, 3}, // U+FFFD
	} {
		frame := AppendClose(nil, c.code, c.reason, [4]byte{5, 6, 7, 8})
		payload := bytes.Clone(frame[6:])
		Mask(payload, [4]byte{5, 6, 7, 8}, 0)
		code, reason := ParseClose(payload)
		if code != c.wantCode || len(reason) != c.wantReasonLength || !utf8.ValidString(reason) {
			t.Errorf("%d %q is read as %d %q", c.code, c.reason, code, reason)
		}
		if err := checkClose(payload); err != nil {
			t.Errorf("%d %q: %v", c.code, c.reason, err)
		}
	}
}

// TestOpcodeString also holds that opcodes appear in messages by their names.
func TestOpcodeString(t *testing.T) {
	for op, want := range map[Opcode]string{Continuation: "continuation", Text: "text", Binary: "binary", Close: "close",
		Ping: "ping", Pong: "pong", 3: "opcode 3"} {
		if op.String() != want {
			t.Errorf("%d is %q", byte(op), op)
		}
	}
}
