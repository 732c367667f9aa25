package loadgen

import (
	"context"
	"crypto/tls"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"wsgauge/echo"
	"wsgauge/internal/certs"
	"wsgauge/internal/tlsconn"
)

// secrets makes certificates for 127.0.0.1: what clients trust, and a server's
// configuration.
func secrets(t *testing.T) (*Trust, *tls.Config) {
	t.Helper()
	f, err := certs.Make(t.TempDir(), []netip.Addr{netip.MustParseAddr("127.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(f.CA)
	if err != nil {
		t.Fatal(err)
	}
	config, err := tlsconn.ServerConfig(f.Cert, f.Key, tlsconn.Options{Resumption: true})
	if err != nil {
		t.Fatal(err)
	}
	return &Trust{CA: string(ca), Name: "127.0.0.1"}, config
}

// secureEcho is the real backend, speaking TLS.
func secureEcho(t *testing.T, config *tls.Config) *echo.Server {
	t.Helper()
	s, err := echo.Listen(echo.Options{Addr: netip.MustParseAddrPort("127.0.0.1:0"), TLS: config})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("echo: %v", err)
		}
	})
	return s
}

func TestWSS(t *testing.T) {
	trust, config := secrets(t)
	for _, o := range []TLSOptions{{Max: "1.2"}, {Min: "1.3"}, {Min: "1.3", Resumption: true}, {Max: "1.2", Resumption: true}} {
		s := secureEcho(t, config)
		r := startTrustingRig(t, 2, 1, s.Addr(), trust)
		const n = 40
		sum := r.do(StepPlan{ID: "connect", Group: "main", Connect: &ConnectPlan{Count: n, Rate: 200, Timeout: 5 * time.Second, TLS: o}})
		if sum.Counts.Opened != n || len(sum.Counts.Failures) != 0 {
			t.Fatalf("%+v: %+v", o, sum.Counts)
		}
		for _, m := range []Metric{Dial, TLS, Upgrade} {
			if h := sum.Histogram(m); h == nil || h.TotalCount() != n {
				t.Errorf("%v is not timed once a connection", m)
			}
		}
		full, resumed := int64(0), int64(0)
		for text, count := range sum.Counts.TLS {
			if version := max(o.Min, o.Max); text[:7] != "TLS "+version {
				t.Errorf("%+v: agreed on %s", o, text)
			}
			if len(text) > 8 && text[len(text)-8:] == " resumed" {
				resumed += count
			} else {
				full += count
			}
		}
		if full+resumed != n || o.Resumption != (resumed > n/2) || !o.Resumption && resumed > 0 {
			t.Errorf("%+v: %d full handshakes, %d resumed", o, full, resumed)
		}
		sum = r.send(n, func(p *SendPlan) { p.Size = Size{Min: 16, Max: 100_000}; p.Rate = 300 })
		if c := sum.Counts; c.Answered != c.Scheduled || c.Answered < 80 || len(c.Failures) != 0 {
			t.Errorf("%+v: %+v", o, c)
		}
		sum = r.do(StepPlan{ID: "close", Group: "main", Close: &ClosePlan{How: "clean", Timeout: 2 * time.Second}})
		if c := sum.Counts; c.Closures["closed_by_us"] != n || len(c.Failures) != 0 {
			t.Errorf("%+v: %+v", o, c)
		}
		if n := s.TLSFailures(); n != 0 {
			t.Errorf("the server counts %d failures", n)
		}
	}
}

// A message larger than the socket takes waits on its connection, and write_blocked
// counts until the kernel has its last record.
func TestWSSLargeMessages(t *testing.T) {
	trust, config := secrets(t)
	r := startTrustingRig(t, 1, 1, secureEcho(t, config).Addr(), trust)
	r.connect(3)
	sum := r.send(3, func(p *SendPlan) { p.Size = Size{Min: 5 << 20, Max: 5 << 20}; p.Rate = 10; p.Drain = 10 * time.Second })
	if c := sum.Counts; c.Answered != 3 || c.Scheduled != 3 || len(c.Failures) != 0 {
		t.Errorf("%+v", c)
	}
	if h := sum.Histogram(WriteBlocked); h == nil || h.TotalCount() != 3 {
		t.Error("write_blocked is not recorded for every message")
	}
}

