package tunnel

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

func TestWebSocketThroughTheTunnel(t *testing.T) {
	b := listenBackend(t)
	served := make(chan error, 1)
	go func() {
		served <- func() error {
			c, err := b.ln.Accept()
			if err != nil {
				return err
			}
			defer c.Close()
			if _, err := ws.Upgrade(c); err != nil {
				return err
			}
			for {
				message, op, err := wsutil.ReadClientData(c)
				if err != nil {
					if _, closed := err.(wsutil.ClosedError); closed {
						return nil
					}
					return err
				}
				if err := wsutil.WriteServerMessage(c, op, message); err != nil {
					return err
				}
			}
		}()
	}()
	s := serve(t, Options{Backends: backends(b)})
	c, _, _, err := ws.Dial(t.Context(), "ws://"+s.Addr().String()+"/")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, size := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
		sent := strings.Repeat("x", size)
		if err := wsutil.WriteClientText(c, []byte(sent)); err != nil {
			t.Fatal(err)
		}
		got, err := wsutil.ReadServerText(c)
		if err != nil || string(got) != sent {
			t.Fatalf("%d bytes came back as %d, %v", size, len(got), err)
		}
	}
	if err := wsutil.WriteClientMessage(c, ws.OpClose, ws.NewCloseFrameBody(1000, "")); err != nil {
		t.Fatal(err)
	}
	if _, err := wsutil.ReadServerText(c); err == nil {
		t.Error("no end after the close frame")
	}
	if err := <-served; err != nil {
		t.Errorf("backend: %v", err)
	}
	c.Close()
	clean(t, s)
}

// Both heads come in two pieces, cut at every byte, and pass as they are.
func TestHeadsSplitAtEveryByte(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b)})
	for cut := 1; cut < max(len(upgradeRequest), len(switching)); cut++ {
		client := dial(t, s.Addr())
		sendCut(client, upgradeRequest, cut)
		server := b.accept()
		server.expect(upgradeRequest)
		sendCut(server, switching, cut)
		client.expect(switching)
		client.send("ping")
		server.expect("ping")
		server.send("pong")
		client.expect("pong")
		client.reset()
	}
	clean(t, s)
}

func sendCut(p *peer, text string, cut int) {
	p.t.Helper()
	cut = min(cut, len(text)-1)
	p.send(text[:cut])
	time.Sleep(500 * time.Microsecond) // lets the first piece be read by itself
	p.send(text[cut:])
}

func TestByteByByte(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b)})
	client := dial(t, s.Addr())
	for i := range upgradeRequest {
		client.send(upgradeRequest[i : i+1])
		time.Sleep(50 * time.Microsecond)
	}
	server := b.accept()
	server.expect(upgradeRequest)
	for i := range switching {
		server.send(switching[i : i+1])
		time.Sleep(50 * time.Microsecond)
	}
	client.expect(switching)
}

func TestFirstFrameComesWithThe101(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b)})
	for _, early := range []string{"x", strings.Repeat("frame", 2000), strings.Repeat("frame", 20000)} {
		client := dial(t, s.Addr())
		client.send(upgradeRequest)
		server := b.accept()
		server.expect(upgradeRequest)
		server.send(switching + early)
		client.expect(switching + early)
	}
}

// What a client sends before the 101 waits for it, however it is cut.
func TestEarlyClientBytes(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b)})
	early := strings.Repeat("early", 60000)
	for _, cut := range []int{0, 1, len(upgradeRequest) - 1, len(upgradeRequest), len(upgradeRequest) + 7} {
		client := dial(t, s.Addr())
		client.send(upgradeRequest[:min(cut, len(upgradeRequest))])
		time.Sleep(time.Millisecond)
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			io.WriteString(client, (upgradeRequest + early)[min(cut, len(upgradeRequest)):])
		}()
		server := b.accept()
		server.expect(upgradeRequest)
		server.silent()
		server.send(switching)
		client.expect(switching)
		server.expect(early)
		<-sent
		client.reset()
	}
	clean(t, s)
}

func TestInterimResponsesPass(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b)})
	interim := "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
	for _, pieces := range [][]string{
		{interim + interim + switching + "first"},
		{interim, switching, "first"},
		{interim[:9], interim[9:] + interim[:11], interim[11:] + switching[:20], switching[20:] + "first"},
	} {
		client := dial(t, s.Addr())
		client.send(upgradeRequest)
		server := b.accept()
		server.expect(upgradeRequest)
		for _, p := range pieces {
			server.send(p)
			time.Sleep(time.Millisecond)
		}
		client.expect(strings.Join(pieces, ""))
		client.send("second")
		server.expect("second")
		client.reset()
	}
	client := dial(t, s.Addr())
	client.send(upgradeRequest)
	b.accept().send(strings.Repeat(interim, maxInterim+1))
	if got, err := client.all(); !strings.HasPrefix(got, interim) || !strings.HasSuffix(got, badGateway) || err != nil {
		t.Errorf("too many interim responses: %q, %v", got, err)
	}
}

func TestLargestHeadPasses(t *testing.T) {
	b := listenBackend(t)
	s := serve(t, Options{Backends: backends(b)})
	fill := func(head string, n int) string {
		head = strings.TrimSuffix(head, "\r\n") + "X: \r\n\r\n"
		return strings.Replace(head, "X: ", "X: "+strings.Repeat("y", n-len(head)), 1)
	}
	client := dial(t, s.Addr())
	client.send(fill(upgradeRequest, headLimit))
	server := b.accept()
	server.expect(fill(upgradeRequest, headLimit))
	server.send(fill(switching, headLimit))
	client.expect(fill(switching, headLimit))

	client = dial(t, s.Addr())
	client.send(upgradeRequest)
	server = b.accept()
	server.send(fill(switching, headLimit+1))
	if got, _ := client.all(); got != badGateway {
		t.Errorf("a response head over the limit: %q", got)
	}
}

// fullBackend listens and has its queue filled: it does not answer a SYN at all.
// drain makes room.
// The request waits for a backend that is slow to answer the SYN (the kernel sends
// it again after a second).
// A source address that has no port left (here: that is not ours) leaves the dial
// to the next one.
// The client of a refused request can read the answer while it is still sending.
// A client that never closes after its answer is closed.
func TestBackendsInTurn(t *testing.T) {
	one, two := listenBackend(t), listenBackend(t)
	s := serve(t, Options{Backends: backends(one, two)})
	for range 3 {
		open(t, s.Addr(), one)
		open(t, s.Addr(), two)
	}
}
