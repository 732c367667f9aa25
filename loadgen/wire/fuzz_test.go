package wire

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// seedLimit is the limit of messages that frameSeeds are written for.
const seedLimit = 70000

// server writes a frame as a server does, in the shortest form.
func server(first byte, payload string) string {
	var b bytes.Buffer
	h := ws.Header{Fin: first&0x80 != 0, Rsv: first >> 4 & 7, OpCode: ws.OpCode(first & 15), Length: int64(len(payload))}
	if err := ws.WriteHeader(&b, h); err != nil {
		panic(err)
	}
	return b.String() + payload
}

// frameSeeds cover every rule and every form; FuzzFrames starts from them, and
// TestFrames walks them with every cut.
var frameSeeds = []string{
	"",
	server(0x81, "hello"),
	server(0x82, ""),
	server(0x01, "he") + server(0x89, "ping") + server(0x00, "") + server(0x80, "llo"),
	server(0x01, "") + server(0x80, ""),
	server(0x02, "\xff") + server(0x00, "\xfe") + server(0x8a, "") + server(0x80, "\xfd") + server(0x81, "next"),
	server(0x82, strings.Repeat("x", 125)),
	server(0x82, strings.Repeat("x", 126)),
	server(0x82, strings.Repeat("x", 65536)),
	server(0x82, strings.Repeat("x", seedLimit+1)),
	server(0x02, strings.Repeat("x", seedLimit-1)) + server(0x80, "xx"),
	server(0x89, strings.Repeat("p", 125)),
	server(0x89, strings.Repeat("p", 126)),
	server(0x88, "") + "dropped",
	server(0x01, "in a message ") + server(0x88, "\x03\xe8bye") + server(0x80, "dropped"),
	server(0x88, "\x03"),
	server(0x88, "\x03\xec"), // 1004
	server(0x88, "\x03\xed"), // 1005
	server(0x88, "\x03\xee"), // 1006
	server(0x88, "\x03\xf4"), // 1012
	server(0x88, "\x03\xf7"), // 1015
	server(0x88, "\x03\xe7"), // 999
	server(0x88, "\x0b\xb8"), // 3000
	server(0x88, "\x13\x87"), // 4999
	server(0x88, "\x13\x88"), // 5000
	server(0x88, "\x03\xe8caf\xc3\xa9"),
	server(0x88, "\x03\xe8caf\xc3"),
	server(0xc1, "a reserved bit"),
	server(0x83, "a reserved opcode"),
	server(0x8b, "a reserved control opcode"),
	server(0x09, "a fragmented ping"),
	server(0x80, "continues nothing"),
	server(0x01, "a") + server(0x81, "inside"),
	"\x81\x85\x00\x00\x00\x00hello",                 // masked
	"\x82\x7e\x00\x7d" + strings.Repeat("x", 125),   // 125 in three bytes
	"\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x01x",     // 1 in nine bytes
	"\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff",      // 65535 in nine bytes
	"\x82\x7f\x80\x00\x00\x00\x00\x01\x00\x00",      // the most significant bit
	"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff",      // the longest claim
	"\x02\x01x\x00\x7f\x7f\xff\xff\xff\xff\xff\xff", // the longest claim, cut, after a byte
	server(0x01, "\xf0\x9f") + server(0x89, "") + server(0x80, "\x98\x80"),
	server(0x81, "\xf0\x9f\x98"),
	server(0x81, "\xed\xa0\x80"), // a surrogate
	server(0x81, "\xf4\x90\x80\x80"),
	server(0x01, "\xe0\x80"),
	server(0x81, "\xc0\xaf"),
}

// checkFrames reads p cut in several ways and compares with gobwas/ws: the same
// events, the same verdict, at the same byte.
func checkFrames(t *testing.T, p, cuts []byte, limit int64) {
	t.Helper()
	want, wantCode := oracle(p, limit)
	var f Frames
	var got collector
	gotCode := code(t, feed(&f, &got, p, cuts, limit))
	if len(got.wrong) > 0 {
		t.Fatalf("the sink was told wrongly: %v", got.wrong)
	}
	if gotCode != wantCode {
		t.Fatalf("close code %d, gobwas/ws %d\nevents %v\nwant   %v", gotCode, wantCode, got.all(), want)
	}
	if wantCode == 0 && !slices.Equal(got.all(), want) || wantCode != 0 && !slices.Equal(got.events, want) {
		t.Fatalf("events %v\nwant   %v (code %d)", got.all(), want, wantCode)
	}
	if f.partial != nil && f.at != atPayload {
		t.Fatal("a control payload's buffer was kept")
	}
	if wantCode != 0 {
		checkOffset(t, p, limit)
	}
}

