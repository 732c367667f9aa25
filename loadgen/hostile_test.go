package loadgen

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// hostile serves even connections (the path says which) as an honest echo, and odd
// ones with evil.
func hostile(t *testing.T, evil func(c net.Conn, r *bufio.Reader)) *rig {
	addr := server(t, func(c net.Conn) {
		head, err := io.ReadAll(io.LimitReader(c, 5)) // "GET /", and the rest is for others
		if err != nil {
			return
		}
		var digit [1]byte
		if _, err := io.ReadFull(c, digit[:]); err != nil {
			return
		}
		replay := &replayed{Conn: c, head: append(head, digit[0])}
		if (digit[0]-'0')%2 == 1 {
			evil(replay, bufio.NewReader(replay))
			return
		}
		r, ok := upgrade(replay)
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
			if _, err := c.Write(frame(h.OpCode, p)); err != nil {
				return
			}
		}
	})
	return startRig(t, 1, 1, addr)
}

// replayed gives back what was read from the connection to look at it.
type replayed struct {
	net.Conn
	head []byte
}

func (r *replayed) Read(p []byte) (int, error) {
	if len(r.head) > 0 {
		n := copy(p, r.head)
		r.head = r.head[n:]
		return n, nil
	}
	return r.Conn.Read(p)
}

const hostileConns = 10 // digits, so that one tells them apart

// load opens the connections and sends for a moment; both steps are summed.
func (r *rig) load() *Recorder {
	r.t.Helper()
	sum := r.do(StepPlan{ID: "connect", Group: "main", Connect: &ConnectPlan{Count: hostileConns, Rate: 2000,
		Timeout: 500 * time.Millisecond, Path: "/{conn}"}})
	sum.Merge(r.send(hostileConns, func(p *SendPlan) { p.Drain = 300 * time.Millisecond }))
	return sum
}

// bystanders checks that the honest half had every message answered: r.load sends 300
// over all connections, evenly within a few.
func bystanders(t *testing.T, sum *Recorder) {
	t.Helper()
	c := &sum.Counts
	if c.Answered < 100 || c.Corrupt != c.Failures["corrupt"] {
		t.Errorf("only %d messages of the honest half were answered: %+v", c.Answered, c)
	}
}

