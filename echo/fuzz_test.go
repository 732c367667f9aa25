package echo

import (
	"bytes"
	"io"
	"regexp"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// talk feeds what a client sends to a codec as a connection does, in reads of the
// sizes that cuts asks for, until the session ends. It checks the bounds on the
// way.
func talk(t *testing.T, s *session, maxMessage int64, sent, cuts []byte) (answer []byte, ended bool) {
	t.Helper()
	var k codec
	k.init(maxMessage)
	scratch := make([]byte, readLimit+closeFrame)
	var kept []byte
	for i := 0; len(sent) > 0; i++ {
		limit := readLimit
		if !s.upgraded {
			limit = headLimit
		}
		n := min(len(sent), limit-len(kept))
		if len(cuts) > 0 {
			n = min(n, int(cuts[i%len(cuts)])*int(cuts[i%len(cuts)])/16+1)
		}
		have := copy(scratch, kept)
		have += copy(scratch[have:], sent[:n])
		sent = sent[n:]
		was := s.upgraded
		out, rest, after := k.consume(s, scratch[:have:have+closeFrame])
		if was && len(out) > have+closeFrame || len(out) > largeBuffer {
			t.Fatalf("%d bytes of answer to %d", len(out), have)
		}
		if len(rest) >= headLimit || s.upgraded && len(rest) >= wholeLimit+ws.MaxHeaderSize {
			t.Fatalf("%d bytes held", len(rest))
		}
		answer = append(answer, out...)
		if after != goOn {
			if len(rest) > 0 {
				t.Fatal("bytes held after the end")
			}
			return answer, true
		}
		kept = bytes.Clone(rest)
	}
	return answer, false
}

// model answers a whole stream of frames as the library understands it, without
// any regard for economy. Exact is false from where the answer depends on how the
// stream was cut: a text frame that is streamed and turns out invalid.
func model(maxMessage int64, sent []byte) (answer []byte, ended, exact bool) {
	var out bytes.Buffer
	r := bytes.NewReader(sent)
	state := ws.StateServerSide
	var message []byte
	var length int64
	isText := false
	end := func(code ws.StatusCode) ([]byte, bool, bool) {
		ws.MustWriteFrame(&out, ws.NewCloseFrame(ws.NewCloseFrameBody(code, "")))
		return out.Bytes(), true, true
	}
	for {
		before := r.Len()
		h, err := ws.ReadHeader(r)
		switch {
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			return out.Bytes(), false, true
		case err != nil || ws.CheckHeader(h, state) != nil || before-r.Len() != ws.HeaderSize(h):
			return end(ws.StatusProtocolError)
		}
		first := h.OpCode.IsData() && h.OpCode != ws.OpContinuation
		if first {
			length = 0
		}
		if h.OpCode.IsData() {
			if h.Length > maxMessage-length {
				return end(ws.StatusMessageTooBig)
			}
			length += h.Length
		}
		payload := make([]byte, min(h.Length, int64(r.Len())))
		if _, err := io.ReadFull(r, payload); err != nil {
			panic(err)
		}
		whole := int64(len(payload)) == h.Length
		if !whole && len(payload) < wholeLimit {
			return out.Bytes(), false, true
		}
		ws.Cipher(payload, h.Mask, 0)
		echo := ws.NewFrame(h.OpCode, h.Fin, payload)
		switch h.OpCode {
		case ws.OpPong:
			continue
		case ws.OpPing:
			ws.MustWriteFrame(&out, ws.NewPongFrame(payload))
			continue
		case ws.OpClose:
			if len(payload) == 0 {
				ws.MustWriteFrame(&out, echo)
				return out.Bytes(), true, true
			}
			code, reason := ws.ParseCloseFrameData(payload)
			switch err := ws.CheckCloseFrameData(code, reason); err {
			case nil:
				return end(code)
			case ws.ErrProtocolInvalidUTF8:
				return end(ws.StatusInvalidFramePayloadData)
			default:
				return end(ws.StatusProtocolError)
			}
		}
		if first {
			message, isText = nil, h.OpCode == ws.OpText
		}
		message = append(message, payload...)
		if isText && !validSoFar(message, whole && h.Fin) {
			if h.Length > wholeLimit {
				return out.Bytes(), true, false
			}
			return end(ws.StatusInvalidFramePayloadData)
		}
		echo.Header.Length = h.Length
		ws.MustWriteFrame(&out, echo)
		if !whole {
			return out.Bytes(), false, true
		}
		state = state.Set(ws.StateFragmented)
		if h.Fin {
			state = state.Clear(ws.StateFragmented)
		}
	}
}

// validSoFar tells whether p is UTF-8, or, when more may come, begins like it.
func validSoFar(p []byte, last bool) bool {
	for len(p) > 0 {
		r, size := utf8.DecodeRune(p)
		if r == utf8.RuneError && size <= 1 {
			return !last && !utf8.FullRune(p)
		}
		p = p[size:]
	}
	return true
}

var dateLine = regexp.MustCompile(`Date: [^\r]*\r\n`)

// FuzzServerBytes sends anything, cut anywhere. What is answered must not depend
// on the cuts, must be what the library's own reading of the stream gives, and
// nothing may be held over the bounds. The first byte says whether the connection
// is upgraded already.
func FuzzServerBytes(f *testing.F) {
	const maxMessage = 20_000
	upgraded := func(parts ...[]byte) []byte { return join(append([][]byte{{1}}, parts...)...) }
	seeds := [][]byte{
		[]byte("\x00" + handshake),
		join([]byte("\x00"+"GET / HTTP/1.1\r\nHost: x\r\n\r\n"+handshake), text("early")),
		[]byte("\x00\r\n\r\nGET / HTTP/1.0\r\n\r\n"),
		[]byte("\x00\x16\x03\x01"),
		upgraded(text("hello"), binary(pattern(126)), masked(ws.OpPing, true, []byte("p"))),
		upgraded(masked(ws.OpText, false, []byte("\xe2\x82")), masked(ws.OpPong, true, nil), masked(ws.OpContinuation, true, []byte("\xac"))),
		upgraded(masked(ws.OpText, false, []byte("\xe2\x82")), masked(ws.OpContinuation, true, []byte("x"))),
		upgraded(binary(pattern(5000)), masked(ws.OpClose, true, ws.NewCloseFrameBody(1000, "bye")), text("more")),
		upgraded(text(string(bytes.Repeat([]byte("é"), 3000))), text("\xff")),
		upgraded(text(string(bytes.Repeat([]byte("é"), 3000)) + "\xff")),
		upgraded(binary(pattern(19_999)), binary(pattern(20_001))),
		upgraded([]byte{0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5}),
		upgraded([]byte{0x81, 0xfe, 0, 5, 1, 2, 3, 4}),
		upgraded(masked(ws.OpPong, true, nil), []byte{0x81, 0}),
		upgraded(masked(ws.OpClose, true, []byte{3}), []byte{0}),
	}
	for _, s := range seeds {
		f.Add(s, []byte{})
		f.Add(s, []byte{0})
		f.Add(s, []byte{1, 9, 0, 30, 255})
	}
	f.Fuzz(func(t *testing.T, in, cuts []byte) {
		if len(in) == 0 || len(in) > 200_000 {
			return
		}
		start := session{upgraded: in[0]&1 == 1}
		in = in[1:]
		whole, cut := start, start
		one, oneEnded := talk(t, &whole, maxMessage, in, nil)
		two, twoEnded := talk(t, &cut, maxMessage, in, cuts)
		if !start.upgraded {
			one, two = dateLine.ReplaceAll(one, nil), dateLine.ReplaceAll(two, nil)
			// Frames that follow a handshake are compared below, from their start.
			if !bytes.Equal(one, two) && !whole.upgraded || oneEnded != twoEnded {
				t.Fatalf("cut %v: %q (ended %t)\nwhole: %q (ended %t)", cuts, two, twoEnded, one, oneEnded)
			}
			return
		}
		want, ended, exact := model(maxMessage, in)
		if !exact {
			if !bytes.HasPrefix(two, want) || !twoEnded || !oneEnded {
				t.Fatalf("%q (ended %t) does not begin with %q", two, twoEnded, want)
			}
			return
		}
		for _, got := range []struct {
			how    string
			answer []byte
			ended  bool
		}{{"whole", one, oneEnded}, {"cut", two, twoEnded}} {
			if !bytes.Equal(got.answer, want) || got.ended != ended {
				t.Fatalf("%s: %.200q (ended %t)\nwant %.200q (ended %t)", got.how, got.answer, got.ended, want, ended)
			}
		}
	})
}

// FuzzText compares the check in pieces with the library's whole one.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "a", "κόσμε", "🌍", "\xf0\x9f\x8c", "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\xc0", "\xef\xbf\xbd", "\x80"} {
		f.Add([]byte(s), uint8(1), uint8(2))
	}
	f.Fuzz(func(t *testing.T, p []byte, a, b uint8) {
		i := min(int(a), len(p))
		j := min(i+int(b), len(p))
		var c textCheck
		for n, piece := range [][]byte{p[:i], p[i:j], p[j:]} {
			end := []int{i, j, len(p)}[n]
			if got, want := c.piece(piece, n == 2), validSoFar(p[:end], n == 2); got != want {
				t.Fatalf("%q cut at %d and %d, after piece %d: %t, want %t", p, i, j, n, got, want)
			} else if !got {
				return
			}
		}
	})
}

