package tunnel

import (
	"bytes"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"wsgauge/scenarios"
)

// Each chunk is late by the delay, on the way to the backend only.
func TestInjectedDelay(t *testing.T) {
	const delay = 100 * time.Millisecond
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b), Inject: Injection{Delay: delay}})
	client, server := open(t, s.Addr(), b)
	for range 3 {
		began := time.Now()
		client.send("there")
		server.expect("there")
		if took := time.Since(began); took < delay || took > 2*delay {
			t.Errorf("there in %v, want %v", took, delay)
		}
		began = time.Now()
		server.send("back")
		client.expect("back")
		if took := time.Since(began); took > delay/2 {
			t.Errorf("back in %v, which is to be left alone", took)
		}
	}
	// The loop goes on meanwhile: another tunnel's bytes do not wait for these.
	other, far := open(t, s.Addr(), b)
	client.send("slow")
	began := time.Now()
	far.send("quick")
	other.expect("quick")
	if took := time.Since(began); took > delay/2 {
		t.Errorf("another tunnel waited for %v", took)
	}
	server.expect("slow")
}

// A path narrows the delay to the tunnels that ask for it; a query is no part of it.
func TestInjectedPath(t *testing.T) {
	const delay = 100 * time.Millisecond
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b), Inject: Injection{Delay: delay, Path: "/held"}})
	for path, late := range map[string]bool{"/": false, "/held": true, "/held?a=1": true, "/held/": false, "/h": false} {
		request := strings.Replace(upgradeRequest, "GET "+strings.Fields(upgradeRequest)[1], "GET "+path, 1)
		client := dial(t, s.Addr())
		client.send(request)
		server := b.accept()
		server.expect(request)
		server.send(switching)
		client.expect(switching)
		began := time.Now()
		client.send("there")
		server.expect("there")
		if took := time.Since(began); took >= delay != late {
			t.Errorf("%s: there in %v", path, took)
		}
	}
}

// FIN does not overtake what is held back, and is held back itself; while it is,
// nothing spins.
func TestInjectedDelayHoldsFIN(t *testing.T) {
	const delay = 200 * time.Millisecond
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b), Inject: Injection{Delay: delay}})
	client, server := open(t, s.Addr(), b)
	began := time.Now()
	client.send("last words")
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if spent := busy(t, s); spent > 10*time.Millisecond {
		t.Errorf("%v of processor time in 50 ms in which nothing is due", spent)
	}
	server.expect("last words")
	server.expectEnd()
	if took := time.Since(began); took < delay {
		t.Errorf("the end came after %v, want %v", took, delay)
	}
	server.send("answer")
	client.expect("answer")
	if err := server.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	client.expectEnd()
	clean(t, s)
}

// A client that resets, or a backend that does, takes with it what is held back.
func TestInjectedDelayReset(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b), Inject: Injection{Delay: time.Minute}})
	for _, fromClient := range []bool{true, false} {
		client, server := open(t, s.Addr(), b)
		client.send("never to be seen")
		eventually(t, "it is held back", func() bool { return on(t, s, func() int { return s.injector.held }) > 0 })
		if fromClient {
			client.reset()
		} else {
			server.reset()
		}
		clean(t, s)
		if n := on(t, s, func() int { return s.injector.held + len(s.injector.lanes) }); n != 0 {
			t.Errorf("%d of what was held back is still there", n)
		}
	}
}

// What comes is what was sent, in order, whatever the delays; and what is held back
// stays within its bound.
func TestInjectedJitterKeepsOrderAndBounds(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b), Inject: Injection{Delay: 3 * time.Millisecond, Jitter: 5 * time.Millisecond, Seed: 1}})
	client, server := open(t, s.Addr(), b)
	sent := make([]byte, 12<<20)
	rng := rand.NewChaCha8([32]byte{1})
	rng.Read(sent)
	go func() {
		for p := sent; len(p) > 0; {
			n := min(len(p), 1+int(rng.Uint64()%70_000))
			if _, err := client.Write(p[:n]); err != nil {
				t.Error(err)
				return
			}
			p = p[n:]
		}
		client.CloseWrite()
	}()
	most := 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		got, err := io.ReadAll(server)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%d bytes of %d arrived, %v, the same: %v", len(got), len(sent), err, bytes.Equal(got, sent))
		}
	}()
	for running := true; running; time.Sleep(time.Millisecond) {
		most = max(most, on(t, s, func() int { return s.injector.held }))
		select {
		case <-done:
			running = false
		default:
		}
	}
	if most == 0 || most > laneLimit+readLen {
		t.Errorf("%d bytes were held back at most, want some, and up to %d", most, laneLimit+readLen)
	}
}

// Jitter is what it is said to be: uniform.
func TestInjectedJitterIsUniform(t *testing.T) {
	const jitter = 20 * time.Millisecond
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b), Inject: Injection{Jitter: jitter, Seed: 7}})
	client, server := open(t, s.Addr(), b)
	var took []time.Duration
	for range 100 {
		began := time.Now()
		client.send("x")
		server.expect("x")
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	// Quartiles of 100 have a standard deviation of 0.9 ms; the rest is for the machine.
	for quarter, d := range []time.Duration{took[25], took[50], took[75]} {
		if want := jitter * time.Duration(quarter+1) / 4; d < want-4*time.Millisecond || d > want+8*time.Millisecond {
			t.Errorf("quartile %d: %v, want %v", quarter+1, d, want)
		}
	}
}

