package tunnel

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"wsgauge/internal/evloop"

	"pgregory.net/rapid"
)

func TestAnIdleTunnelIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(tunnel{}); n > 64 {
		t.Errorf("a tunnel takes %d bytes, want at most 64", n)
	}
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b)})
	client, server := open(t, s.Addr(), b)
	client.send("ping")
	server.expect("ping")
	if lent := on(t, s, func() int { return s.pool.lent }); lent != 0 {
		t.Errorf("an idle tunnel owns %d bytes of buffers", lent)
	}
}

// FIN passes from either side, and the other direction goes on.
func TestHalfClose(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b)})
	for _, fromClient := range []bool{true, false} {
		one, two := open(t, s.Addr(), b)
		if !fromClient {
			one, two = two, one
		}
		one.send("last words")
		if err := one.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		two.expect("last words")
		two.expectEnd()
		time.Sleep(5 * time.Millisecond)
		for range 3 {
			two.send("answer")
			one.expect("answer")
		}
		if n := s.Stats().Open; n != 1 {
			t.Errorf("%d tunnels open with one direction down, want 1", n)
		}
		if err := two.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		one.expectEnd()
		clean(t, s)
	}
}

// FIN waits for what came before it, when that waits for a slow reader; and what
// the reader says after its own FIN is still in the kernel then.
func TestHalfCloseBehindBackpressure(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b)})
	for _, fromClient := range []bool{true, false} {
		fast, slow := open(t, s.Addr(), b)
		if !fromClient {
			fast, slow = slow, fast
		}
		const size = 24 << 20
		sent := make(chan error, 1)
		go func() {
			_, err := fast.Write(make([]byte, size))
			sent <- errors.Join(err, fast.CloseWrite())
		}()
		eventually(t, "bytes wait", func() bool { return on(t, s, func() int { return s.pool.lent }) > 0 })
		if err := slow.CloseWrite(); err != nil { // now both directions of it are to end
			t.Fatal(err)
		}
		fast.expectEnd()
		time.Sleep(20 * time.Millisecond)
		if spent := busy(t, s); spent > 10*time.Millisecond {
			t.Errorf("%v of processor time in 50 ms in which nothing could be done", spent)
		}
		n, err := io.Copy(io.Discard, slow)
		if n != size || err != nil {
			t.Errorf("%d bytes of %d arrived, %v", n, size, err)
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
		clean(t, s)
	}
}

// busy tells how much processor time the loop's thread takes in 50 ms.
func busy(t *testing.T, s *Server) time.Duration {
	t.Helper()
	before := threadTime(t, s)
	time.Sleep(50 * time.Millisecond)
	return threadTime(t, s) - before
}

// threadTime is the processor time of the loop's thread so far.
func threadTime(t *testing.T, s *Server) time.Duration {
	t.Helper()
	const thread = 1 // RUSAGE_THREAD
	return on(t, s, func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(thread, &u); err != nil {
			t.Error(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	})
}

func TestResetPasses(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b)})
	for _, fromClient := range []bool{true, false} {
		one, two := open(t, s.Addr(), b)
		if !fromClient {
			one, two = two, one
		}
		one.reset()
		if _, err := two.all(); !isReset(err) {
			t.Errorf("the other side sees %v, want a reset", err)
		}
		clean(t, s)
	}
}

// A side that is not read, because the other takes nothing, can still reset.
func TestResetBehindBackpressure(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b)})
	for _, byReader := range []bool{true, false} {
		client, server := open(t, s.Addr(), b)
		flooded := make(chan struct{})
		go func() {
			defer close(flooded)
			for {
				if _, err := client.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}()
		eventually(t, "bytes wait", func() bool { return on(t, s, func() int { return s.pool.lent }) > 0 })
		if byReader {
			server.reset()
		} else {
			client.reset()
		}
		<-flooded
		clean(t, s)
		server.Close()
	}
}

// Many slow readers at once: each direction holds at most one read.
func TestBackpressureIsBounded(t *testing.T) {
	const tunnels = 8
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b)})
	var all sync.WaitGroup
	var servers []*peer
	for range tunnels {
		client, server := open(t, s.Addr(), b)
		servers = append(servers, server)
		for _, p := range []*peer{client, server} {
			all.Go(func() {
				p.Write(make([]byte, 32<<20)) // until it is reset
			})
		}
	}
	lent := func() int { return on(t, s, func() int { return s.pool.lent }) }
	eventually(t, "bytes wait everywhere", func() bool {
		return on(t, s, func() bool { return s.pool.lent > 0 }) && lent() == lent()
	})
	most := 0
	for range 50 {
		most = max(most, lent())
		time.Sleep(2 * time.Millisecond)
	}
	if most == 0 || most > tunnels*2*readLen {
		t.Errorf("%d bytes wait for %d readers; want some, and at most %d", most, 2*tunnels, tunnels*2*readLen)
	}
	for _, p := range servers {
		p.reset()
	}
	all.Wait()
	clean(t, s)
}

