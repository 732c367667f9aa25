package echo

import (
	"bytes"
	enc "encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"wsgauge/echo/order"
	"wsgauge/internal/evloop"
)

// orders sends an order.
func (p *peer) orders(t *testing.T, o order.Order) {
	t.Helper()
	payload, err := order.Append(nil, o)
	if err != nil {
		t.Fatal(err)
	}
	p.send(binary(payload))
}

// answer expects the answer to an order.
func (p *peer) answer(t *testing.T, serial uint32) *order.Answer {
	t.Helper()
	f := p.frame()
	if f.Header.OpCode != ws.OpBinary || !order.Is(f.Payload) {
		t.Fatalf("%v %q in place of an answer", f.Header, f.Payload[:min(len(f.Payload), 40)])
	}
	a, err := order.ReadAnswer(f.Payload)
	if err != nil || !a.Answer || a.Serial != serial || a.Clock == "" {
		t.Fatalf("%+v, %v; want the answer to %d", a, err, serial)
	}
	return a
}

func TestPushIsInTimeAndWhole(t *testing.T) {
	p := open(t, serve(t, Options{}))
	start := evloop.Now() + 50e6
	o := &order.Push{Conn: 7, Seed: 1, Clock: order.Clock(), Start: start, In: 1e12, Rate: 100, Warmup: 100e6, For: 200e6,
		Bytes: []int{16, 22, 24, 300, 200_000}, Weights: []float64{1, 1, 1, 1, 1}, Fragments: 3}
	p.orders(t, order.Order{Serial: 5, Push: o})
	if a := p.answer(t, 5); a.Error != "" || a.Ended {
		t.Fatalf("%+v", a)
	}
	stream, err := o.Stream()
	if err != nil {
		t.Fatal(err)
	}
	p.send(text("meanwhile"))
	echoed := false
	for d, more := stream.Next(); more; d, more = stream.Next() {
		var got []byte
		frames := 0
		for {
			f := p.frame()
			if f.Header.OpCode == ws.OpText && string(f.Payload) == "meanwhile" {
				echoed = true
				continue
			}
			got, frames = append(got, f.Payload...), frames+1
			if f.Header.Fin {
				break
			}
		}
		now := evloop.Now()
		if len(got) != d.Size || frames != 3 {
			t.Fatalf("message %d: %d bytes in %d frames, want %d in 3", d.Seq, len(got), frames, d.Size)
		}
		due := int64(enc.LittleEndian.Uint64(got[8:]))
		if enc.LittleEndian.Uint32(got) != d.Seq || enc.LittleEndian.Uint32(got[4:]) != 7 || due != start+d.At {
			t.Fatalf("message %d says %x", d.Seq, got[:16])
		}
		if now < due || now > due+2e9 {
			t.Errorf("message %d came %v after it was due", d.Seq, time.Duration(now-due))
		}
		if len(got) >= sumEnd {
			sum := crc32.Update(crc32.Checksum(got[:identityLen], castagnoli), castagnoli, got[sumEnd:])
			if sum != enc.LittleEndian.Uint32(got[identityLen:]) {
				t.Errorf("message %d of %d bytes has a wrong checksum", d.Seq, len(got))
			}
		}
		if len(got) >= lagEnd {
			if lag := int64(enc.LittleEndian.Uint32(got[sumEnd:])); lag > now-due {
				t.Errorf("message %d says it was %v late, and is here after %v", d.Seq, time.Duration(lag), time.Duration(now-due))
			}
		}
	}
	if a := p.answer(t, 5); !a.Ended || a.Skipped != 0 || !echoed {
		t.Errorf("%+v, echoed meanwhile: %v", a, echoed)
	}
	p.orders(t, order.Order{Serial: 6, Ping: &order.Ping{Every: 1e9, In: 5e9}})
	p.answer(t, 6)
}

// What a client that does not read is owed does not grow, and is counted.
func TestPushBeyondItsBounds(t *testing.T) {
	s := serve(t, Options{})
	p := open(t, s)
	p.orders(t, order.Order{Serial: 1, Push: &order.Push{Rate: 1000, For: 500e6, Min: 1 << 20, Max: 1 << 20}})
	p.answer(t, 1)
	time.Sleep(700 * time.Millisecond) // 500 MiB are due, and nothing is read
	got := int64(0)
	for {
		f := p.frame()
		if order.Is(f.Payload) {
			a, err := order.ReadAnswer(f.Payload)
			if err != nil || !a.Ended || a.Skipped == 0 || a.Skipped+got != 500 {
				t.Errorf("%+v after %d messages, want 500 in all", a, got)
			}
			return
		}
		got++
	}
}