// memory returns the heap in use after a collection.
func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestHostilePeers(t *testing.T) {
	raw := func(b ...byte) func(net.Conn, *bufio.Reader) {
		return func(c net.Conn, r *bufio.Reader) {
			if _, ok := upgrade(c); ok {
				c.Write(b)
				io.Copy(io.Discard, c)
			}
		}
	}
	instead := func(answer func(c net.Conn)) func(net.Conn, *bufio.Reader) {
		return func(c net.Conn, r *bufio.Reader) {
			if _, err := http.ReadRequest(r); err == nil {
				answer(c)
				io.Copy(io.Discard, c)
			}
		}
	}
	for name, c := range map[string]struct {
		evil  func(net.Conn, *bufio.Reader)
		class string
	}{
		"a claim of 2^63 bytes":        {raw(0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0), "protocol_error"},
		"a claim of 2^62 bytes":        {raw(0x82, 127, 0x40, 0, 0, 0, 0, 0, 0, 0), "protocol_error"},
		"reserved bits":                {raw(0xf2, 1, 'x'), "protocol_error"},
		"a reserved opcode":            {raw(0x83, 1, 'x'), "protocol_error"},
		"a masked frame":               {raw(0x82, 0x81, 1, 2, 3, 4, 'x'), "protocol_error"},
		"a control frame of 126 bytes": {raw(append([]byte{0x89, 126, 0, 126}, make([]byte, 126)...)...), "protocol_error"},
		"a ping in two fragments":      {raw(0x09, 1, 'x'), "protocol_error"},
		"a continuation of nothing":    {raw(0x80, 1, 'x'), "protocol_error"},
		"text that is not UTF-8":       {raw(0x81, 1, 0xff), "protocol_error"},
		"a close of one byte":          {raw(0x88, 1, 3), "protocol_error"},
		"a close code of 1005":         {raw(0x88, 2, 3, 0xed), "protocol_error"},
		"a close within a fragment":    {raw(0x02, 1, 'x', 0x88, 2, 3, 0xe8), "closed_by_peer_1000"}, // which RFC 6455 allows (section 5.4)
		"a message from nobody":        {raw(0x82, 1, 'x'), "corrupt"},
		"a wrong accept": {instead(func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n")
		}), "upgrade_bad_accept"},
		"an extension nobody offered": {instead(func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
		}), "protocol_error|upgrade_bad_accept"},
		"half a header for ever": {instead(func(c net.Conn) { io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgr") }), "upgrade_stall"},
		"a header that never ends": {instead(func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\n")
			line := "X-Filler: " + strings.Repeat("x", 4096) + "\r\n"
			for range 2000 { // 8 MB
				if _, err := io.WriteString(c, line); err != nil {
					return
				}
			}
		}), "protocol_error"},
		"pings without end, and nothing read": {func(c net.Conn, r *bufio.Reader) {
			c.(*replayed).Conn.(*net.TCPConn).SetReadBuffer(4096)
			if _, ok := upgrade(c); !ok {
				return
			}
			pings := bytes.Repeat(frame(ws.OpPing, make([]byte, 125)), 100)
			for range 2000 { // 25 MB: the sockets' buffers hold some 4 MB of pongs
				if _, err := c.Write(pings); err != nil {
					return
				}
			}
			for err := error(nil); err == nil; time.Sleep(20 * time.Millisecond) { // until the test is over
				_, err = c.Write(pings[:127])
			}
		}, "unanswered"},
		"a reset instead of an answer": {instead(func(c net.Conn) {
			c.(*replayed).Conn.(*net.TCPConn).SetLinger(0)
			c.Close()
		}), "upgrade_closed"},
	} {
		t.Run(name, func(t *testing.T) {
			r := hostile(t, c.evil)
			before := memory()
			sum := r.load()
			got := int64(0)
			for _, class := range strings.Split(c.class, "|") {
				got += sum.Counts.Failures[class] + sum.Counts.Closures[class]
			}
			// A connection that has failed is counted once; the odd messages of a class
			// of messages may be more.
			if got < hostileConns/2 {
				t.Errorf("%d of class %s, want %d: %+v", got, c.class, hostileConns/2, sum.Counts)
			}
			bystanders(t, sum)
			if grown := memory() - before; grown > 8<<20 {
				t.Errorf("%d bytes more are held", grown)
			}
		})
	}
}

// A peer that resets after any byte of what it says: handshake, frame, close.
func TestResetAfterEveryByte(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: opens some 200 connections one after another")
	}
	const honest = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: 28 characters go here ......\r\n\r\n"
	tail := append(frame(ws.OpPing, []byte("12")), frame(ws.OpClose, ws.NewCloseFrameBody(1000, ""))...)
	total := len(honest) + len(tail)
	turn := 0 // connections come one after another
	addr := server(t, func(c net.Conn) {
		at := turn
		turn++
		request, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		b := append([]byte(fmt.Sprintf("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
			acceptOf(request))), tail...)
		c.Write(b[:min(at, len(b))])
		time.Sleep(2 * time.Millisecond) // so that the bytes are read before the reset discards them
		c.(*net.TCPConn).SetLinger(0)
	})
	r := startRig(t, 1, 1, addr)
	sum := r.do(StepPlan{ID: "connect", Group: "main", Connect: &ConnectPlan{Count: total + 1, Rate: 200, Timeout: 2 * time.Second}})
	sum.Merge(r.do(StepPlan{ID: "wait", Hold: &HoldPlan{For: 300 * time.Millisecond, Stay: true}}))
	n := &sum.Counts
	if n.Attempted != int64(total+1) {
		t.Fatalf("%d attempts", n.Attempted)
	}
	ends := int64(0)
	for _, count := range n.Closures {
		ends += count
	}
	// Every attempt either failed in its opening or opened and ended, by one class.
	if n.Failures["upgrade_closed"]+n.Opened != n.Attempted || ends != n.Opened || len(n.Failures) != 1 {
		t.Errorf("%+v", n)
	}
	// All cuts within the answer's head fail, all after it open.
	if want := int64(len(honest)); n.Failures["upgrade_closed"] != want {
		t.Errorf("%d failed in the opening, want %d", n.Failures["upgrade_closed"], want)
	}
}
