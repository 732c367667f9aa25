package evloop

import (
	"net/netip"
	"testing"
)

// BenchmarkPingPong sends 64 bytes to and fro between two sockets of one loop:
// two polls, two reads and two writes a round. It must not allocate.
func BenchmarkPingPong(b *testing.B) {
	l, err := New()
	if err != nil {
		b.Fatal(err)
	}
	client, server := connected(b)
	left := b.N
	var message [64]byte
	hop := func(fd int, sent func()) Handler {
		return readyFunc(func(Events) {
			n, err := Read(fd, l.Scratch())
			if err != nil || n == 0 {
				b.Error(n, err)
				l.Stop()
				return
			}
			if sent(); left == 0 {
				return
			}
			if _, err := Write(fd, l.Scratch()[:n]); err != nil {
				b.Error(err)
				l.Stop()
			}
		})
	}
	if err := l.Add(server, Readable, hop(server, func() {})); err != nil {
		b.Fatal(err)
	}
	if err := l.Add(client, Readable, hop(client, func() {
		if left--; left == 0 {
			l.Stop()
		}
	})); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := Write(client, message[:]); err != nil {
		b.Fatal(err)
	}
	if err := l.Run(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkTimerWait is one wait of a microsecond by the loop's own timer.
func BenchmarkTimerWait(b *testing.B) {
	l, err := New()
	if err != nil {
		b.Fatal(err)
	}
	left := b.N
	tm := &Timer{}
	tm.Owner = ExpireFunc(func(int64) {
		if left--; left == 0 {
			l.Stop()
			return
		}
		l.Arm(tm, Now()+1000)
	})
	l.Arm(tm, Now())
	b.ReportAllocs()
	b.ResetTimer()
	if err := l.Run(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkDial is one connection from dial to close, both ends.
func BenchmarkDial(b *testing.B) {
	ln, addr := listen(b, loopback)
	defer CloseSocket(ln)
	b.ReportAllocs()
	for b.Loop() {
		fd, err := Dial(addr, netip.MustParseAddrPort("127.0.0.8:0"))
		if err != nil {
			b.Fatal(err)
		}
		await(b, ln, Readable)
		conn, _, err := Accept(ln)
		if err != nil {
			b.Fatal(err)
		}
		if err := ResetOnClose(fd); err != nil { // no TIME_WAIT
			b.Fatal(err)
		}
		CloseSocket(fd)
		CloseSocket(conn)
	}
}

// BenchmarkRead and BenchmarkReadStamped are one write and one read of 128 bytes over
// loopback; their difference is what a receive stamp costs.
func BenchmarkRead(b *testing.B) {
	benchmarkRead(b, func(fd int, p []byte) (int, error) { return Read(fd, p) })
}

func BenchmarkReadStamped(b *testing.B) {
	benchmarkRead(b, func(fd int, p []byte) (int, error) {
		n, _, err := ReadStamped(fd, p)
		return n, err
	})
}

func benchmarkRead(b *testing.B, read func(int, []byte) (int, error)) {
	from, to := connected(b)
	if err := StampReceives(to); err != nil {
		b.Skip(err)
	}
	p := make([]byte, 4096)
	for b.Loop() {
		if _, err := Write(from, p[:128]); err != nil {
			b.Fatal(err)
		}
		for n, err := read(to, p); n != 128; n, err = read(to, p) {
			if err != ErrAgain {
				b.Fatal(n, err)
			}
		}
	}
}
