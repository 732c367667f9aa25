package loadgen

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

func TestEveryMessageIsAnswered(t *testing.T) {
	for _, c := range []struct {
		name            string
		agents, workers int
		change          func(*SendPlan)
	}{
		{"constant", 1, 1, nil},
		{"poisson", 1, 1, func(p *SendPlan) { p.Arrivals = "poisson" }},
		{"two agents", 2, 1, nil},
		{"two workers", 1, 2, nil},
		{"two agents of two", 2, 2, func(p *SendPlan) { p.Arrivals = "poisson" }},
		{"text", 1, 1, func(p *SendPlan) { p.Text = true }},
		{"fragments", 1, 1, func(p *SendPlan) { p.Fragments = 5 }},
		{"text in fragments", 1, 1, func(p *SendPlan) { p.Text, p.Fragments = true, 3 }},
		{"tiny", 1, 1, func(p *SendPlan) { p.Size = Size{Min: 0, Max: 24} }},
		{"tiny text", 1, 1, func(p *SendPlan) { p.Size, p.Text = Size{Min: 0, Max: 48}, true }},
		{"large", 1, 1, func(p *SendPlan) { p.Size, p.Rate = Size{Min: 100, Max: 2 << 20}, 50 }},
		{"choice", 1, 1, func(p *SendPlan) {
			p.Size = Size{Bytes: []int{16, 70000}, Weights: []float64{9, 1}}
		}},
		{"every", 1, 1, func(p *SendPlan) { p.Rate, p.Every, p.Phase = 0, 50*time.Millisecond, "spread" }},
		{"every together, two agents", 2, 1, func(p *SendPlan) { p.Rate, p.Every, p.Phase = 0, 50*time.Millisecond, "together" }},
		{"warm-up", 1, 1, func(p *SendPlan) { p.Warmup = 100 * time.Millisecond }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := startRig(t, c.agents, c.workers, echoServer(t))
			opened := r.connect(40)
			if opened.Counts.Attempted != 40 || opened.Counts.Opened != 40 || len(opened.Counts.Failures) != 0 {
				t.Fatalf("connect: %+v", opened.Counts)
			}
			if n := r.open["main"].Len(); n != 40 {
				t.Fatalf("%d open, want 40", n)
			}
			for _, m := range []Metric{DialLag, Dial, Upgrade} {
				if h := opened.Histogram(m); h == nil || h.TotalCount() != 40 {
					t.Errorf("%s does not have 40 values", m)
				}
			}
			sent := r.send(40, c.change)
			n := sent.Counts
			if n.Scheduled == 0 || n.Sent != n.Scheduled || n.Answered != n.Sent || n.Received != n.Sent {
				t.Errorf("send: %+v", n)
			}
			if n.Unanswered != 0 || n.Corrupt != 0 || len(n.Failures) != 0 || len(n.NotSent) != 0 || n.BytesSent != n.BytesReceived {
				t.Errorf("send: %+v", n)
			}
			for _, m := range []Metric{ResponseTime, ServiceTime, SendLag, WriteBlocked} {
				if h := sent.Histogram(m); h == nil || h.TotalCount() != n.Sent {
					t.Errorf("%s does not have a value for every message", m)
				}
			}
			closed := r.do(StepPlan{ID: "close", Close: &ClosePlan{How: "clean", Timeout: 2 * time.Second}})
			if closed.Counts.Closures["closed_by_us"] != 40 || r.open["main"].Len() != 0 {
				t.Errorf("close: %+v, %d left", closed.Counts, r.open["main"].Len())
			}
		})
	}
}

// The constant schedule is exact: a window of 300 ms at 1,000/s holds 300
// messages, on however many agents, and a warm-up before it adds none.
func TestScheduledIsWhatWasAsked(t *testing.T) {
	addr := echoServer(t)
	for _, agents := range []int{1, 2, 3} {
		r := startRig(t, agents, 1, addr)
		r.connect(10)
		n := r.send(10, func(p *SendPlan) { p.Warmup = 50 * time.Millisecond }).Counts
		if n.Scheduled != 300 || n.Answered != 300 {
			t.Errorf("%d agents: scheduled %d, answered %d; want 300", agents, n.Scheduled, n.Answered)
		}
	}
}

