package echo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

func TestEchoOfEverySize(t *testing.T) {
	s := serve(t, Options{})
	p := open(t, s)
	for _, n := range []int{0, 1, 2, 125, 126, 127, 4095, 4096, 4097, 65535, 65536, 65537, 200_000, 1 << 20, 16 << 20} {
		payload := pattern(n)
		go p.Write(binary(payload)) // a large one fills the kernel's buffers both ways
		p.expect(ws.OpBinary, true, payload)
	}
	word := strings.Repeat("κόσμε 🌍 ", 30_000)
	go p.Write(text(word))
	p.expect(ws.OpText, true, []byte(word))
	p.send(masked(ws.OpClose, true, ws.NewCloseFrameBody(1000, "bye")))
	p.expectClose(1000)
}

func TestFragmentsKeepTheirBoundaries(t *testing.T) {
	s := serve(t, Options{})
	p := open(t, s)
	big := pattern(100_000)
	go p.Write(join(
		masked(ws.OpBinary, false, []byte("one")),
		masked(ws.OpContinuation, false, nil),
		masked(ws.OpPing, true, []byte("between")),
		masked(ws.OpContinuation, false, big),
		masked(ws.OpPong, true, []byte("unasked")),
		masked(ws.OpContinuation, true, []byte("last")),
		masked(ws.OpText, false, []byte("\xce")), // a character cut in two
		masked(ws.OpContinuation, true, []byte("\xba")),
		text("after"),
	))
	p.expect(ws.OpBinary, false, []byte("one"))
	p.expect(ws.OpContinuation, false, nil)
	p.expect(ws.OpPong, true, []byte("between"))
	p.expect(ws.OpContinuation, false, big)
	p.expect(ws.OpContinuation, true, []byte("last"))
	p.expect(ws.OpText, false, []byte("\xce"))
	p.expect(ws.OpContinuation, true, []byte("\xba"))
	p.expect(ws.OpText, true, []byte("after"))
}

func TestClose(t *testing.T) {
	s := serve(t, Options{})
	body := ws.NewCloseFrameBody
	for _, c := range []struct {
		name    string
		payload []byte
		want    ws.StatusCode
	}{
		{"empty", nil, 0},
		{"normal", body(1000, ""), 1000},
		{"going away, with a reason", body(1001, "κ"), 1001},
		{"application", body(3456, "x"), 3456},
		{"private", body(4999, strings.Repeat("r", 123)), 4999},
		{"one byte", []byte{3}, 1002},
		{"unused code", body(999, ""), 1002},
		{"reserved code", body(1005, ""), 1002},
		{"abnormal code", body(1006, ""), 1002},
		{"undefined code", body(2000, ""), 1002},
		{"reason that is not UTF-8", body(1000, "\xff"), 1007},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := open(t, s)
			p.send(join(text("before"), masked(ws.OpClose, true, c.payload)))
			p.expect(ws.OpText, true, []byte("before"))
			p.expectClose(c.want)
		})
	}
	settle(t, "connections", 0, s.Connections)
}

// What follows a Close, or a broken rule, is neither answered nor does it turn
// the end into a reset.
func TestBytesAfterTheEndAreIgnored(t *testing.T) {
	s := serve(t, Options{})
	for name, last := range map[string][]byte{
		"close": masked(ws.OpClose, true, ws.NewCloseFrameBody(1000, "")),
		"error": {0x81, 0x00},
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, s)
			want := ws.StatusCode(1000)
			if name == "error" {
				want = 1002
			}
			go p.Write(join(last, bytes.Repeat(text("more"), 100_000)))
			time.Sleep(20 * time.Millisecond)
			p.expectClose(want)
		})
	}
}

func TestBrokenRules(t *testing.T) {
	s := serve(t, Options{MaxMessage: 1000})
	ok := text("ok")
	long := func(form string, n uint64) []byte {
		if form == "16" {
			return []byte{0x82, 0x80 | 126, byte(n >> 8), byte(n), 1, 2, 3, 4}
		}
		b := []byte{0x82, 0x80 | 127}
		for shift := 56; shift >= 0; shift -= 8 {
			b = append(b, byte(n>>shift))
		}
		return append(b, 1, 2, 3, 4)
	}
	for _, c := range []struct {
		name  string
		bytes []byte
		want  ws.StatusCode
	}{
		{"not masked", []byte{0x81, 0x02, 'h', 'i'}, 1002},
		{"not masked, empty", []byte{0x81, 0x00}, 1002},
		{"reserved bit", []byte{0xc1, 0x80, 1, 2, 3, 4}, 1002},
		{"reserved data opcode", []byte{0x83, 0x80, 1, 2, 3, 4}, 1002},
		{"reserved control opcode", []byte{0x8b, 0x80, 1, 2, 3, 4}, 1002},
		{"fragmented ping", []byte{0x09, 0x80, 1, 2, 3, 4}, 1002},
		{"ping of 126 bytes", masked(ws.OpPing, true, make([]byte, 126)), 1002},
		{"continuation of nothing", masked(ws.OpContinuation, true, nil), 1002},
		{"continuation after the last", join(ok, masked(ws.OpContinuation, true, nil)), 1002},
		{"message within a message", join(masked(ws.OpText, false, nil), ok), 1002},
		{"length longer than it must be, 16 bits", long("16", 125), 1002},
		{"length longer than it must be, 64 bits", long("64", 65535), 1002},
		{"length with the first bit set", long("64", 1<<63|5), 1002},
		{"message over the bound", masked(ws.OpBinary, true, make([]byte, 1001)), 1009},
		{"claimed length over the bound", long("64", 1<<62), 1009},
		{"fragments over the bound", join(masked(ws.OpBinary, false, make([]byte, 600)),
			masked(ws.OpContinuation, false, make([]byte, 401))), 1009},
		{"text that is not UTF-8", text("\xff"), 1007},
		{"text that ends in a character", text("abc\xe2\x82"), 1007},
		{"overlong form", text("\xc0\xaf"), 1007},
		{"surrogate", text("\xed\xa0\x80"), 1007},
		{"beyond Unicode", text("\xf4\x90\x80\x80"), 1007},
		{"character broken by the next fragment", join(masked(ws.OpText, false, []byte("\xe2\x82")),
			masked(ws.OpContinuation, true, []byte("x"))), 1007},
		{"empty last fragment within a character", join(masked(ws.OpText, false, []byte("\xe2\x82")),
			masked(ws.OpContinuation, true, nil)), 1007},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := open(t, s)
			p.send(join(ok, c.bytes))
			p.expect(ws.OpText, true, []byte("ok"))
			var f ws.Frame
			for f = p.frame(); f.Header.OpCode != ws.OpClose; f = p.frame() {
			}
			if code, _ := ws.ParseCloseFrameData(f.Payload); code != c.want {
				t.Errorf("closed with %d, want %d", code, c.want)
			}
			p.expectEnd()
		})
	}
	p := open(t, s)
	p.send(join(masked(ws.OpBinary, false, make([]byte, 600)), masked(ws.OpContinuation, true, make([]byte, 400))))
	p.frame()
	p.frame()
	p.send(text("the bound itself is allowed"))
	p.expect(ws.OpText, true, []byte("the bound itself is allowed"))
}

