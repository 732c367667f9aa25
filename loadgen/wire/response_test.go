package wire

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// reading is what came of the bytes of a response.
type reading struct {
	status  int
	body    uint64
	rest    string
	done    bool // whole, perhaps only by the end of the stream
	byEnd   bool
	persist bool
	bad     bool
}

// readResponse feeds p in pieces, of lengths that cuts give in turn, and ends the stream.
func readResponse(p, cuts []byte) (r reading) {
	var resp Response
	var rest []byte
	for i := 0; ; i++ {
		n := len(p)
		if len(cuts) > 0 {
			n = min(n, int(cuts[i%len(cuts)])+1)
		}
		var err error
		if rest, r.done, err = resp.Feed(p[:n]); err != nil {
			_, _, again := resp.Feed([]byte("more"))
			return reading{bad: again != nil}
		}
		rest = append(bytes.Clone(rest), p[n:]...)
		if p = p[n:]; r.done || len(p) == 0 {
			break
		}
	}
	if !r.done && resp.End() {
		r.done, r.byEnd = true, true
	}
	r.status, r.body, r.persist = resp.Status(), resp.BodyBytes(), r.done && resp.Persistent()
	if r.done {
		r.rest = string(rest)
	}
	return r
}

// responseSeeds are responses of all kinds, with what comes of them.
var responseSeeds = []struct {
	text string
	want reading
}{
	{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", reading{status: 200, body: 5, done: true, persist: true}},
	{"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhelloX", reading{status: 200, body: 5, rest: "X", done: true, persist: true}},
	{"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n", reading{status: 503, done: true}},
	{"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nHTTP", reading{status: 204, rest: "HTTP", done: true, persist: true}},
	{"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", reading{status: 304, done: true, persist: true}},
	{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", reading{status: 200, body: 1, done: true, persist: true}},
	{"HTTP/1.1 200 OK\r\n\r\nto the end", reading{status: 200, body: 10, done: true, byEnd: true}},
	{"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", reading{status: 200, body: 1, done: true}},
	{"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", reading{status: 200, body: 1, done: true, persist: true}},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA;x=\"y\"\r\n0123456789\r\n0\r\n\r\nrest", reading{status: 200, body: 15, rest: "rest", done: true, persist: true}},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n0000000\r\nTrailer: 1\r\n\r\n", reading{status: 200, done: true, persist: true}},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\nabc", reading{status: 200, body: 3, done: true, byEnd: true}},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", reading{status: 200, body: 1, done: true, persist: true}},
	// Cut off.
	{"", reading{}},
	{"HTTP/1.1 200", reading{}},
	{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", reading{status: 200, body: 4}},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", reading{status: 200, body: 5}},
	// Refused.
	{"SSH-2.0-x\r\n", reading{bad: true}},
	{"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", reading{bad: true}},
	{"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", reading{bad: true}},
	{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", reading{bad: true}},
	{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", reading{bad: true}},
	{"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello", reading{bad: true}},
	{"HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\n", reading{bad: true}},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", reading{bad: true}},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", reading{bad: true}},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\nx", reading{bad: true}},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n", reading{bad: true}},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\rx\r\n", reading{bad: true}},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1234567890abcdef\r\n", reading{bad: true}},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: \x00\r\n\r\n", reading{bad: true}},
}

func TestResponse(t *testing.T) {
	for _, s := range responseSeeds {
		for _, cuts := range [][]byte{nil, {0}, {1}, {0, 6, 2}, {40}} {
			if got := readResponse([]byte(s.text), cuts); got != s.want {
				t.Errorf("%q cut by %v:\n%+v\nwant %+v", s.text, cuts, got, s.want)
			}
		}
	}
}

// What a server can make a client keep or read without an end has a bound.
func TestResponseBounds(t *testing.T) {
	chunked := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for name, text := range map[string]string{
		"head":      "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", MaxHead),
		"size":      chunked + "1;" + strings.Repeat("x", maxSizeLine),
		"trailer":   chunked + "0\r\nX: " + strings.Repeat("x", MaxHead),
		"of fields": chunked + "0\r\n" + strings.Repeat("X: y\r\n", MaxHead/4),
	} {
		if got := readResponse([]byte(text), nil); !got.bad {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestAppendGet(t *testing.T) {
	r := &Request{Host: "h:1", Path: "/a?b", Headers: map[string]string{"Accept": "*/*", "Connection": "Upgrade", "upgrade": "x"}}
	got := string(AppendGet(nil, r, true))
	if want := "GET /a?b HTTP/1.1\r\nHost: h:1\r\nConnection: close\r\nAccept: */*\r\n\r\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := string(AppendGet(nil, &Request{Host: "h"}, false)); got != "GET / HTTP/1.1\r\nHost: h\r\n\r\n" {
		t.Errorf("%q", got)
	}
}

// However a response is cut, the same comes of it; and what net/http takes for a whole
// response, of the same length, is one here too, unless it is refused for being unclear.
func FuzzResponse(f *testing.F) {
	for _, s := range responseSeeds {
		f.Add([]byte(s.text), []byte{0})
		f.Add([]byte(s.text), []byte{3, 0, 7})
	}
	f.Fuzz(func(t *testing.T, p, cuts []byte) {
		whole, cut := readResponse(p, nil), readResponse(p, cuts)
		if whole != cut {
			t.Fatalf("whole %+v, cut %+v", whole, cut)
		}
		if !whole.done || whole.bad {
			return
		}
		if p[len("HTTP/1.1 ")] == '1' {
			return // net/http stops at interim responses
		}
		body, err := netHTTPBody(p)
		if err != nil {
			return // it refuses more: names of headers, encodings that it does not know
		}
		if body != int64(whole.body) {
			t.Fatalf("%d bytes of body, net/http has %d", whole.body, body)
		}
	})
}

func netHTTPBody(p []byte) (int64, error) {
	request, err := http.NewRequest("GET", "http://h/", nil)
	if err != nil {
		return 0, err
	}
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(p)), request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	n, err := io.Copy(io.Discard, response.Body)
	if err != nil {
		return 0, fmt.Errorf("body: %w", err)
	}
	return n, nil
}
