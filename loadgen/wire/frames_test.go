package wire

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
	"unsafe"
)

// TestFramesCuts walks the seeds with every single cut and byte by byte.
func TestFramesCuts(t *testing.T) {
	for _, seed := range frameSeeds {
		p := []byte(seed)
		checkFrames(t, p, nil, seedLimit)
		checkFrames(t, p, bytes.Repeat([]byte{1}, 300), seedLimit)
		for cut := range min(len(p), 250) {
			checkFrames(t, p, []byte{byte(cut), 1}, seedLimit)
		}
	}
}

// TestFramesRules names the rule that each violation is refused by, so that a test
// fails when it is refused for another reason.
func TestFramesRules(t *testing.T) {
	for _, c := range []struct {
		bytes, rule string
		code        uint16
		offset      int // of the byte that is refused
	}{
		{server(0x90|1, "x"), "a reserved bit is set", 1002, 0},
		{server(0xa0|1, "x"), "a reserved bit is set", 1002, 0},
		{server(0xc0|1, "x"), "a reserved bit is set", 1002, 0},
		{server(0x83, ""), "an opcode is reserved", 1002, 0},
		{server(0x87, ""), "an opcode is reserved", 1002, 0},
		{server(0x8b, ""), "an opcode is reserved", 1002, 0},
		{server(0x8f, ""), "an opcode is reserved", 1002, 0},
		{server(0x08, ""), "a control frame is fragmented", 1002, 0},
		{server(0x80, ""), "continues nothing", 1002, 0},
		{server(0x00, ""), "continues nothing", 1002, 0},
		{server(0x01, "") + server(0x82, ""), "begins inside another", 1002, 2},
		{server(0x01, "") + server(0x80, "") + server(0x80, ""), "continues nothing", 1002, 4},
		{"\x81\x80\x01\x02\x03\x04", "is masked", 1002, 1},
		{"\x89\x7e\x00\x7e", "longer than 125", 1002, 1},
		{"\x89\x7f", "longer than 125", 1002, 1},
		{"\x82\x7e\x00\x7d", "shortest form", 1002, 3},
		{"\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff", "shortest form", 1002, 9},
		{"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00", "most significant bit", 1002, 9},
		{"\x82\x7e\x03\xe9", "longer than 1000 bytes", 1009, 3},
		{server(0x02, strings.Repeat("x", 999)) + "\x80\x02", "longer than 1000 bytes", 1009, 1004},
		{server(0x02, strings.Repeat("x", 125)) + server(0x00, strings.Repeat("x", 125)) + "\x80\x7e\x02\xef", "longer than 1000 bytes", 1009, 257},
		{server(0x81, "ab\xffcd"), "not UTF-8", 1007, 4},
		{server(0x81, "ab\xc3"), "not UTF-8", 1007, 4},
		{server(0x88, "\x03"), "has one byte", 1002, 2},
		{server(0x88, "\x03\xed"), "the code 1005", 1002, 3},
		{server(0x88, "\x03\xe8\xff"), "reason of a close frame is not UTF-8", 1007, 4},
	} {
		var f Frames
		for i := range c.bytes {
			err := f.Feed([]byte{c.bytes[i]}, 1000, &collector{})
			if err == nil {
				if i == len(c.bytes)-1 {
					t.Errorf("%.20q: not refused", c.bytes)
				}
				continue
			}
			if i != c.offset || code(t, err) != c.code || !strings.Contains(err.Error(), c.rule) {
				t.Errorf("%.20q: %v at byte %d, want %q, code %d, at byte %d", c.bytes, err, i, c.rule, c.code, c.offset)
			}
			if err := f.Feed([]byte("x"), 1000, nil); err != ErrStopped {
				t.Errorf("%.20q: fed after the error: %v", c.bytes, err)
			}
			break
		}
	}
}

// TestCloseCodes goes through all of them.
func TestCloseCodes(t *testing.T) {
	var taken []string
	first, before := -1, -1
	for code := range 1 << 16 {
		var f Frames
		if f.Feed([]byte{0x88, 2, byte(code >> 8), byte(code)}, 0, &collector{}) != nil {
			continue
		}
		if first < 0 || code != before+1 {
			if first >= 0 {
				taken = append(taken, span(first, before))
			}
			first = code
		}
		before = code
	}
	taken = append(taken, span(first, before))
	want := []string{"1000-1003", "1007-1014", "3000-4999"}
	if !slices.Equal(taken, want) {
		t.Errorf("codes taken %v, want %v", taken, want)
	}
}

func TestFramesStop(t *testing.T) {
	stream := []byte(server(0x81, "one") + server(0x89, "two") + server(0x82, "three"))
	for stop := 1; stop <= 3; stop++ {
		var f Frames
		s := collector{stopAt: stop}
		if err := f.Feed(stream, 100, &s); err != ErrStopped {
			t.Errorf("stopped at call %d: error %v", stop, err)
		}
		if s.calls != stop {
			t.Errorf("stopped at call %d, but there were %d", stop, s.calls)
		}
		if err := f.Feed(stream, 100, &s); err != ErrStopped || s.calls != stop {
			t.Errorf("fed again: error %v, %d calls", err, s.calls)
		}
	}
}

