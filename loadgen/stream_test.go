package loadgen

import (
	"bytes"
	"runtime"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"pgregory.net/rapid"
)

// A message made piece by piece is the one that fill writes at once, in as many
// frames as were asked for.
func TestStreamIsTheMessage(t *testing.T) {
	w := &worker{filler: testFiller, random: newRandom(t)}
	rapid.Check(t, func(t *rapid.T) {
		p := &SendPlan{Text: rapid.Bool().Draw(t, "text"), Fragments: rapid.OneOf(rapid.Just(0), rapid.IntRange(1, 9)).Draw(t, "fragments")}
		m := &message{seq: rapid.Uint32().Draw(t, "seq"), wall: rapid.Int64().Draw(t, "intended"),
			size: rapid.OneOf(rapid.Int32Range(41, 300), rapid.Int32Range(streamChunk-50, 3*fillerPeriod)).Draw(t, "size")}
		conn := rapid.Uint32().Draw(t, "conn")
		want := make([]byte, m.size)
		testFiller.fill(want, identity{m.seq, conn, m.wall}, p.Text)

		s := testFiller.newStream(m, conn, p)
		var bytesMade []byte
		for s.at < s.size {
			before := len(bytesMade)
			bytesMade = s.next(bytesMade, w)
			if n := len(bytesMade) - before; n == 0 || n > streamChunk+20*14 {
				t.Fatalf("a piece of %d bytes", n)
			}
		}
		var got []byte
		r := bytes.NewReader(bytesMade)
		for i := 0; r.Len() > 0; i++ {
			f, err := ws.ReadFrame(r)
			if err != nil {
				t.Fatal(err)
			}
			op := ws.OpContinuation
			if i == 0 {
				if op = ws.OpBinary; p.Text {
					op = ws.OpText
				}
			}
			last := i == max(p.Fragments, 1)-1
			if f.Header.OpCode != op || f.Header.Fin != last || !f.Header.Masked {
				t.Fatalf("frame %d of %d: %+v", i, p.Fragments, f.Header)
			}
			got = append(got, ws.UnmaskFrameInPlace(f).Payload...)
		}
		if !bytes.Equal(got, want) {
			t.Fatal("the payload differs")
		}
	})
}

// Messages of 16 MiB that wait on their connections do not exist as a whole: a
// hundred of them would be 1.6 GB.
func TestLargeMessagesAreNotHeld(t *testing.T) {
	addr := echoServer(t)
	r := startRig(t, 1, 1, addr)
	r.connect(20)
	stop, most := make(chan struct{}), make(chan uint64)
	go func() {
		var top uint64
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			top = max(top, m.HeapInuse)
			select {
			case <-stop:
				most <- top
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	n := r.send(20, func(p *SendPlan) {
		p.Rate, p.Every, p.Phase = 0, 300*time.Millisecond, "together"
		p.Size, p.Drain, p.Fragments = Size{Min: 16 << 20, Max: 16 << 20}, 15*time.Second, 3
	}).Counts
	close(stop)
	if n.Sent != 20 || n.Answered != 20 || n.BytesReceived != 20*16<<20 || len(n.Failures) != 0 {
		t.Errorf("%+v", n)
	}
	if top := <-most; top > 100<<20 {
		t.Errorf("%d MiB for 20 messages of 16 MiB at once", top>>20)
	}
}

// What is sent after a large message that waits comes after it.
func TestOrderBehindLargeMessage(t *testing.T) {
	t.Parallel()
	r := startRig(t, 1, 1, echoServer(t))
	r.connect(1)
	n := r.send(1, func(p *SendPlan) {
		p.Rate, p.Size, p.Drain = 100, Size{Bytes: []int{100, 3 << 20}, Weights: []float64{2, 1}}, 10*time.Second
	}).Counts
	if n.Answered != n.Sent+0 || len(n.Failures) != 0 || n.Corrupt != 0 {
		t.Errorf("%+v", n)
	}
}
