package echo

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"

	"wsgauge/internal/evloop"
)

// BenchmarkCodec is what a message costs besides the kernel.
func BenchmarkCodec(b *testing.B) {
	for _, size := range []int{16, 128, 4096, 65_000} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			var k codec
			k.init(DefaultMaxMessage)
			s := session{upgraded: true}
			frame := binary(pattern(size))
			buf := make([]byte, 0, 128<<10)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				k.consume(&s, append(buf, frame...))
			}
		})
	}
}

// BenchmarkEcho is one message of 128 bytes to and fro over loopback TCP; the
// client blocks in Go's own poller.
func BenchmarkEcho(b *testing.B) {
	p := open(b, serve(b, Options{}))
	frame, answer := binary(pattern(128)), make([]byte, 132)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Conn.Write(frame); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(p.Conn, answer); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHandshake is one connection from dial to reset.
func BenchmarkHandshake(b *testing.B) {
	s := serve(b, Options{})
	answer := make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Write([]byte(handshake)); err != nil {
			b.Fatal(err)
		}
		if n, err := c.Read(answer); err != nil || !bytes.HasPrefix(answer[:n], []byte("HTTP/1.1 101")) {
			b.Fatal(n, err)
		}
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}

// BenchmarkIdleConnections gives what an upgraded connection that has echoed once
// and is idle adds to the process (PSS, the kernel's socket apart). The clients
// are bare descriptors of the same process: they add nothing.
//
//	go test -run '^$' -bench IdleConnections -benchtime 1x ./echo
func BenchmarkIdleConnections(b *testing.B) {
	const n = 5000
	need(b, 2*n+100)
	for b.Loop() {
		s := serve(b, Options{})
		dials := make([]int, 0, n)
		defer func() {
			for _, fd := range dials {
				evloop.CloseSocket(fd)
			}
		}()
		connect := func() {
			fd, err := evloop.Dial(s.Addr(), netip.AddrPortFrom(netip.MustParseAddr("127.0.0.6"), 0))
			if err != nil {
				b.Fatal(err)
			}
			dials = append(dials, fd)
			exchange := func(say []byte, want string) {
				if _, err := evloop.Write(fd, say); err != nil {
					b.Fatal(err)
				}
				var answer [512]byte
				for {
					n, err := evloop.Read(fd, answer[:])
					if err == evloop.ErrAgain {
						runtime.Gosched()
						continue
					}
					if err != nil || !bytes.HasPrefix(answer[:n], []byte(want)) {
						b.Fatalf("%q %v", answer[:n], err)
					}
					return
				}
			}
			exchange([]byte(handshake), "HTTP/1.1 101")
			exchange(text("once"), "\x81\x04once")
		}
		for range 50 { // what the first ones cost once
			connect()
		}
		before := pss(b)
		for range n - 50 {
			connect()
		}
		after := pss(b)
		b.ReportMetric(float64(after-before)/(n-50), "PSS-B/conn")
	}
}

// pss returns the process's proportional set size in bytes, garbage apart.
func pss(b *testing.B) int64 {
	b.Helper()
	runtime.GC()
	debug.FreeOSMemory()
	rollup, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		b.Skipf("no PSS here: %v", err)
	}
	for line := range bytes.Lines(rollup) {
		if f := bytes.Fields(line); len(f) == 3 && string(f[0]) == "Pss:" {
			kib, err := strconv.ParseInt(string(f[1]), 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			return kib << 10
		}
	}
	b.Skip("smaps_rollup has no Pss line")
	return 0
}