func TestInMessage(t *testing.T) {
	stream := server(0x01, "a") + server(0x89, "") + server(0x80, "b") + server(0x89, "p") + server(0x82, "")
	//        header, payload; ping; header, payload; header, payload; header
	want := []bool{true, true, true, true, true, true, true, false, true, true, false, true, false}
	var f Frames
	if f.InMessage() {
		t.Error("a new Frames is in a message")
	}
	for i := range stream {
		if err := f.Feed([]byte{stream[i]}, 100, &collector{}); err != nil {
			t.Fatal(err)
		}
		if f.InMessage() != want[i] {
			t.Errorf("after byte %d: in a message %v, want %v", i, f.InMessage(), want[i])
		}
	}
}

// TestLimit: the limit itself is allowed, in one frame or in several.
func TestLimit(t *testing.T) {
	for _, stream := range []string{
		server(0x82, strings.Repeat("x", 1000)),
		server(0x02, strings.Repeat("x", 500)) + server(0x00, "") + server(0x80, strings.Repeat("x", 500)),
		server(0x82, strings.Repeat("x", 1000)) + server(0x82, strings.Repeat("x", 1000)),
	} {
		var f Frames
		if err := f.Feed([]byte(stream), 1000, &collector{}); err != nil {
			t.Error(err)
		}
	}
	var f Frames
	if err := f.Feed([]byte(server(0x82, "x")), -5, &collector{}); code(t, err) != 1009 {
		t.Errorf("a negative limit: %v", err)
	}
}

// TestUTF8 reads all strings of up to four bytes over bytes from every class of
// RFC 3629's syntax, cut everywhere.
func TestUTF8(t *testing.T) {
	alphabet := []byte("\x00a\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xec\xed\xee\xef\xf0\xf1\xf3\xf4\xf5\xff")
	n := len(alphabet)
	for length, count := 0, 1; length <= 4; length, count = length+1, count*n {
		text := make([]byte, length)
		for i := range count {
			for k := range text {
				text[k] = alphabet[i%n]
				i /= n
			}
			want := utf8.Valid(text)
			for cut := range length + 1 {
				var u utf8State
				if got := u.next(text[:cut], false) && u.next(text[cut:], true); got != want {
					t.Fatalf("% x cut at %d: %v, want %v", text, cut, got, want)
				}
			}
		}
	}
}

// TestFramesSize: an idle connection has 512 bytes for everything.
func TestFramesSize(t *testing.T) {
	if size := unsafe.Sizeof(Frames{}); size > 32 {
		t.Errorf("a Frames takes %d bytes, want 32 at most", size)
	}
	var f Frames
	if err := f.Feed([]byte(server(0x89, "ping")), 0, &collector{}); err != nil || f.partial != nil {
		t.Error("an idle Frames holds a buffer")
	}
}

// counter is a sink that allocates nothing.
type counter struct{ pieces, bytes, controls int }

func (c *counter) Data(_ Opcode, piece []byte, _, _ bool) bool {
	c.pieces++
	c.bytes += len(piece)
	return true
}

func (c *counter) Control(Opcode, []byte) bool { c.controls++; return true }

func TestAllocations(t *testing.T) {
	small := []byte(server(0x82, strings.Repeat("x", 100)))
	text := []byte(server(0x81, strings.Repeat("é", 500)))
	ping := []byte(server(0x89, "ping"))
	large := []byte(server(0x82, strings.Repeat("x", 100000)))
	var f Frames
	var s counter
	frame := make([]byte, 0, 200)
	payload := make([]byte, 150)
	for name, run := range map[string]func() error{
		"small":  func() error { return f.Feed(small, 1000, &s) },
		"text":   func() error { return f.Feed(text, 1000, &s) },
		"ping":   func() error { return f.Feed(ping, 1000, &s) },
		"pieces": func() error { return errors.Join(f.Feed(large[:5000], 1<<20, &s), f.Feed(large[5000:], 1<<20, &s)) },
		"append": func() error { frame = AppendFrame(frame[:0], Text, true, [4]byte{1, 2, 3, 4}, payload); return nil },
	} {
		if n := testing.AllocsPerRun(100, func() {
			if err := run(); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations, want none", name, n)
		}
	}
	if s.pieces == 0 || s.controls == 0 {
		t.Error("the sink got nothing")
	}
}

// TestNoCopy: a whole frame's payload is the part of the buffer that it lies in.
func TestNoCopy(t *testing.T) {
	p := []byte(server(0x82, "hello") + server(0x89, "ping"))
	var f Frames
	s := pointers{data: &p[2], control: &p[9]}
	if err := f.Feed(p, 100, &s); err != nil || s.seen != 2 {
		t.Errorf("error %v, %d events passed without a copy, want 2", err, s.seen)
	}
}

type pointers struct {
	data, control *byte
	seen          int
}

func (s *pointers) Data(_ Opcode, piece []byte, _, _ bool) bool {
	if &piece[0] == s.data {
		s.seen++
	}
	return true
}

func (s *pointers) Control(_ Opcode, payload []byte) bool {
	if &payload[0] == s.control {
		s.seen++
	}
	return true
}