// A text frame that is being echoed already cannot be interrupted by a Close.
func TestInvalidTextWithinAStreamedFrame(t *testing.T) {
	s := serve(t, Options{})
	p := open(t, s)
	frame := text(strings.Repeat("a", 50_000) + "\xff" + strings.Repeat("a", 50_000))
	p.send(frame[:20_000])
	head := make([]byte, 10+15_000)
	if _, err := io.ReadFull(p, head); err != nil {
		t.Fatal(err)
	}
	p.send(frame[20_000:])
	rest, err := io.ReadAll(p)
	if err != nil || bytes.IndexByte(rest, 0xff) >= 0 {
		t.Errorf("%d bytes more, %v", len(rest), err)
	}
}

func TestHalfClose(t *testing.T) {
	s := serve(t, Options{})
	payload := pattern(300_000)
	p := open(t, s)
	go func() {
		p.Write(binary(payload))
		p.Conn.(*net.TCPConn).CloseWrite()
	}()
	p.expect(ws.OpBinary, true, payload)
	p.expectEnd()

	p = open(t, s)
	p.send(text("cut")[:3])
	p.Conn.(*net.TCPConn).CloseWrite()
	p.expectEnd()
	settle(t, "connections", 0, s.Connections)
}

func TestResetIsTheEnd(t *testing.T) {
	s := serve(t, Options{})
	for range 10 {
		p := open(t, s)
		p.Conn.(*net.TCPConn).SetLinger(0)
		p.send(text("x")[:4])
		p.Close()
	}
	settle(t, "connections", 0, s.Connections)
}

func TestSeveralLoopsShareTheConnections(t *testing.T) {
	s := serve(t, Options{Loops: 3})
	for i := range 9 {
		p := open(t, s)
		p.send(text(fmt.Sprint(i)))
		p.expect(ws.OpText, true, []byte(fmt.Sprint(i)))
	}
	for i, w := range s.workers {
		n := make(chan int, 1)
		if !w.loop.Post(func() { n <- w.loop.Open() }) {
			t.Fatal("the loop has ended")
		}
		want := 3
		if i == 0 {
			want++ // the listening socket
		}
		if got := <-n; got != want {
			t.Errorf("loop %d has %d descriptors, want %d", i, got, want)
		}
	}
}

func TestListenErrors(t *testing.T) {
	before := descriptors(t)
	s, err := Listen(Options{Addr: loopback})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Listen(Options{Addr: s.Addr(), Loops: 2})
	if err == nil || !strings.Contains(err.Error(), s.Addr().String()) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("error: %v", err)
	}
	s.Close()
	s.Close()
	for name, o := range map[string]Options{
		"no address":       {},
		"negative bound":   {Addr: loopback, MaxMessage: -1},
		"negative loops":   {Addr: loopback, Loops: -1},
		"too many loops":   {Addr: loopback, Loops: 1 << 20},
		"negative limit":   {Addr: loopback, HeadTimeout: -1},
		"negative backlog": {Addr: loopback, Backlog: -1},
	} {
		if _, err := Listen(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	settle(t, "descriptors", before, func() int { return descriptors(t) })
}

// Serve closes what is open, whatever it is in the middle of.
func TestServeLeavesNothing(t *testing.T) {
	goroutines := runtime.NumGoroutine()
	s, err := Listen(Options{Addr: loopback, Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	var peers []*peer
	for i := range 40 {
		switch p := open(t, s); i % 4 {
		case 0:
			peers = append(peers, p)
		case 1:
			p.send(text("half of it")[:5])
			peers = append(peers, p)
		case 2:
			p.send([]byte{0x81, 0x00}) // parting
			peers = append(peers, p)
		case 3:
			raw := dial(t, s)
			raw.send([]byte("GET / HT"))
			peers = append(peers, raw)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for _, p := range peers {
		io.Copy(io.Discard, p) // ends, by FIN or by reset
		p.Close()
	}
	if _, err := net.DialTimeout("tcp", s.Addr().String(), time.Second); err == nil {
		t.Error("someone still listens")
	}
	settle(t, "goroutines", goroutines, runtime.NumGoroutine)
	if err := s.Serve(context.Background()); err == nil {
		t.Error("a server served twice")
	}
}