func TestPushIsStopped(t *testing.T) {
	p := open(t, serve(t, Options{}))
	p.orders(t, order.Order{Serial: 1, Push: &order.Push{Rate: 20, For: 1e15, Min: 5 << 20, Max: 5 << 20}})
	p.answer(t, 1)
	p.frame()
	p.orders(t, order.Order{Serial: 2, Stop: true})
	for {
		f := p.frame()
		if f.Header.Length == 5<<20 {
			continue // had begun
		}
		if a, err := order.ReadAnswer(f.Payload); err != nil || a.Serial != 2 {
			t.Fatalf("%+v, %v", a, err)
		}
		break
	}
	time.Sleep(120 * time.Millisecond)
	p.send(text("alone"))
	p.expect(ws.OpText, true, []byte("alone"))
}

func TestBroadcastReachesAll(t *testing.T) {
	for _, loops := range []int{1, 3} {
		t.Run(fmt.Sprint(loops, " loops"), func(t *testing.T) {
			s := serve(t, Options{Loops: loops})
			var members []*peer
			for i := range 5 {
				p := open(t, s)
				p.orders(t, order.Order{Serial: uint32(i), Join: &order.Join{Group: "room"}})
				p.answer(t, uint32(i))
				members = append(members, p)
			}
			other, plain := open(t, s), open(t, s)
			other.orders(t, order.Order{Serial: 9, Join: &order.Join{Group: "another"}})
			other.answer(t, 9)
			large := pattern(order.MaxBroadcast)
			for _, m := range []struct {
				from    *peer
				frames  []byte
				op      ws.OpCode
				payload []byte
			}{
				{members[0], text("hello"), ws.OpText, []byte("hello")},
				{members[3], binary(large), ws.OpBinary, large},
				{members[1], join(masked(ws.OpText, false, []byte("in ")), masked(ws.OpPing, true, []byte("x")), masked(ws.OpContinuation, true, []byte("parts"))), ws.OpText, []byte("in parts")},
				{members[4], binary(nil), ws.OpBinary, nil},
			} {
				m.from.send(m.frames)
				if m.from == members[1] {
					m.from.expect(ws.OpPong, true, []byte("x"))
				}
				for _, p := range members {
					p.expect(m.op, true, m.payload)
				}
			}
			plain.send(text("plain"))
			plain.expect(ws.OpText, true, []byte("plain"))
			// Who leaves gets its own again, and nothing of the others.
			members[2].orders(t, order.Order{Serial: 20, Stop: true})
			members[2].answer(t, 20)
			members[4].Conn.Close()
			members[0].send(text("later"))
			for _, p := range []*peer{members[0], members[1], members[3]} {
				p.expect(ws.OpText, true, []byte("later"))
			}
			members[2].send(text("echo"))
			members[2].expect(ws.OpText, true, []byte("echo"))
			other.send(text("other"))
			other.expect(ws.OpText, true, []byte("other"))
		})
	}
}

// A member that does not read misses what is beyond its bounds; the others do not,
// and the server does not hold it all.
func TestBroadcastToASlowMember(t *testing.T) {
	s := serve(t, Options{})
	slow, fast := open(t, s), open(t, s)
	for i, p := range []*peer{slow, fast} {
		p.orders(t, order.Order{Serial: uint32(i), Join: &order.Join{Group: "room"}})
		p.answer(t, uint32(i))
	}
	const n = 60
	message := pattern(1 << 20)
	for range n {
		fast.send(binary(message))
		fast.expect(ws.OpBinary, true, message)
	}
	slow.orders(t, order.Order{Serial: 9, Stop: true})
	got := 0
	for {
		f := slow.frame()
		if order.Is(f.Payload) {
			break
		}
		if !bytes.Equal(f.Payload, message) {
			t.Fatal("a broadcast is not what was sent")
		}
		got++
	}
	if got == 0 || got >= n {
		t.Errorf("the slow member got %d of %d", got, n)
	}
	fast.send(text("alone"))
	fast.expect(ws.OpText, true, []byte("alone"))
}

func TestBroadcastBounds(t *testing.T) {
	s := serve(t, Options{})
	for name, c := range map[string]struct {
		send []byte
		code ws.StatusCode
	}{
		"too long":     {binary(pattern(order.MaxBroadcast + 1)), ws.StatusMessageTooBig},
		"not UTF-8":    {masked(ws.OpText, true, append(pattern(9000), 0xff)), ws.StatusInvalidFramePayloadData},
		"not a member": {masked(ws.OpContinuation, true, []byte("x")), ws.StatusProtocolError},
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, s)
			p.orders(t, order.Order{Serial: 1, Join: &order.Join{Group: "room " + name}})
			p.answer(t, 1)
			go p.Conn.Write(c.send)
			p.expectClose(c.code)
		})
	}
	held := make(chan int)
	s.workers[0].loop.Post(func() { held <- s.workers[0].held })
	if n := <-held; n != 0 {
		t.Errorf("%d bytes are counted as held", n)
	}
}

