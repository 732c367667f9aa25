package loadgen

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"
)

// web is a real HTTP server. It counts its connections.
func web(t *testing.T, handler http.HandlerFunc, config *tls.Config) (netip.AddrPort, *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns atomic.Int64
	s := &http.Server{Handler: handler, TLSConfig: config, ConnState: func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}}
	addr := l.Addr().(*net.TCPAddr).AddrPort()
	if config != nil {
		l = tls.NewListener(l, config)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-ended; err != http.ErrServerClosed {
			t.Errorf("web: %v", err)
		}
	})
	return addr, &conns
}

func httpStep(change func(*HTTPPlan)) StepPlan {
	p := &HTTPPlan{Seed: 3, Rate: 400, Arrivals: "constant", Warmup: 100 * time.Millisecond, For: 500 * time.Millisecond,
		Drain: time.Second, Path: "/page", Connections: 8, Timeout: 400 * time.Millisecond}
	if change != nil {
		change(p)
	}
	return StepPlan{ID: "http", HTTP: p}
}

// wantHTTP checks the counts of a step that sends 200 requests in its window.
func wantHTTP(t *testing.T, rec *Recorder, status string, failures map[string]int64) {
	t.Helper()
	n, failed := rec.Counts, int64(0)
	for _, k := range n.Failures {
		failed += k
	}
	if n.HTTPSent != 200 || n.HTTPAnswered != 200-failed || n.HTTPStatus[status] != n.HTTPAnswered {
		t.Errorf("%+v", n)
	}
	if fmt.Sprint(n.Failures) != fmt.Sprint(failures) {
		t.Errorf("failures %v, want %v", n.Failures, failures)
	}
	if h := rec.Histogram(HTTPResponseTime); h == nil || h.TotalCount() != 200 {
		t.Errorf("not every request of the window has a response time")
	}
	if h := rec.Histogram(SendLag); h == nil || h.TotalCount() != 200 {
		t.Errorf("not every request of the window has a send lag")
	}
	if n.Sent+n.Scheduled+n.Answered+n.Unanswered+n.Attempted+n.Opened != 0 || rec.Histogram(ResponseTime) != nil {
		t.Errorf("messages or tunnels in a step of requests: %+v", n)
	}
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	trust, config := secrets(t)
	for name, c := range map[string]struct {
		trust  *Trust
		config *tls.Config
	}{"http": {nil, nil}, "https": {trust, config}} {
		for _, agents := range []int{1, 2} {
			t.Run(fmt.Sprint(name, agents), func(t *testing.T) {
				var bad atomic.Int64
				addr, conns := web(t, func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path != "/page" || r.Header.Get("X-A") != "b" || r.Host == "" {
						bad.Add(1)
					}
					w.WriteHeader(http.StatusNotFound)
					fmt.Fprint(w, "hello")
				}, c.config)
				r := startTrustingRig(t, agents, 3-agents, addr, c.trust)
				got := r.do(httpStep(func(p *HTTPPlan) { p.Headers = map[string]string{"X-A": "b"} }))
				wantHTTP(t, got, "404", map[string]int64{})
				if n := conns.Load(); n < 2 || n > 8 || bad.Load() > 0 {
					t.Errorf("%d connections, %d requests were not as asked for", n, bad.Load())
				}
			})
		}
	}
}

// The requests are the same however many agents there are, and run beside messages.
func TestHTTPBesideMessages(t *testing.T) {
	t.Parallel()
	addr := echoServer(t)
	for _, agents := range []int{1, 2} {
		r := startRig(t, agents, 1, addr)
		r.do(connectOf("a", 10, 2000))
		h := r.start(httpStep(nil)) // the echo server does not take a request without an upgrade
		m := r.start(loadOf("", 10, 500*time.Millisecond))
		all := r.await(h, m)
		if n := all[h].Counts; n.HTTPSent != 200 || n.HTTPAnswered+n.Failures["http_closed"] != 200 {
			t.Errorf("%+v", n)
		}
		if n := all[m].Counts; n.HTTPSent != 0 || len(n.Failures) != 0 {
			t.Errorf("%+v", n)
		}
	}
}

