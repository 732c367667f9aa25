package tunnel

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

// feed gives a finder text in pieces, whose lengths are the bytes of cuts in turn.
func feed(f *finder, text, cuts []byte) (whole bool, err error) {
	for i := 0; len(text) > 0 && !whole && err == nil; i++ {
		n := len(text)
		if len(cuts) > 0 {
			n = min(n, int(cuts[i%len(cuts)])+1)
		}
		whole, err = f.find(text[:n])
		text = text[n:]
	}
	return whole, err
}

// check holds what is true of any bytes in any pieces.
func checkHead(t *testing.T, text, cuts []byte) (head []byte) {
	var once, pieces finder
	whole, err := once.find(text)
	again, againErr := feed(&pieces, text, cuts)
	if whole != again || err != againErr || once.n != pieces.n {
		t.Fatalf("at once: %v, %v after %d bytes; in pieces: %v, %v after %d", whole, err, once.n, again, againErr, pieces.n)
	}
	if once.n > headLimit {
		t.Fatalf("a head of %d bytes", once.n)
	}
	if !whole {
		if i := bytes.Index(text, []byte("\r\n\r\n")); err == nil && i >= 0 {
			t.Fatalf("the empty line at %d was missed", i)
		}
		return nil
	}
	head = text[:once.n]
	if !bytes.HasSuffix(head, []byte("\r\n")) {
		t.Fatalf("a head that ends with %q", head)
	}
	return head
}

// checkBody holds that a body's end does not depend on the pieces.
func checkBody(t *testing.T, b body, text, cuts []byte) {
	once, pieces := b, b
	n, err := once.take(text)
	total := 0
	var pieceErr error
	for i, rest := 0, text; len(rest) > 0 && pieceErr == nil; i++ {
		size := len(rest)
		if len(cuts) > 0 {
			size = min(size, int(cuts[i%len(cuts)])+1)
		}
		var took int
		took, pieceErr = pieces.take(rest[:size])
		if total += took; took < size {
			break
		}
		rest = rest[size:]
	}
	if n != total || err != pieceErr || once.done() != pieces.done() {
		t.Fatalf("at once: %d, %v; in pieces: %d, %v", n, err, total, pieceErr)
	}
	if n > len(text) || err == nil && n < len(text) && !once.done() {
		t.Fatalf("%d bytes of %d taken, and no end", n, len(text))
	}
}

func FuzzRequestHead(f *testing.F) {
	for _, text := range []string{
		upgradeRequest, upgradeRequest + smuggled, "GET / HTTP/1.0\r\n\r\n", "\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\n y: z\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcdef",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: u\r\n\r\nrest",
		"CONNECT x HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\n:\r\n\r\n", "GET  HTTP/1.1\r\n\r\n",
	} {
		f.Add([]byte(text), []byte{0})
		f.Add([]byte(text), []byte{7, 0, 30})
	}
	f.Add(bytes.Repeat([]byte("x"), headLimit+9), []byte{255})
	f.Fuzz(func(t *testing.T, text, cuts []byte) {
		head := checkHead(t, text, cuts)
		if head == nil {
			return
		}
		r, err := parseRequest(head)
		if err != nil {
			return
		}
		checkBody(t, r.body, text[len(head):], cuts)
		// Whatever passes here must look the same to another reader.
		other, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(append(head[:len(head):len(head)], "0\r\n\r\n"...))))
		if err != nil {
			return // it is stricter about the target and the names
		}
		if r.upgrade && (other.Method != "GET" || !strings.Contains(strings.ToLower(strings.Join(other.Header["Upgrade"], ",")), "websocket")) {
			t.Errorf("taken for an upgrade: %q", head)
		}
		if length := other.ContentLength; r.body.kind == chunked != (length < 0) || r.body.kind == sized && r.body.left != length {
			t.Errorf("body %+v, net/http sees a length of %d in %q", r.body, length, head)
		}
	})
}

func FuzzResponseHead(f *testing.F) {
	for _, text := range []string{
		switching, switching + "\x81\x05hello", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 204\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n" + switching, "HTTP/1.0 200 OK\r\n\r\nto the end",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 4\r\n\r\n", "HTTP/9.9 999 \r\n\r\n", "HTTP/1.1 99 x\r\n\r\n",
	} {
		f.Add([]byte(text), []byte{0}, true, false)
		f.Add([]byte(text), []byte{11, 2}, false, true)
	}
	f.Fuzz(func(t *testing.T, text, cuts []byte, upgrade, headOnly bool) {
		head := checkHead(t, text, cuts)
		if head == nil {
			return
		}
		r, err := parseResponse(head, request{upgrade: upgrade, headOnly: headOnly})
		if err != nil {
			return
		}
		if r.status < 100 || r.status > 999 {
			t.Errorf("status %d", r.status)
		}
		checkBody(t, r.body, text[len(head):], cuts)
	})
}

// The framing agrees with net/http's on bodies of every kind.
func TestBodiesAgainstNetHTTP(t *testing.T) {
	for _, text := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n00a;x\r\n0123456789\r\n000\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA: b\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	} {
		buffered := bufio.NewReader(strings.NewReader(text + "next"))
		other, err := http.ReadResponse(buffered, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, other.Body); err != nil {
			t.Fatal(err)
		}
		left, err := io.ReadAll(buffered)
		if err != nil {
			t.Fatal(err)
		}
		head := checkHead(t, []byte(text), nil)
		r, err := parseResponse(head, request{})
		if err != nil {
			t.Fatal(err)
		}
		for cut := range len(text) - len(head) + 1 {
			b, rest := r.body, text[len(head):]+"next"
			one, err1 := b.take([]byte(rest[:cut]))
			two, err2 := b.take([]byte(rest[cut:]))
			if !b.done() || err1 != nil || err2 != nil || len(rest)-one-two != len(left) {
				t.Errorf("%q cut at %d: %d and %d bytes taken, %v, %v", text, cut, one, two, err1, err2)
			}
		}
	}
}

func TestChunkedIsStrict(t *testing.T) {
	for _, text := range []string{
		"\r\n", "g\r\n", "5\n", "5\rx", "-1\r\n", "+1\r\n", " 5\r\n", ";\r\n", "0x5\r\n", "1234567890abcdef0\r\n",
		"1\r\nxx", "1\r\nx\n", "1\r\nx\r5", "0\r\n\n", "0\r\nA: b\n", "0\r\n\rx", "1;" + strings.Repeat("e", lineLimit),
		"0\r\n" + strings.Repeat("A: b\r\n", lineLimit/5),
	} {
		b := body{kind: chunked}
		if n, err := b.take([]byte(text)); err == nil {
			t.Errorf("%.40q: %d bytes were taken", text, n)
		}
	}
}

func TestParsingAllocatesNothing(t *testing.T) {
	head, answer := []byte(upgradeRequest), []byte(switching)
	if n := testing.AllocsPerRun(100, func() {
		var f finder
		if whole, err := f.find(head); !whole || err != nil {
			t.Fatal(whole, err)
		}
		r, err := parseRequest(head)
		if err != nil || !r.upgrade {
			t.Fatal(r, err)
		}
		if got, err := parseResponse(answer, r); err != nil || !got.webSocket {
			t.Fatal(got, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a handshake", n)
	}
}
