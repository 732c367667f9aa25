package loadgen

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"wsgauge/echo/order"
)

// damager passes bytes between clients and the backend, and lets damage change the first
// frame with an order (up), or with an answer to one, of the connection of path /3.
func damager(t *testing.T, backend netip.AddrPort, up bool, damage func(payload []byte) []byte) netip.AddrPort {
	return server(t, func(c net.Conn) {
		b, err := net.Dial("tcp4", backend.String())
		if err != nil {
			t.Error(err)
			return
		}
		defer b.Close()
		client, server := bufio.NewReader(c), bufio.NewReader(b)
		head, ok := passHead(client, b)
		if !ok {
			return
		}
		if _, ok := passHead(server, c); !ok {
			return
		}
		evil := strings.HasPrefix(head, "GET /3 ")
		var both sync.WaitGroup
		both.Go(func() { passFrames(client, b, evil && up, damage); b.Close() })
		both.Go(func() { passFrames(server, c, evil && !up, damage); c.Close() })
		both.Wait()
	})
}

func passHead(from *bufio.Reader, to io.Writer) (head string, ok bool) {
	for !strings.HasSuffix(head, "\r\n\r\n") {
		line, err := from.ReadString('\n')
		if err != nil {
			return head, false
		}
		head += line
	}
	_, err := io.WriteString(to, head)
	return head, err == nil
}

func passFrames(from *bufio.Reader, to io.Writer, evil bool, damage func([]byte) []byte) {
	for evil {
		f, err := ws.ReadFrame(from)
		if err != nil {
			return
		}
		plain := ws.UnmaskFrame(f)
		if evil = !order.Is(plain.Payload); !evil {
			masked := f.Header.Masked
			if f = ws.NewFrame(plain.Header.OpCode, true, damage(plain.Payload)); masked {
				f = ws.MaskFrame(f)
			}
		}
		if ws.WriteFrame(to, f) != nil {
			return
		}
	}
	io.Copy(to, from)
}

// A proxy that damages one order, or the answer to one, costs the connection that it
// belongs to, and is counted there.
func TestDamagedOrders(t *testing.T) {
	t.Parallel()
	answer := func(s string, arg ...any) func([]byte) []byte {
		return func([]byte) []byte { return []byte(order.Magic + fmt.Sprintf(s, arg...)) }
	}
	const conns = 10
	const others = conns - 1
	for name, c := range map[string]struct {
		up     bool
		damage func([]byte) []byte
	}{
		"an answer that is no JSON":    {false, answer(`{"serial":1,"answer":tru`)},
		"an answer that says no":       {false, answer(`{"serial":1,"answer":false}`)},
		"an answer of nothing":         {false, answer(`{}`)},
		"a negative number of skipped": {false, answer(`{"serial":1,"answer":true,"skipped":-1}`)},
		"a refusal": {false, func(p []byte) []byte {
			return bytes.Replace(p, []byte(`"answer":true`), []byte(`"answer":true,"error":"no"`), 1)
		}},
		"an order that is no JSON":  {true, func(p []byte) []byte { p[len(order.Magic)] ^= 1; return p }},
		"an order with another key": {true, func(p []byte) []byte { return bytes.Replace(p, []byte(`"serial"`), []byte(`"seriel"`), 1) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begin := func(t *testing.T) *rig {
				r := startRig(t, 1, 1, damager(t, echoServer(t), c.up, c.damage))
				r.do(StepPlan{ID: "connect", Group: "main", Connect: &ConnectPlan{Count: conns, Rate: 2000, Timeout: 2 * time.Second, Path: "/{conn}"}})
				return r
			}
			end := func(t *testing.T, r *rig, sum *Recorder) {
				n := &sum.Counts
				if n.Corrupt != 1 || n.Failures["corrupt"] != 1 || len(n.Failures) != 1 || len(n.Closures) != 0 {
					t.Errorf("one message was damaged: %+v", n)
				}
				if n := r.send(conns, nil).Counts; n.Answered != 300 || len(n.Failures) != 0 {
					t.Errorf("echo after it: %+v", n)
				}
			}
			t.Run("push", func(t *testing.T) {
				t.Parallel()
				r := begin(t)
				sum := r.send(conns, func(p *SendPlan) { p.Pattern = "push" })
				if n := sum.Counts; n.Scheduled != 300 || n.Sent+n.NotSent["ended"] != 300 || n.Delivered != n.Sent-n.Unanswered || n.Delivered != 300*others/conns {
					t.Errorf("%+v", n)
				}
				delete(sum.Counts.Failures, "unanswered") // what was due before the answer came
				end(t, r, sum)
			})
			if name != "a refusal" && name != "an order that is no JSON" {
				return // the others are alike
			}
			t.Run("broadcast", func(t *testing.T) {
				t.Parallel()
				r := begin(t)
				started := time.Now()
				sum := r.do(StepPlan{ID: "join", Group: "main", Join: &JoinPlan{Room: "r"}})
				if took := time.Since(started); took > time.Duration(joinWait) {
					t.Errorf("joining waited %v for an answer that was there", took)
				}
				sum.Merge(r.send(conns, func(p *SendPlan) { p.Pattern, p.Rate, p.Open = "broadcast", 200, r.open["main"] }))
				if n := sum.Counts; n.Receivers != others || n.Sent == 0 || n.Delivered != n.Sent*others || n.Missing() != 0 || n.Sent+n.NotSent["ended"] != n.Scheduled {
					t.Errorf("%+v", n)
				}
				end(t, r, sum)
			})
			t.Run("ping", func(t *testing.T) {
				t.Parallel()
				r := begin(t)
				sum := r.do(StepPlan{ID: "hold", Group: "main", Hold: &HoldPlan{For: 350 * time.Millisecond, PingEvery: 100 * time.Millisecond, PingFrom: "backend"}})
				if h := sum.Histogram(Ping); h == nil || h.TotalCount() < 2*others {
					t.Errorf("pings of the others: %v", h)
				}
				end(t, r, sum)
			})
		})
	}
}