// Of two connections one meets a peer that does wrong in TLS: it has a class, and
// the other is served as if nothing were.
func TestHostileTLS(t *testing.T) {
	trust, config := secrets(t)
	_, stranger := secrets(t)
	stall := func(c net.Conn) { io.Copy(io.Discard, c) }
	after := func(f func(raw net.Conn, c *tls.Conn)) func(net.Conn) {
		return func(raw net.Conn) {
			c := tls.Server(raw, config)
			if _, ok := upgrade(c); ok {
				time.Sleep(50 * time.Millisecond)
				f(raw, c)
				raw.(*net.TCPConn).CloseWrite()
				stall(raw)
			}
		}
	}
	for name, c := range map[string]struct {
		evil  func(net.Conn)
		class string
	}{
		"silence":               {stall, "tls_stall"},
		"half a record":         {func(c net.Conn) { c.Write([]byte{22, 3, 3, 0, 90, 2}); stall(c) }, "tls_stall"},
		"plain HTTP":            {func(c net.Conn) { io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n"); stall(c) }, "tls_failed"},
		"an alert":              {func(c net.Conn) { c.Write([]byte{21, 3, 3, 0, 2, 2, 40}); stall(c) }, "tls_failed"},
		"a claim of 65535":      {func(c net.Conn) { c.Write([]byte{22, 3, 3, 255, 255, 2}); stall(c) }, "tls_failed"},
		"nobody's authority":    {func(c net.Conn) { tls.Server(c, stranger).Handshake() }, "tls_failed"},
		"FIN":                   {func(c net.Conn) {}, "tls_closed"},
		"a reset":               {func(c net.Conn) { c.Read(make([]byte, 1)); c.(*net.TCPConn).SetLinger(0) }, "tls_closed"},
		"FIN when open":         {after(func(net.Conn, *tls.Conn) {}), "closed_without_notify"},
		"close_notify":          {after(func(_ net.Conn, c *tls.Conn) { c.CloseWrite() }), "closed_by_peer"},
		"a record cut off":      {after(func(raw net.Conn, _ *tls.Conn) { raw.Write([]byte{23, 3, 3, 0, 99, 1}) }), "closed_truncated"},
		"a record of garbage":   {after(func(raw net.Conn, _ *tls.Conn) { raw.Write(append([]byte{23, 3, 3, 0, 99}, make([]byte, 99)...)) }), "tls_failed"},
		"a frame and its end":   {after(func(_ net.Conn, c *tls.Conn) { c.Write(frame(ws.OpPing, nil)); c.CloseWrite() }), "closed_by_peer"},
		"a false record header": {after(func(raw net.Conn, _ *tls.Conn) { io.WriteString(raw, "HTTP/1.1 200 OK\r\n\r\n") }), "tls_failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var turn atomic.Int64
			addr := server(t, func(raw net.Conn) {
				if turn.Add(1)%2 == 1 {
					c.evil(raw)
					return
				}
				conn := tls.Server(raw, config)
				r, ok := upgrade(conn)
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
					if _, err := conn.Write(frame(h.OpCode, p)); err != nil {
						return
					}
				}
			})
			r := startTrustingRig(t, 1, 1, addr, trust)
			const n = 8
			sum := r.do(StepPlan{ID: "connect", Group: "main", Connect: &ConnectPlan{Count: n, Rate: 100, Timeout: 500 * time.Millisecond}})
			sent := r.send(n, func(p *SendPlan) { p.Rate = 200; p.Drain = 300 * time.Millisecond })
			sum.Merge(sent)
			if got := sum.Counts.Failures[c.class] + sum.Counts.Closures[c.class]; got != n/2 {
				t.Errorf("%d of class %s, want %d: %+v", got, c.class, n/2, sum.Counts)
			}
			if sent.Counts.Answered < 20 {
				t.Errorf("the others had %d answers: %+v", sent.Counts.Answered, sent.Counts)
			}
		})
	}
}

// Whom clients believe when no authority is given: the system's, which know nothing of
// this server, or anybody.
func TestInsecure(t *testing.T) {
	_, config := secrets(t)
	s := secureEcho(t, config)
	for insecure, opened := range map[bool]int64{false: 0, true: 3} {
		r := startTrustingRig(t, 1, 1, s.Addr(), &Trust{Name: "127.0.0.1", Insecure: insecure})
		sum := r.do(StepPlan{ID: "connect", Group: "main", Connect: &ConnectPlan{Count: 3, Rate: 200, Timeout: 5 * time.Second}})
		if c := sum.Counts; c.Opened != opened || c.Failures["tls_failed"] != 3-opened {
			t.Errorf("insecure %v: %+v", insecure, c)
		}
	}
}

func TestHeadersOfEveryRequest(t *testing.T) {
	every := map[string]string{"authorization": "Bearer {conn}", "X-Site": "a"}
	for _, c := range []struct{ step, want map[string]string }{
		{nil, every},
		{map[string]string{"Origin": "n{conn}"}, map[string]string{"Authorization": "Bearer {conn}", "X-Site": "a", "Origin": "n7"}},
		{map[string]string{"x-site": "b{conn}"}, map[string]string{"Authorization": "Bearer {conn}", "x-site": "b7"}},
	} {
		if got := headers(every, c.step, "7"); !maps.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.step, got, c.want)
		}
	}
}