// A connection for each request is one.
func TestHTTPNewEach(t *testing.T) {
	t.Parallel()
	addr, conns := web(t, func(w http.ResponseWriter, r *http.Request) {
		if !r.Close {
			w.WriteHeader(http.StatusTeapot)
		}
	}, nil)
	r := startRig(t, 1, 2, addr)
	wantHTTP(t, r.do(httpStep(func(p *HTTPPlan) { p.NewEach = true })), "200", map[string]int64{})
	if n := conns.Load(); n != 240 { // 40 in the warm-up
		t.Errorf("%d connections for 240 requests", n)
	}
}

// What is due while all connections are busy waits, and its time counts from when it was
// due; that is no lateness of the generator.
func TestHTTPWaitsForAConnection(t *testing.T) {
	t.Parallel()
	addr, conns := web(t, func(http.ResponseWriter, *http.Request) { time.Sleep(50 * time.Millisecond) }, nil)
	r := startRig(t, 1, 1, addr)
	got := r.do(httpStep(func(p *HTTPPlan) {
		p.Connections, p.Rate, p.Warmup, p.Drain = 1, 40, 0, 5*time.Second // twice as many as one can carry
	}))
	n := got.Counts
	if n.HTTPSent != 20 || n.HTTPAnswered != 20 || conns.Load() != 1 {
		t.Errorf("%d connections; %+v", conns.Load(), n)
	}
	if h := got.Histogram(HTTPResponseTime); h == nil || h.Max() < 450e6 || h.ValueAtPercentile(50) < 200e6 {
		t.Errorf("the wait is not in the response time")
	}
	if h := got.Histogram(SendLag); h == nil || h.ValueAtPercentile(50) > 20e6 {
		t.Errorf("the wait is in the send lag")
	}
	// Without time for it what still waits has no connection.
	got = r.do(httpStep(func(p *HTTPPlan) { p.Connections, p.Rate, p.Warmup, p.Drain = 1, 40, 0, 10*time.Millisecond }))
	n = got.Counts
	if n.Failures["http_no_connection"] == 0 || n.HTTPAnswered+n.Failures["http_no_connection"]+n.Failures["unanswered"] != 20 {
		t.Errorf("%+v", n)
	}
	if h := got.Histogram(HTTPResponseTime); h.TotalCount() != 20 || got.CensoredFrom(HTTPResponseTime) == 0 {
		t.Errorf("%d response times", h.TotalCount())
	}
}