// What is drawn for a connection that is not open is not scheduled; the others
// get what they would have got.
func TestRateShrinksWithTheConnections(t *testing.T) {
	addr := echoServer(t)
	r := startRig(t, 1, 1, addr)
	r.connect(20)
	var half Set
	for i := range uint32(10) {
		half.Add(2 * i)
	}
	r.do(StepPlan{ID: "close", Group: "main", Close: &ClosePlan{Which: map[string]Set{"main": half}, How: "fin", Timeout: time.Second}})
	n := r.send(20, func(p *SendPlan) { p.Rate = 2000 }).Counts
	if n.Scheduled < 240 || n.Scheduled > 360 || n.Answered != n.Scheduled || len(n.NotSent) != 0 {
		t.Errorf("half of the connections: %+v, want about half of 600 scheduled and all answered", n)
	}
}

// upgrade answers the opening handshake of a raw connection.
func upgrade(c net.Conn) (*bufio.Reader, bool) {
	r := bufio.NewReader(c)
	request, err := http.ReadRequest(r)
	if err != nil {
		return nil, false
	}
	_, err = fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		acceptOf(request))
	return r, err == nil
}

// acceptOf is the Sec-WebSocket-Accept that a request wants (RFC 6455 section 4.2.2).
func acceptOf(request *http.Request) string {
	sum := sha1.Sum([]byte(request.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func TestFailuresOfOpening(t *testing.T) {
	answer := func(text string) func(net.Conn) {
		return func(c net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				io.WriteString(c, text)
				io.Copy(io.Discard, c)
			}
		}
	}
	closedPort := server(t, func(net.Conn) {})
	for class, serve := range map[string]func(net.Conn){
		"upgrade_status_503": answer("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"),
		"upgrade_status_200": answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
		"upgrade_bad_accept": answer("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"),
		"protocol_error":     answer("SSH-2.0-OpenSSH_9.2\r\n\r\n"),
		"upgrade_stall":      func(c net.Conn) { io.Copy(io.Discard, c) },
		"upgrade_closed":     func(c net.Conn) { http.ReadRequest(bufio.NewReader(c)) },
		"dial_refused":       nil,
	} {
		t.Run(class, func(t *testing.T) {
			addr := netip.AddrPortFrom(closedPort.Addr(), 1) // nobody listens on port 1
			if serve != nil {
				addr = server(t, serve)
			}
			r := startRig(t, 1, 1, addr)
			n := r.do(StepPlan{ID: "connect", Group: "main",
				Connect: &ConnectPlan{Count: 5, Rate: 1000, Timeout: 300 * time.Millisecond}}).Counts
			if want := (map[string]int64{class: 5}); !maps.Equal(n.Failures, want) || n.Opened != 0 || n.Attempted != 5 {
				t.Errorf("%+v, want failures %v", n, want)
			}
			if len(n.Closures) != 0 {
				t.Errorf("closures %v of tunnels that never opened", n.Closures)
			}
		})
	}
}

// A connection that stalls and is kept may be served later.
func TestStalledAndKept(t *testing.T) {
	var release atomic.Bool
	addr := server(t, func(c net.Conn) {
		for !release.Load() {
			time.Sleep(5 * time.Millisecond)
		}
		if _, ok := upgrade(c); ok {
			io.Copy(io.Discard, c)
		}
	})
	r := startRig(t, 1, 1, addr)
	n := r.do(StepPlan{ID: "connect", Group: "main",
		Connect: &ConnectPlan{Count: 3, Rate: 1000, Timeout: 100 * time.Millisecond, OnTimeout: "keep"}}).Counts
	if n.Failures["upgrade_stall"] != 3 || n.Opened != 0 {
		t.Fatalf("connect: %+v", n)
	}
	release.Store(true)
	late := r.do(StepPlan{ID: "wait", Hold: &HoldPlan{For: 300 * time.Millisecond, Stay: true}})
	if late.Counts.Opened != 3 || r.open["main"].Len() != 3 || len(late.Counts.Failures) != 0 {
		t.Errorf("served late: %+v, %d open", late.Counts, r.open["main"].Len())
	}
}

// frames serves a connection whose frames handle decides about: it returns what
// to write back, and false to end the connection.
func frames(t *testing.T, handle func(h ws.Header, payload []byte) (out []byte, more bool)) netip.AddrPort {
	return server(t, func(c net.Conn) {
		r, ok := upgrade(c)
		for ok {
			h, err := ws.ReadHeader(r)
			if err != nil || h.Length > 1<<20 {
				return
			}
			p := make([]byte, h.Length)
			if _, err := io.ReadFull(r, p); err != nil {
				return
			}
			ws.Cipher(p, h.Mask, 0)
			var out []byte
			if out, ok = handle(h, p); len(out) > 0 {
				if _, err := c.Write(out); err != nil {
					return
				}
			}
		}
	})
}

func frame(op ws.OpCode, p []byte) []byte { return ws.MustCompileFrame(ws.NewFrame(op, true, p)) }

func TestWrongAnswersAreNamed(t *testing.T) {
	var held []byte
	n := 0
	for name, c := range map[string]struct {
		handle func(h ws.Header, p []byte) ([]byte, bool)
		check  func(c Counts) bool
	}{
		"corrupt": {func(h ws.Header, p []byte) ([]byte, bool) {
			p[len(p)-1] ^= 1
			return frame(h.OpCode, p), true
		}, func(c Counts) bool { return c.Corrupt == c.Sent && c.Failures["corrupt"] == c.Sent && c.Answered == 0 }},
		"cut short": {func(h ws.Header, p []byte) ([]byte, bool) {
			return frame(h.OpCode, p[:len(p)-1]), true
		}, func(c Counts) bool { return c.Corrupt == c.Sent && c.Answered == 0 }},
		"lost": {func(h ws.Header, p []byte) ([]byte, bool) {
			if n++; n%2 == 0 {
				return nil, true
			}
			return frame(h.OpCode, p), true
		}, func(c Counts) bool {
			return c.Unanswered == c.Sent/2 && c.Failures["unanswered"] == c.Unanswered && c.Answered == c.Sent-c.Unanswered
		}},
		"reordered": {func(h ws.Header, p []byte) ([]byte, bool) {
			if held == nil {
				held = frame(h.OpCode, p)
				return nil, true
			}
			out := append(frame(h.OpCode, p), held...)
			held = nil
			return out, true
		}, func(c Counts) bool { return c.Failures["reordered"] == c.Sent/2 && c.Answered == c.Sent }},
		"duplicated": {func(h ws.Header, p []byte) ([]byte, bool) {
			f := frame(h.OpCode, p)
			return append(f, f...), true
		}, func(c Counts) bool { return c.Failures["duplicated"] == c.Sent && c.Answered == c.Sent }},
		"unasked": {func(h ws.Header, p []byte) ([]byte, bool) {
			return append(frame(h.OpCode, p), frame(ws.OpBinary, []byte("hello"))...), true
		}, func(c Counts) bool { return c.Corrupt > 0 && c.Failures["corrupt"] == c.Corrupt }},
		"masked": {func(h ws.Header, p []byte) ([]byte, bool) {
			return ws.MustCompileFrame(ws.MaskFrame(ws.NewFrame(h.OpCode, true, p))), true
		}, func(c Counts) bool {
			return c.Failures["protocol_error"] == 1 && c.Closures["closed_by_us"] == 1 && c.NotSent["ended"] > 0 && c.Answered == 0
		}},
		"close frame": {func(h ws.Header, p []byte) ([]byte, bool) {
			return frame(ws.OpClose, ws.NewCloseFrameBody(1011, "tired")), true
		}, func(c Counts) bool {
			return c.Closures["closed_by_peer_1011"] == 1 && c.Failures["ended_in_send"] == 1 && c.NotSent["ended"] > 0
		}},
		"end of stream": {func(h ws.Header, p []byte) ([]byte, bool) {
			return nil, false
		}, func(c Counts) bool {
			return c.Closures["closed_by_peer"] == 1 && c.Failures["ended_in_send"] == 1 && c.Unanswered >= 1
		}},
	} {
		t.Run(name, func(t *testing.T) {
			held, n = nil, 0
			r := startRig(t, 1, 1, frames(t, c.handle))
			if got := r.connect(1).Counts; got.Opened != 1 {
				t.Fatalf("connect: %+v", got)
			}
			got := r.send(1, func(p *SendPlan) { p.Rate, p.Drain = 200, 300*time.Millisecond }).Counts
			if !c.check(got) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// Unanswered messages stay in the percentiles with at least their age.
func TestUnansweredStayInThePercentiles(t *testing.T) {
	n := 0
	addr := frames(t, func(h ws.Header, p []byte) ([]byte, bool) {
		if n++; n > 30 {
			return nil, true // silence, and the connection stays
		}
		return frame(h.OpCode, p), true
	})
	r := startRig(t, 1, 1, addr)
	r.connect(1)
	got := r.send(1, func(p *SendPlan) { p.Rate, p.Drain = 200, 400*time.Millisecond })
	h := got.Histogram(ResponseTime)
	if got.Counts.Sent != 60 || got.Counts.Unanswered != 30 || h.TotalCount() != 60 {
		t.Fatalf("%+v with %d in the histogram", got.Counts, h.TotalCount())
	}
	// The youngest was due at the window's end and waited for the whole drain.
	if from := got.CensoredFrom(ResponseTime); from < 400e6 || from > 600e6 {
		t.Errorf("censored from %v, want about the drain's 400 ms", time.Duration(from))
	}
	if p99 := h.ValueAtQuantile(99); p99 < 400e6 {
		t.Errorf("p99 %v hides the messages without an answer", time.Duration(p99))
	}
}

// A peer that does not read makes write_blocked, never send lag: the schedule is
// kept and the messages wait on their connection.
func TestPeerThatDoesNotRead(t *testing.T) {
	addr := server(t, func(c net.Conn) {
		r, ok := upgrade(c)
		if !ok {
			return
		}
		time.Sleep(600 * time.Millisecond)
		for {
			h, err := ws.ReadHeader(r)
			if err != nil {
				return
			}
			p := make([]byte, h.Length)
			if _, err := io.ReadFull(r, p); err != nil {
				return
			}
			ws.Cipher(p, h.Mask, 0)
			if _, err := c.Write(frame(h.OpCode, p)); err != nil {
				return
			}
		}
	})
	r := startRig(t, 1, 1, addr)
	r.connect(1)
	got := r.send(1, func(p *SendPlan) {
		p.Rate, p.For, p.Drain, p.Size = 50, 400*time.Millisecond, 5*time.Second, Size{Min: 512 << 10, Max: 512 << 10}
	})
	if n := got.Counts; n.Sent != 20 || n.Answered != 20 || len(n.Failures) != 0 {
		t.Fatalf("%+v", n)
	}
	blocked, lag := got.Histogram(WriteBlocked), got.Histogram(SendLag)
	if blocked.Max() < 200e6 {
		t.Errorf("write_blocked at most %v, though the peer did not read for 600 ms", time.Duration(blocked.Max()))
	}
	if lag.ValueAtQuantile(50) > blocked.ValueAtQuantile(50)/2 {
		t.Errorf("send lag p50 %v beside write_blocked p50 %v: a peer that does not read was taken for a slow generator",
			time.Duration(lag.ValueAtQuantile(50)), time.Duration(blocked.ValueAtQuantile(50)))
	}
}

// What does not fit on a blocked connection is not sent, and counted.
func TestQueueIsBounded(t *testing.T) {
	addr := server(t, func(c net.Conn) {
		if _, ok := upgrade(c); ok {
			time.Sleep(3 * time.Second)
		}
	})
	r := startRig(t, 1, 1, addr)
	r.connect(1)
	got := r.send(1, func(p *SendPlan) {
		p.Rate, p.For, p.Drain, p.Size = 100, 400*time.Millisecond, 50*time.Millisecond, Size{Min: 2 << 20, Max: 2 << 20}
	}).Counts
	if got.NotSent["queue_full"] == 0 || got.Sent+got.NotSent["queue_full"] != got.Scheduled || got.Unanswered != got.Sent {
		t.Errorf("%+v", got)
	}
}

func TestPingsAreAnsweredAndSent(t *testing.T) {
	pongs := make(chan string, 16)
	addr := frames(t, func(h ws.Header, p []byte) ([]byte, bool) {
		switch h.OpCode {
		case ws.OpPing:
			return append(frame(ws.OpPong, p), frame(ws.OpPing, []byte("are you there"))...), true
		case ws.OpPong:
			pongs <- string(p)
		}
		return nil, true
	})
	r := startRig(t, 1, 1, addr)
	r.connect(1)
	got := r.do(StepPlan{ID: "hold", Group: "main", Hold: &HoldPlan{For: 250 * time.Millisecond, PingEvery: 100 * time.Millisecond}})
	if h := got.Histogram(Ping); h == nil || h.TotalCount() != 2 {
		t.Errorf("a heartbeat every 100 ms for 250 ms did not give 2 round trips")
	}
	select {
	case p := <-pongs:
		if p != "are you there" {
			t.Errorf("pong %q", p)
		}
	case <-time.After(2 * time.Second):
		t.Error("a ping was not answered")
	}
}

// A pong that comes just after the time of a hold belongs to it, and is not waited
// for without end.
func TestLatePongs(t *testing.T) {
	late := func(by time.Duration) *rig {
		addr := frames(t, func(h ws.Header, p []byte) ([]byte, bool) {
			if h.OpCode == ws.OpPing {
				time.Sleep(by)
				return frame(ws.OpPong, p), true
			}
			return nil, true
		})
		r := startRig(t, 1, 1, addr)
		r.connect(3)
		return r
	}
	hold := StepPlan{ID: "hold", Hold: &HoldPlan{For: 150 * time.Millisecond, PingEvery: 150 * time.Millisecond}}
	r := late(200 * time.Millisecond)
	begun := time.Now()
	if h := r.do(hold).Histogram(Ping); h == nil || h.TotalCount() != 3 {
		t.Errorf("not all of 3 pongs are in the step of their pings")
	}
	if took := time.Since(begun); took > 900*time.Millisecond {
		t.Errorf("the step took %v, though its pongs had come after 350 ms", took)
	}
	begun = time.Now()
	if h := late(1500 * time.Millisecond).do(hold).Histogram(Ping); h != nil {
		t.Errorf("%d pongs in the step", h.TotalCount())
	}
	if took := time.Since(begun); took > 1700*time.Millisecond {
		t.Errorf("the step waited %v for pongs", took)
	}
}

// An idle tunnel that the other side ends is a closure in hold, no failure, with
// the time that it had been idle.
func TestIdleBeforeClose(t *testing.T) {
	addr := server(t, func(c net.Conn) {
		if _, ok := upgrade(c); ok {
			time.Sleep(300 * time.Millisecond)
		}
	})
	r := startRig(t, 1, 1, addr)
	r.connect(3)
	began := time.Now()
	got := r.do(StepPlan{ID: "hold", Group: "main", Hold: &HoldPlan{For: 5 * time.Second}})
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("hold went on for %v though no connection was left", took)
	}
	if got.Counts.Closures["closed_by_peer"] != 3 || len(got.Counts.Failures) != 0 {
		t.Errorf("%+v", got.Counts)
	}
	if h := got.Histogram(IdleBeforeClose); h == nil || h.TotalCount() != 3 || h.Min() < 250e6 || h.Max() > 600e6 {
		t.Errorf("idle before close is not about 300 ms three times")
	}
}

func TestCloseByEachWay(t *testing.T) {
	for _, how := range []string{"clean", "fin", "reset"} {
		t.Run(how, func(t *testing.T) {
			ends := make(chan error, 8)
			addr := server(t, func(c net.Conn) {
				r, ok := upgrade(c)
				if !ok {
					return
				}
				h, err := ws.ReadHeader(r)
				if err == nil && h.OpCode == ws.OpClose {
					io.CopyN(io.Discard, r, h.Length)
					c.Write(frame(ws.OpClose, ws.NewCloseFrameBody(1000, "")))
					err = fmt.Errorf("close frame")
				}
				ends <- err
			})
			r := startRig(t, 1, 1, addr)
			r.connect(2)
			got := r.do(StepPlan{ID: "close", Group: "main", Close: &ClosePlan{How: how, Timeout: time.Second}}).Counts
			if got.Closures["closed_by_us"] != 2 || len(got.Failures) != 0 || r.open["main"].Len() != 0 {
				t.Errorf("%+v", got)
			}
			want := map[string]string{"clean": "close frame", "fin": "EOF", "reset": "reset"}[how]
			for range 2 {
				if err := <-ends; err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("the peer saw %v, want %s", err, want)
				}
			}
		})
	}
}
