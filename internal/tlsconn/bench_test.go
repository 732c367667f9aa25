package tlsconn

import (
	"crypto/tls"
	"runtime"
	"testing"

	"wsgauge/internal/evloop"
)

// couple is two engines' ends that talk to each other in memory.
type couple struct {
	engines [2]*Engine
	conns   [2]*Conn
	wires   [2][]byte // what waits for each end
	buffer  []byte
}

func newCouple() *couple {
	c := &couple{engines: [2]*Engine{NewEngine(1 << 20), NewEngine(1 << 20)}, buffer: make([]byte, MinRead)}
	for i, e := range c.engines {
		e.read = func(_ int, p []byte) (int, error) {
			if len(c.wires[i]) == 0 {
				return 0, evloop.ErrAgain
			}
			n := copy(p, c.wires[i])
			c.wires[i] = c.wires[i][:copy(c.wires[i], c.wires[i][n:])]
			return n, nil
		}
		e.write = func(_ int, p []byte) (int, error) {
			c.wires[1-i] = append(c.wires[1-i], p...)
			return len(p), nil
		}
	}
	return c
}

// open makes a new connection between the engines.
func (c *couple) open(b *testing.B, client, server *tls.Config) {
	c.conns = [2]*Conn{c.engines[0].Client(client), c.engines[1].Server(server)}
	if err := c.conns[0].Start(0); err != nil {
		b.Fatal(err)
	}
	for len(c.wires[0])+len(c.wires[1]) > 0 {
		c.turn(b, 1)
		c.turn(b, 0)
	}
	if !c.conns[0].Ready() || !c.conns[1].Ready() {
		b.Fatal("the handshake is not over")
	}
}

func (c *couple) turn(b *testing.B, i int) []byte {
	n, err := c.conns[i].Read(0, c.buffer)
	if err != nil && err != evloop.ErrAgain {
		b.Fatal(err)
	}
	return c.buffer[:n]
}

// BenchmarkIdle prints what an established connection that has carried one small
// message holds at either end, in bytes of live heap.
func BenchmarkIdle(b *testing.B) {
	for _, version := range []string{"1.2", "1.3"} {
		for i, side := range []string{"client", "server"} {
			b.Run(version+"/"+side, func(b *testing.B) {
				client, server := configs(b, version, false)
				c := newCouple()
				c.open(b, client, server) // what is made once is made now
				var kept []*Conn
				before := live()
				for b.Loop() {
					c.open(b, client, server)
					for end := range c.conns {
						if _, err := c.conns[end].Write(0, make([]byte, 128)); err != nil {
							b.Fatal(err)
						}
						c.turn(b, 1-end)
					}
					kept = append(kept, c.conns[i])
				}
				b.ReportMetric(float64(live()-before)/float64(len(kept)), "B/connection")
				runtime.KeepAlive(kept)
			})
		}
	}
}

// BenchmarkHandshaking prints what a client holds that has sent its ClientHello
// and has no answer, its coroutine's stack included.
func BenchmarkHandshaking(b *testing.B) {
	client, _ := configs(b, "", false)
	c := newCouple()
	var kept []*Conn
	before := live()
	for b.Loop() {
		conn := c.engines[0].Client(client)
		if err := conn.Start(0); err != nil {
			b.Fatal(err)
		}
		c.wires[1] = c.wires[1][:0]
		kept = append(kept, conn)
	}
	b.ReportMetric(float64(live()-before)/float64(len(kept)), "B/connection")
	c.engines[0].Close()
}

// live is the heap after a collection, and the stacks.
func live() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// BenchmarkMessage is 128 bytes to the other end and back: four records.
func BenchmarkMessage(b *testing.B) {
	client, server := configs(b, "1.3", false)
	c := newCouple()
	c.open(b, client, server)
	message := make([]byte, 128)
	b.ReportAllocs()
	for b.Loop() {
		for end := range c.conns {
			if _, err := c.conns[end].Write(0, message); err != nil {
				b.Fatal(err)
			}
			if len(c.turn(b, 1-end)) != len(message) {
				b.Fatal("a message was lost")
			}
		}
	}
}