// Each way in which a request can fail has its class, and the others are served.
func TestHTTPFailures(t *testing.T) {
	answer := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	for name, c := range map[string]struct {
		evil  func(net.Conn)
		class string
	}{
		"closed":         {func(c net.Conn) {}, "http_closed"},
		"reset":          {func(c net.Conn) { c.(*net.TCPConn).SetLinger(0) }, "http_closed"},
		"cut off":        {func(c net.Conn) { io.WriteString(c, answer[:len(answer)-1]) }, "http_closed"},
		"silence":        {func(c net.Conn) { io.Copy(io.Discard, c) }, "http_timeout"},
		"half an answer": {func(c net.Conn) { io.WriteString(c, answer[:30]); io.Copy(io.Discard, c) }, "http_timeout"},
		"no HTTP":        {func(c net.Conn) { io.WriteString(c, "SSH-2.0-x\r\n") }, "http_protocol_error"},
		"an upgrade":     {func(c net.Conn) { io.WriteString(c, "HTTP/1.1 101 x\r\n\r\n") }, "http_protocol_error"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int64
			r := startRig(t, 1, 1, server(t, func(conn net.Conn) {
				read := bufio.NewReader(conn)
				for {
					if _, err := http.ReadRequest(read); err != nil {
						return
					}
					if n := requests.Add(1); n > 40 && n%10 == 0 { // after the warm-up
						c.evil(conn)
						return
					}
					io.WriteString(conn, answer)
					if c.class == "http_closed" && name != "cut off" {
						return // with the next one it would be tried again
					}
				}
			}))
			step := httpStep(func(p *HTTPPlan) { p.Connections = 64; p.NewEach = c.class == "http_closed" })
			got := r.do(step)
			wantHTTP(t, got, "200", map[string]int64{c.class: got.Counts.Failures[c.class]})
			if failed := got.Counts.Failures[c.class]; failed < 19 || failed > 21 {
				t.Errorf("%d failed: %+v", failed, got.Counts)
			}
		})
	}
	t.Run("refused", func(t *testing.T) {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().(*net.TCPAddr).AddrPort()
		l.Close()
		wantHTTP(t, startRig(t, 1, 2, addr).do(httpStep(nil)), "", map[string]int64{"dial_refused": 200})
	})
	t.Run("tls", func(t *testing.T) {
		trust, _ := secrets(t)
		_, stranger := secrets(t)
		r := startTrustingRig(t, 1, 1, server(t, func(c net.Conn) { tls.Server(c, stranger).Handshake() }), trust)
		n := r.do(httpStep(func(p *HTTPPlan) { p.Rate, p.Warmup, p.Drain, p.Timeout = 20, 0, 8*time.Second, 5*time.Second })).Counts
		if n.HTTPSent != 10 || n.HTTPAnswered != 0 || n.Failures["tls_failed"] != 10 || len(n.Failures) != 1 {
			t.Errorf("%+v", n)
		}
	})
}

// A server may end a connection that it has kept, just as a request is on its way: that
// is tried again, once, and is no failure.
func TestHTTPKeptConnectionEnds(t *testing.T) {
	t.Parallel()
	var conns atomic.Int64
	answer := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	r := startRig(t, 1, 1, server(t, func(c net.Conn) {
		conns.Add(1)
		read := bufio.NewReader(c)
		for range 2 {
			if _, err := http.ReadRequest(read); err != nil {
				return
			}
			io.WriteString(c, answer)
		}
		http.ReadRequest(read) // the third it does not answer
		c.(*net.TCPConn).SetLinger(0)
	}))
	wantHTTP(t, r.do(httpStep(nil)), "200", map[string]int64{})
	if n := conns.Load(); n < 120 || n > 128 { // the last of each may have carried one
		t.Errorf("%d connections of two requests each, for 240", n)
	}
}

// A server that says more than it was asked is found out.
func TestHTTPExcess(t *testing.T) {
	t.Parallel()
	r := startRig(t, 1, 1, server(t, func(c net.Conn) {
		read := bufio.NewReader(c)
		for {
			if _, err := http.ReadRequest(read); err != nil {
				return
			}
			io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")
		}
	}))
	n := r.do(httpStep(func(p *HTTPPlan) { p.Warmup = 0 })).Counts
	if n.HTTPAnswered != 200 || n.Failures["http_protocol_error"] != 200 {
		t.Errorf("%+v", n)
	}
}

// A step that is given up has its figures, and no request is forgotten.
func TestHTTPQuitAndCancel(t *testing.T) {
	addr, _ := web(t, func(http.ResponseWriter, *http.Request) { time.Sleep(20 * time.Millisecond) }, nil)
	long := httpStep(func(p *HTTPPlan) { p.For, p.Warmup = time.Minute, 0 })
	r := startRig(t, 1, 2, addr)
	serial := r.start(long)
	time.Sleep(300 * time.Millisecond)
	r.tell(Command{Cancel: serial})
	n := r.awaitOne(serial).Counts
	if n.HTTPSent < 50 || n.HTTPSent > 150 || n.HTTPAnswered != n.HTTPSent || len(n.Failures) != 0 {
		t.Errorf("canceled: %+v", n)
	}
	n = r.quitDuring(long, 300*time.Millisecond).Counts
	if n.HTTPSent < 50 || n.HTTPAnswered != n.HTTPSent || len(n.Failures) != 0 {
		t.Errorf("quit: %+v", n)
	}
}