func TestPingsAreOrdered(t *testing.T) {
	p := open(t, serve(t, Options{}))
	p.orders(t, order.Order{Serial: 1, Ping: &order.Ping{Every: 30e6, In: 10e6}})
	p.answer(t, 1)
	var round int64
	for i := range 3 {
		f := p.frame()
		if f.Header.OpCode != ws.OpPing || len(f.Payload) != order.PingBytes || string(f.Payload[:4]) != order.PingTag {
			t.Fatalf("%v %q", f.Header, f.Payload)
		}
		if round = int64(enc.LittleEndian.Uint64(f.Payload[16:])); (i > 0) != (round >= 5e6) {
			t.Errorf("ping %d tells a round trip of %v, and each took 5 ms", i, time.Duration(round))
		}
		time.Sleep(5 * time.Millisecond)
		p.send(masked(ws.OpPong, true, f.Payload))
	}
	p.send(masked(ws.OpPong, true, []byte("unasked")))
	p.orders(t, order.Order{Serial: 2, Stop: true})
	if a := p.answer(t, 2); a.Round < 5e6 {
		t.Errorf("%+v", a)
	}
	p.send(text("alone"))
	p.expect(ws.OpText, true, []byte("alone"))
}

func TestBadOrders(t *testing.T) {
	p := open(t, serve(t, Options{}))
	for _, body := range []string{
		`{}`, `{"push":{}}`, `{"stop":true,"join":{"group":"x"}}`, `{"join":{}}`, `{"ping":{"every":5}}`, `{"unknown":1}`, `[`, ``,
		`{"push":{"rate":10,"for":1,"min":1,"max":1}}`, `{"push":{"rate":1e9,"for":1,"min":16,"max":16}}`, `{"push":{"rate":10,"every":10,"for":1,"min":16,"max":16}}`,
		`{"push":{"rate":10,"for":-1,"min":16,"max":16}}`, `{"push":{"rate":10,"for":1,"min":16,"max":99999999}}`, `{"push":{"rate":10,"for":1,"bytes":[5],"weights":[1]}}`,
		`{"push":{"rate":10,"for":1,"text":true,"min":20,"max":50}}`, `{"push":{"rate":10,"for":1,"min":16,"max":16,"fragments":5000}}`,
	} {
		p.send(binary([]byte(order.Magic + body)))
		f := p.frame()
		if a, err := order.ReadAnswer(f.Payload); err != nil || a.Error == "" {
			t.Errorf("%s gives %q", body, f.Payload)
		}
	}
	// Only a whole binary message is one.
	for _, m := range [][]byte{text(order.Magic + `{"stop":true}`), binary([]byte(order.Magic)[:15]), binary(append([]byte(order.Magic), make([]byte, order.MaxBytes)...))} {
		p.send(m)
		if f := p.frame(); f.Header.Length < 15 {
			t.Errorf("%v", f.Header)
		}
	}
	p.orders(t, order.Order{Serial: 1, Join: &order.Join{Group: "g"}})
	p.answer(t, 1)
	p.orders(t, order.Order{Serial: 2, Ping: &order.Ping{Every: 1e9}})
	if a := p.answer(t, 2); a.Error == "" {
		t.Error("two orders at once")
	}
	// Who orders on and on without reading is closed.
	for range 3000 {
		payload, _ := order.Append(nil, order.Order{Stop: true})
		if _, err := p.Conn.Write(binary(payload)); err != nil {
			break
		}
	}
	p.Conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	io.Copy(io.Discard, p)
}

// A client that gets more than it can take is still heard.
func TestOverloadedClientIsHeard(t *testing.T) {
	p := open(t, serve(t, Options{}))
	p.orders(t, order.Order{Serial: 1, Push: &order.Push{Rate: 5000, For: 1e15, Min: 1 << 20, Max: 1 << 20}})
	p.answer(t, 1)
	p.frame()
	p.orders(t, order.Order{Serial: 2, Stop: true})
	for i := 0; ; i++ {
		f := p.frame()
		if order.Is(f.Payload) {
			return
		}
		if i == 100 {
			t.Fatal("it is sent more and more")
		}
	}
}

// What is pushed never comes between the frames of an echo, nor within one.
func TestPushAndEchoDoNotMix(t *testing.T) {
	p := open(t, serve(t, Options{}))
	p.orders(t, order.Order{Serial: 1, Push: &order.Push{Rate: 200, For: 1e15, Min: 20, Max: 20}})
	p.answer(t, 1)
	p.frame()
	large := bytes.Repeat([]byte("a"), 100<<10)
	for range 5 {
		parts := join(masked(ws.OpText, false, []byte("begins, ")), masked(ws.OpContinuation, true, large))
		for _, piece := range [][]byte{parts[:20], parts[20:50_000], parts[50_000:]} {
			p.send(piece)
			time.Sleep(15 * time.Millisecond) // some are due meanwhile
		}
		for {
			if f := p.frame(); f.Header.OpCode == ws.OpText {
				break // the pushed ones before it are binary
			} else if f.Header.OpCode != ws.OpBinary {
				t.Fatalf("%+v", f.Header)
			}
		}
		p.expect(ws.OpContinuation, true, large)
	}
}