// Whatever the sizes, the pauses and the order, what arrives is what was sent.
func TestEveryByteArrives(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b)})
	rapid.Check(t, func(r *rapid.T) {
		sizes := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(1, 200), rapid.IntRange(1, 1<<18)), 1, 24)
		up, down := sizes.Draw(r, "up"), sizes.Draw(r, "down")
		slow := rapid.SampledFrom([]int{0, 100, 5000}).Draw(r, "reads before a rest")
		client, server := open(t, s.Addr(), b)
		var all sync.WaitGroup
		for i, way := range []struct {
			from, to *peer
			sizes    []int
		}{{client, server, up}, {server, client, down}} {
			var sums [2]hash.Hash
			sums[0], sums[1] = sha256.New(), sha256.New()
			var wrote, read sync.WaitGroup
			wrote.Go(func() { pour(way.from, way.sizes, uint64(i), sums[0]) })
			read.Go(func() { sip(way.to, slow, sums[1]) })
			all.Go(func() {
				wrote.Wait()
				read.Wait()
				if !bytes.Equal(sums[0].Sum(nil), sums[1].Sum(nil)) {
					t.Errorf("direction %d: other bytes arrived than were sent", i)
				}
			})
		}
		all.Wait()
		client.Close()
		server.Close()
	})
	clean(t, s)
}

func pour(p *peer, sizes []int, seed uint64, sum io.Writer) {
	random := rand.NewChaCha8([32]byte{byte(seed)})
	for _, n := range sizes {
		data := make([]byte, n)
		random.Read(data)
		sum.Write(data)
		if _, err := p.Write(data); err != nil {
			p.t.Errorf("write: %v", err)
			return
		}
	}
	if err := p.CloseWrite(); err != nil {
		p.t.Errorf("close: %v", err)
	}
}

// sip reads to the end, with a rest of a millisecond after so many kilobytes.
func sip(p *peer, kilobytes int, sum io.Writer) {
	buf := make([]byte, 16<<10)
	since := 0
	for {
		n, err := p.Read(buf)
		sum.Write(buf[:n])
		if since += n; kilobytes > 0 && since > kilobytes<<10 {
			since = 0
			time.Sleep(time.Millisecond)
		}
		if err != nil {
			if err != io.EOF {
				p.t.Errorf("read: %v", err)
			}
			return
		}
	}
}

func TestIdleTimeout(t *testing.T) {
	const timeout = 150 * time.Millisecond
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b), IdleTimeout: timeout})
	client, server := open(t, s.Addr(), b)
	for i := range 6 { // longer than the timeout, one direction at a time
		time.Sleep(timeout / 3)
		from, to := client, server
		if i >= 3 {
			from, to = server, client
		}
		from.send("x")
		to.expect("x")
	}
	last := time.Now()
	client.expectEnd()
	if idle := time.Since(last); idle < timeout-5*time.Millisecond || idle > timeout+50*time.Millisecond {
		t.Errorf("ended after %v without a byte, want %v", idle, timeout)
	}
	server.expectEnd()
	clean(t, s)
	if n := s.Stats().Idled; n != 1 {
		t.Errorf("%d tunnels ended for idleness, want 1", n)
	}

	// One direction has ended, and the peer that is left has vanished.
	client, server = open(t, s.Addr(), b)
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	server.expectEnd()
	client.expectEnd()
	clean(t, s)
}

func TestIdleTimeoutEndsAStuckTunnel(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b), IdleTimeout: 100 * time.Millisecond})
	client, server := open(t, s.Addr(), b)
	for {
		if _, err := client.Write(make([]byte, 1<<20)); err != nil {
			break // nobody reads at the other side, and the tunnel gives up
		}
	}
	clean(t, s)
	server.Close()
}

func TestServeEnds(t *testing.T) {
	before := ownDescriptors(t)
	b := listenBackend(t)
	s, err := Listen(Options{Listen: anyPort, Backends: backends(b)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx) }()
	client, server := open(t, s.Addr(), b)
	half := dial(t, s.Addr())
	half.send(upgradeRequest[:20])
	stuckClient, stuckServer := open(t, s.Addr(), b) // one side is in no loop
	go stuckClient.Write(make([]byte, 32<<20))
	eventually(t, "bytes wait", func() bool { return on(t, s, func() int { return s.pool.lent }) > 0 })
	if err := stuckServer.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a side is unwatched", func() bool { return on(t, s, func() int { return len(s.unwatched) }) == 1 })
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := client.all(); err != nil && !isReset(err) {
		t.Error(err)
	}
	for _, p := range []*peer{client, server, half, stuckClient, stuckServer} {
		p.Close()
	}
	b.ln.Close()
	eventually(t, "every descriptor is closed", func() bool { return ownDescriptors(t) <= before })
	if _, err := net.Dial("tcp", s.Addr().String()); err == nil {
		t.Error("someone still listens")
	}
	s.Close()

	s, err = Listen(Options{Listen: anyPort, Backends: backends(b)})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if n := ownDescriptors(t); n > before {
		t.Errorf("%d descriptors after Close, %d before Listen", n, before)
	}
}

func ownDescriptors(t *testing.T) int {
	t.Helper()
	found, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

func TestListenErrors(t *testing.T) {
	b := listenBackend(t)
	for name, o := range map[string]Options{
		"no address":    {Backends: backends(b)},
		"no backend":    {Listen: anyPort},
		"backend port":  {Listen: anyPort, Backends: append(backends(b), anyPort)},
		"negative":      {Listen: anyPort, Backends: backends(b), MaxTunnels: -1},
		"negative time": {Listen: anyPort, Backends: backends(b), IdleTimeout: -1},
	} {
		if _, err := Listen(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := Listen(Options{Listen: b.addr, Backends: backends(b)}); !errors.Is(err, evloop.ErrInUse) {
		t.Errorf("an address in use: %v", err)
	}
}
