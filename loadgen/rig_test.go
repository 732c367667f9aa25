package loadgen

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"wsgauge/echo"
)

// rig drives agents as the controller does, in this process.
type rig struct {
	t        *testing.T
	commands []chan Command
	inbox    chan Message
	serial   int
	open     map[string]Set
	seconds  []IntervalReport // of the last step
}

// startRig starts agents that dial addr.
func startRig(t *testing.T, agents, workers int, addr netip.AddrPort) *rig {
	t.Helper()
	return startTrustingRig(t, agents, workers, addr, nil)
}

// startTrustingRig is startRig; with trust the agents speak TLS.
func startTrustingRig(t *testing.T, agents, workers int, addr netip.AddrPort, trust *Trust) *rig {
	t.Helper()
	r := &rig{t: t, inbox: make(chan Message, 64), open: map[string]Set{}}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for i := range agents {
		commands := make(chan Command, 4)
		a := &Agent{Send: func(m Message) error {
			select {
			case r.inbox <- m:
			case <-ctx.Done():
			}
			return nil
		}}
		running.Add(1)
		go func() {
			defer running.Done()
			a.Run(ctx, commands) // what it could not do arrives as a message
		}()
		r.commands = append(r.commands, commands)
		commands <- Command{Assign: &Assignment{Agent: i, Agents: agents, Workers: workers, Seed: 7,
			Addrs: []netip.AddrPort{addr}, Host: addr.String(), Path: "/", TLS: trust}}
	}
	t.Cleanup(func() { cancel(); running.Wait() })
	for range agents {
		if m := r.next(); !m.Ready {
			t.Fatalf("not ready: %+v", m)
		}
	}
	return r
}

func (r *rig) next() Message {
	r.t.Helper()
	select {
	case m := <-r.inbox:
		if m.Error != "" {
			r.t.Fatalf("agent %d: %s", m.Agent, m.Error)
		}
		return m
	case <-time.After(20 * time.Second):
		r.t.Fatal("the agents are silent")
	}
	panic("unreachable")
}

// do runs a step and returns what happened in it.
func (r *rig) do(p StepPlan) *Recorder {
	r.t.Helper()
	return r.doAt(p, 20*time.Millisecond)
}

// doAt is do with a start that lies so far ahead; behind, it is what a worker sees that
// had no turn for so long.
func (r *rig) doAt(p StepPlan, ahead time.Duration) *Recorder {
	r.t.Helper()
	r.serial++
	p.Serial, p.StartAt = r.serial, time.Now().Add(ahead).UnixNano()
	for _, c := range r.commands {
		c <- Command{Step: &p}
	}
	sum := &Recorder{}
	r.seconds = nil
	r.open = map[string]Set{}
	for done := 0; done < len(r.commands); {
		m := r.next()
		switch {
		case m.Interval != nil:
			r.seconds = append(r.seconds, *m.Interval)
			if err := sum.Add(m.Interval); err != nil {
				r.t.Fatal(err)
			}
		case m.Step != nil:
			done++
			for name, set := range m.Step.Open {
				r.open[name] = Union(r.open[name], set)
			}
		}
	}
	return sum
}

func (r *rig) connect(n int) *Recorder {
	r.t.Helper()
	return r.do(StepPlan{ID: "connect", Group: "main", Connect: &ConnectPlan{Count: n, Rate: 2000, Timeout: 2 * time.Second}})
}

// send is a short send step over members 0 … n-1; change may alter the plan.
func (r *rig) send(n int, change func(*SendPlan)) *Recorder {
	r.t.Helper()
	p := &SendPlan{Seed: 11, Rate: 1000, Size: Size{Min: 128, Max: 128}, For: 300 * time.Millisecond,
		Drain: time.Second, Arrivals: "constant", Fragments: 1}
	for i := range n {
		p.Members.Add(uint32(i))
	}
	if change != nil {
		change(p)
	}
	return r.do(StepPlan{ID: "send", Group: "main", Send: p})
}

// echoServer is the real backend.
func echoServer(t *testing.T) netip.AddrPort {
	t.Helper()
	s, err := echo.Listen(echo.Options{Addr: netip.MustParseAddrPort("127.0.0.1:0")})
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
	return s.Addr()
}

// server hands every accepted connection to serve, which owns it.
func server(t *testing.T, serve func(net.Conn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	running.Add(1)
	go func() {
		defer running.Done()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			running.Add(1)
			go func() {
				defer running.Done()
				defer c.Close()
				serve(c)
			}()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return l.Addr().(*net.TCPAddr).AddrPort()
}