// checkOffset finds the byte at which p is refused when it comes byte by byte, and
// checks that it is the same when it comes whole.
func checkOffset(t *testing.T, p []byte, limit int64) {
	t.Helper()
	var f Frames
	var s collector
	at := 0
	for f.Feed(p[at:at+1], limit, &s) == nil {
		at++
	}
	for n, refused := range map[int]bool{at: false, at + 1: true} {
		var whole Frames
		if err := whole.Feed(p[:n], limit, &collector{}); (err != nil) != refused {
			t.Fatalf("byte by byte refused at %d, but the first %d bytes whole give %v", at, n, err)
		}
	}
}

func FuzzFrames(f *testing.F) {
	for _, seed := range frameSeeds {
		if len(seed) > 1000 {
			continue // too slow to mutate; TestFramesCuts reads these
		}
		f.Add([]byte(seed), []byte{}, uint16(200))
		f.Add([]byte(seed), []byte{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, uint16(200))
		f.Add([]byte(seed), []byte{3, 0, 2}, uint16(7))
	}
	f.Fuzz(func(t *testing.T, p, cuts []byte, limit uint16) { checkFrames(t, p, cuts, int64(limit)) })
}

// headSeeds are responses of all kinds, good and bad.
var headSeeds = []string{
	"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x02hi",
	"HTTP/1.1 101 x\r\nupgrade: WebSocket\r\nCONNECTION: keep-alive, upgrade\r\nSec-WebSocket-Accept:s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\t\r\nSec-WebSocket-Protocol: chat\r\n\r\n",
	"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno",
	"HTTP/1.0 502 \r\n\r\n",
	"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n",
	"HTTP/1.1 200 OK\r\nA: one\r\n two\r\n\tthree\r\nA: four\r\n\r\n",
	"HTTP/1.1 200 OK\r\n A: folded into nothing\r\n\r\n",
	"HTTP/1.1 200 OK\nA: b\n\n",
	"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
	"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
	"HTTP/1.1 200\r\n\r\n",
	"HTTP/1.1 20 OK\r\n\r\n",
	"HTTP/1.1 099 OK\r\n\r\n",
	"HTTP/2.0 200 OK\r\n\r\n",
	"http/1.1 200 OK\r\n\r\n",
	"\r\n\r\n",
	"SSH-2.0-OpenSSH\r\n",
	"HTTP/1.1 200 O\x00K\r\n\r\n",
	"HTTP/1.1 200 OK\r\rA: b\r\n\r\n",
}

// headResult is all that a Head tells.
type headResult struct {
	rest, err, check    string
	done                bool
	status              int
	upgrade, connection string
}

const sampleKey = "dGhlIHNhbXBsZSBub25jZQ==" // the standard's own (section 1.3)

func readHead(p, cuts []byte) (r headResult, h *Head) {
	h = &Head{}
	for len(p) > 0 && !r.done {
		n := len(p)
		if len(cuts) > 0 {
			n, cuts = min(int(cuts[0]), n), cuts[1:]
		}
		chunk := bytes.Clone(p[:n])
		rest, done, err := h.Feed(chunk)
		r.rest, r.done = string(rest), done
		for i := range chunk {
			chunk[i] = 0xA5
		}
		if p = p[n:]; err != nil {
			r.err = err.Error()
			break
		}
	}
	if r.done {
		r.rest += string(p)
	}
	if err := h.Check(Key([]byte(sampleKey)), "chat"); err != nil {
		r.check = err.Error()
	}
	r.status, r.upgrade, r.connection = h.Status(), h.Get("Upgrade"), h.Get("connection")
	return r, h
}

func FuzzHead(f *testing.F) {
	for _, seed := range headSeeds {
		f.Add([]byte(seed), []byte{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1})
		f.Add([]byte(seed), []byte{15, 0, 2, 40})
	}
	f.Fuzz(func(t *testing.T, p, cuts []byte) {
		whole, h := readHead(p, nil)
		if cut, _ := readHead(p, cuts); cut != whole {
			t.Fatalf("cut   %+v\nwhole %+v", cut, whole)
		}
		if whole.done {
			if h.spill != nil {
				t.Fatal("the spill was kept beyond the head")
			}
			compareNetHTTP(t, p[:len(p)-len(whole.rest)], h)
		}
	})
}

// compareNetHTTP checks a head that was taken against another reader of HTTP/1, where
// that one takes it too: it is looser in places, and stricter about bodies.
func compareNetHTTP(t *testing.T, p []byte, h *Head) {
	r := bufio.NewReader(bytes.NewReader(p))
	response, err := http.ReadResponse(r, nil)
	for err == nil && response.StatusCode < 200 && response.StatusCode != 101 {
		response, err = http.ReadResponse(r, nil)
	}
	if err != nil {
		return
	}
	if response.StatusCode != h.Status() {
		t.Fatalf("status %d, net/http %d", h.Status(), response.StatusCode)
	}
	// Where lines are folded, or values are empty, the two differ in white space.
	words := func(s string) string { return strings.Join(strings.Fields(s), "") }
	for name, values := range response.Header {
		if got, want := words(h.Get(name)), words(strings.Join(values, ", ")); got != want {
			t.Fatalf("header %s is %q, net/http %q", name, got, want)
		}
	}
}

func FuzzRoundTrip(f *testing.F) {
	f.Add(byte(2), uint32(0x01020304), []byte("hello"), uint8(1), uint16(1000), "bye")
	f.Add(byte(1), uint32(0), []byte{}, uint8(0), uint16(1005), "")
	f.Add(byte(2), uint32(0xffffffff), bytes.Repeat([]byte{7}, 126), uint8(3), uint16(4999), strings.Repeat("é", 80))
	f.Add(byte(2), uint32(0x80000001), []byte("longer"), uint8(9), uint16(1015), "\xff")
	f.Fuzz(func(t *testing.T, op byte, mask uint32, payload []byte, fragments uint8, code uint16, reason string) {
		key := [4]byte{byte(mask), byte(mask >> 8), byte(mask >> 16), byte(mask >> 24)}
		kind, before := Opcode(op%2+1), bytes.Clone(payload)
		stream := []byte("before")
		for i, n := 0, int(fragments)+1; i < n; i++ {
			frame := Continuation
			if i == 0 {
				frame = kind
			}
			stream = AppendFrame(stream, frame, i == n-1, key, payload[len(payload)*i/n:len(payload)*(i+1)/n])
			key[0] += 3
		}
		stream = AppendClose(stream, code, reason, key)
		if !bytes.HasPrefix(stream, []byte("before")) || !bytes.Equal(payload, before) {
			t.Fatal("what was there before has changed")
		}
		message := readByServer(t, bytes.NewReader(stream[len("before"):]), kind, int(fragments)+1)
		if !bytes.Equal(message, payload) {
			t.Fatalf("read %q, want %q", message, payload)
		}
	})
}

// readByServer reads a message of so many frames and a close frame with gobwas/ws as
// a server.
func readByServer(t *testing.T, r *bytes.Reader, kind Opcode, frames int) (message []byte) {
	state := ws.StateServerSide
	read := func(op Opcode, fin bool) []byte {
		h, err := ws.ReadHeader(r)
		if err == nil {
			err = ws.CheckHeader(h, state)
		}
		if err != nil {
			t.Fatalf("gobwas/ws refuses the header: %v", err)
		}
		if Opcode(h.OpCode) != op || h.Fin != fin {
			t.Fatalf("frame %v, fin %v; want %v, %v", h.OpCode, h.Fin, op, fin)
		}
		payload, whole := take(r, h.Length)
		if !whole {
			t.Fatalf("%d bytes of a frame of %d", len(payload), h.Length)
		}
		ws.Cipher(payload, h.Mask, 0)
		return payload
	}
	for i := range frames {
		message = append(message, read(kind, i == frames-1)...)
		kind, state = Continuation, state.Set(ws.StateFragmented)
	}
	payload := read(Close, true)
	if code := closeOracle(payload); code != 0 {
		t.Fatalf("the close frame %q is not sound: %d", payload, code)
	}
	if _, err := r.ReadByte(); err != io.EOF {
		t.Fatal("bytes follow the close frame")
	}
	return message
}