func TestInjectedStall(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b), Inject: Injection{StallFor: 60 * time.Millisecond, StallEvery: 300 * time.Millisecond}})
	client, server := open(t, s.Addr(), b)
	var all []time.Duration
	slow := 0
	for began := time.Now(); time.Since(began) < 900*time.Millisecond; {
		sent := time.Now()
		client.send("x")
		server.expect("x")
		took := time.Since(sent)
		all = append(all, took)
		if took > 30*time.Millisecond {
			slow++
		}
	}
	slices.Sort(all)
	longest, middle := all[len(all)-1], all[len(all)/2]
	// A busy machine makes some messages wait too, but not the most of them.
	if longest < 50*time.Millisecond || longest > 500*time.Millisecond || slow < 2 || middle > 20*time.Millisecond {
		t.Errorf("%d of %d messages waited, for %v at most, %v in the middle; want one for each of two to four stalls of 60 ms",
			slow, len(all), longest, middle)
	}
}

// A server in a stall ends when it is told to.
func TestInjectedStallEnds(t *testing.T) {
	b := listenBackend(t)
	began := time.Now()
	t.Run("", func(t *testing.T) {
		serve(t, Options{Backends: backends(b), Inject: Injection{StallFor: 30 * time.Second, StallEvery: 31 * time.Second}})
		s := serve(t, Options{Backends: backends(b), Inject: Injection{StallFor: 20 * time.Second, StallEvery: 20*time.Second + 1}})
		on(t, s, func() bool { s.loop.Arm(&s.injector.stall, 0); return true })
		time.Sleep(50 * time.Millisecond)
	})
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v to end", took)
	}
}

func TestInjectedCPU(t *testing.T) {
	const each, messages = 2 * time.Millisecond, 50
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b), Inject: Injection{CPU: each}})
	client, server := open(t, s.Addr(), b)
	before := busy(t, s) // of an idle loop
	used := func() time.Duration { return threadTime(t, s) }
	start := used()
	for range messages {
		client.send("x")
		server.expect("x")
		server.send("y") // the way back costs nothing
		client.expect("y")
	}
	if spent := used() - start; spent < messages*each || spent > messages*each*3/2 {
		t.Errorf("%d chunks took %v of processor time, want %v (idle: %v)", messages, spent, messages*each, before)
	}
}

func TestInjectedLeaks(t *testing.T) {
	b := listenBackend(t)
	const tunnels = 20
	base := len(idleDescriptors(t, b))
	c := startChild(t, childPlan{Options: Options{Backends: backends(b), Inject: Injection{LeakFDEvery: 4, LeakBytes: 1 << 20}}})
	first := pss(t, c.pid)
	for range tunnels {
		client, server := open(t, c.addr, b)
		client.Close()
		server.Close()
	}
	eventually(t, "the tunnels are gone", func() bool { return c.stats().Open == 0 })
	if n := len(c.descriptors()) - base; n != tunnels/4 {
		t.Errorf("%d descriptors leaked by %d tunnels, want every fourth", n, tunnels)
	}
	if grown := pss(t, c.pid) - first; grown < tunnels<<20 || grown > tunnels<<20+8<<20 {
		t.Errorf("%d MiB leaked by %d tunnels of one each", grown>>20, tunnels)
	}
}

// What is written can be read, and what is wrong is said.
func TestInjectionText(t *testing.T) {
	for text, want := range map[string]Injection{
		"delay=500us":            {Delay: 500 * time.Microsecond, Seed: 1},
		"delay=500us,path=/held": {Delay: 500 * time.Microsecond, Path: "/held", Seed: 1},
		"jitter=2ms, stall=50ms/1s,cpu=10us,leak_fd_every=3,leak_bytes=4096,seed=9": {Jitter: 2 * time.Millisecond, StallFor: 50 * time.Millisecond,
			StallEvery: time.Second, CPU: 10 * time.Microsecond, LeakFDEvery: 3, LeakBytes: 4096, Seed: 9},
	} {
		got, err := ParseInjection(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
		if again, err := ParseInjection(got.String()); err != nil || again != got {
			t.Errorf("%s, written as %s: %+v, %v", text, got, again, err)
		}
	}
	for _, bad := range []string{"path=/held", "delay=1s,path=held", "delay=1s,path=/a?b", "stall=1ms/1s,path=/held", "", "delay", "delay=1", "delay=-1s", "delay=2m", "speed=1s", "stall=1s", "stall=1s/1s", "stall=2s/1s", "cpu=2s",
		"delay=1s,delay=1s", "leak_bytes=2000000000", "leak_fd_every=x", "seed=-1"} {
		if i, err := ParseInjection(bad); err == nil {
			t.Errorf("%q was read as %+v", bad, i)
		}
	}
	if got := injection(&scenarios.Inject{Delay: time.Millisecond, Stall: scenarios.Stall{For: 1, Every: 2}}).String(); got != "delay=1ms,stall=1ns/2ns" {
		t.Error(got)
	}
	if injection(nil).String() != "" || injection(&scenarios.Inject{}).String() != "" {
		t.Error("nothing is to be injected")
	}
	if _, err := Listen(Options{Listen: anyPort, Backends: backends(listenBackend(t)), Inject: Injection{Delay: -1}}); err == nil {
		t.Error("a negative delay was taken")
	}
}

func TestLateness(t *testing.T) {
	var l lateness
	for range 98 {
		l.add(1000)
	}
	l.add(70_000)
	l.add(90_000)
	if got := l.summary(); got != (Lateness{Chunks: 100, P50: 1024, P99: 90_000, Max: 90_000}) {
		t.Errorf("%+v", got)
	}
}
