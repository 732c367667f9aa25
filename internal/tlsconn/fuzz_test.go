package tlsconn

import (
	"bytes"
	"crypto/tls"
	"io"
	"math/rand/v2"
	"testing"

	"wsgauge/internal/evloop"
)

// FuzzSplits lets the engine's end talk with a plain crypto/tls peer through a
// stream that is split at arbitrary points, both ways, from the first byte of the
// handshake to close_notify. Whatever the splits, what is echoed is what was sent.
func FuzzSplits(f *testing.F) {
	f.Add([]byte{1}, []byte{1}, uint16(10), uint8(0))
	f.Add([]byte{5, 1}, []byte{0, 7}, uint16(40_000), uint8(1))
	f.Add([]byte{255, 4}, []byte{0, 0, 255}, uint16(65_535), uint8(2))
	f.Add([]byte{6}, []byte{255}, uint16(16_384), uint8(3))
	f.Fuzz(func(t *testing.T, reads, writes []byte, size uint16, kind uint8) {
		l := newLink()
		l.read = sizes(reads)
		offered := sizes(writes)
		full := 0 // a socket that is full now takes something the next time
		l.write = func() int {
			n := offered()
			if n == 0 && full < 2 {
				full++
				return 0
			}
			full = 0
			return max(n, 1)
		}
		s := talk(t, l, []string{"1.2", "1.3"}[kind&1], kind&2 == 0, echo)
		sent := make([]byte, size)
		rand.NewChaCha8([32]byte{byte(size)}).Read(sent)
		s.shake()
		for done := 0; done < len(sent); {
			n, err := s.conn.Write(0, sent[done:min(len(sent), done+1+int(kind)*100)])
			if err != nil && err != evloop.ErrAgain {
				t.Fatal(err)
			}
			done += n
		}
		full = -1 << 30
		l.write = func() int { return 1 << 20 }
		s.conn.Notify(0)
		for s.turn() {
		}
		if s.err != io.EOF || !s.conn.Notified() || !bytes.Equal(s.got, sent) {
			t.Fatalf("sent %d bytes, got %d back (the same: %v), ended with %v", len(sent), len(s.got), bytes.Equal(s.got, sent), s.err)
		}
	})
}

// sizes gives the bytes of p in turn, small ones as they are and large ones as
// kilobytes.
func sizes(p []byte) func() int {
	i := -1
	return func() int {
		if len(p) == 0 {
			return 1 << 10
		}
		i = (i + 1) % len(p)
		if p[i] < 128 {
			return int(p[i])
		}
		return int(p[i]-127) << 8
	}
}

// FuzzBytes gives either end arbitrary bytes, before the handshake or after it:
// it may end the connection, and does nothing else.
func FuzzBytes(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint8(0))
	f.Add([]byte{22, 3, 1, 0, 5, 1, 0, 0, 1, 0}, uint8(1))
	f.Add([]byte{21, 3, 3, 0, 2, 1, 0}, uint8(2))
	f.Add([]byte{23, 3, 3, 255, 255}, uint8(5))
	f.Add([]byte{20, 3, 3, 0, 1, 1, 22, 3, 3, 0, 4, 0, 0, 0, 0}, uint8(7))
	f.Fuzz(func(t *testing.T, p []byte, kind uint8) {
		version, client, established := []string{"1.2", "1.3"}[kind&1], kind&2 != 0, kind&4 != 0
		l := newLink()
		var s *session
		if established {
			s = talk(t, l, version, client, func(c *tls.Conn) { c.NetConn().Write(p) })
		} else {
			clientConfig, serverConfig := configs(t, version, false)
			s = &session{t: t, link: l, engine: NewEngine(1), buffer: make([]byte, MinRead)}
			l.sockets(s.engine)
			l.toUs, l.theyEnd = bytes.Clone(p), true
			if client {
				s.conn = s.engine.Client(clientConfig)
				if err := s.conn.Start(0); err != nil {
					t.Fatal(err)
				}
			} else {
				s.conn = s.engine.Server(serverConfig)
			}
			defer s.conn.Close()
		}
		l.read = func() int { return 1 + int(kind) }
		for s.turn() {
		}
		if len(s.got) > 0 {
			t.Fatalf("%q was taken for data", s.got)
		}
		if s.engine.Handshakes() != 0 {
			t.Fatal("the handshake is still under way")
		}
	})
}