// Several frames in one read are one answer, in the memory they came in.
func TestOneAnswerForSeveralFrames(t *testing.T) {
	var k codec
	k.init(1000)
	s := session{upgraded: true}
	in := make([]byte, 0, 1000)
	in = append(in, join(masked(ws.OpPong, true, []byte("x")), text("one"), text("two"), masked(ws.OpPing, true, nil), text("three"))...)
	out, rest, after := k.consume(&s, in)
	want := join(
		ws.MustCompileFrame(ws.NewTextFrame([]byte("one"))), ws.MustCompileFrame(ws.NewTextFrame([]byte("two"))),
		ws.MustCompileFrame(ws.NewPongFrame(nil)), ws.MustCompileFrame(ws.NewTextFrame([]byte("three"))))
	if !bytes.Equal(out, want) || len(rest) != 0 || after != goOn {
		t.Errorf("%q, rest %q, %d; want %q", out, rest, after, want)
	}
	in = in[:cap(in)]
	if at := bytes.Index(in, out); at < 0 || &in[at] != &out[0] {
		t.Error("the answer is a copy")
	}
	frame := append(make([]byte, 0, 100), text("stays")...)
	if out, _, _ := k.consume(&s, frame); &out[2] != &frame[6] {
		t.Error("the payload of a lone frame was moved")
	}
}
