package tunnel

import (
	"testing"
	"time"
)

// idleDescriptors are those of a tunnel process with nothing open.
func idleDescriptors(t *testing.T, b *backend) map[int]bool {
	t.Helper()
	c := startChild(t, childPlan{Options: Options{Backends: backends(b)}})
	client, server := open(t, c.addr, b) // so that all that is opened once is there
	client.reset()
	server.Close()
	eventually(t, "the tunnel is gone", func() bool { return c.stats().Open == 0 })
	return c.descriptors()
}

func TestTwoThousandTunnels(t *testing.T) {
	const tunnels = 2000
	b := listenBackend(t)
	base := len(idleDescriptors(t, b))
	c := startChild(t, childPlan{Options: Options{Backends: backends(b)}})
	var clients, servers []*peer
	for range tunnels {
		client, server := open(t, c.addr, b)
		clients, servers = append(clients, client), append(servers, server)
	}
	if n := len(c.descriptors()) - base; n != 2*tunnels {
		t.Errorf("%d tunnels hold %d descriptors, want two each", tunnels, n)
	}
	for _, p := range append(clients, servers...) {
		p.extend()
	}
	for i := range clients {
		clients[i].send("ping")
	}
	for i := range servers {
		servers[i].expect("ping")
		servers[i].send("pong")
	}
	for i := range clients {
		clients[i].expect("pong")
		clients[i].Close()
		servers[i].Close()
	}
	eventually(t, "everything is closed", func() bool { return c.stats().Open == 0 && len(c.descriptors()) == base })
	if n := c.stats().Total; n != tunnels {
		t.Errorf("%d tunnels counted", n)
	}
}

// Without a descriptor for the client, it waits; without one for the backend, it
// hears 503. Tunnels that are open do not notice.
func TestNoDescriptorLeft(t *testing.T) {
	b := listenBackend(t)
	const tunnels = 5
	// The limit is one of numbers; some below it are taken from the start.
	taken, limit := idleDescriptors(t, b), 0
	for free := 0; free < 2*tunnels+1; limit++ {
		if !taken[limit] {
			free++
		}
	}
	c := startChild(t, childPlan{Options: Options{Backends: backends(b)}, Nofile: uint64(limit)})
	var clients, servers []*peer
	for range tunnels {
		client, server := open(t, c.addr, b)
		clients, servers = append(clients, client), append(servers, server)
	}
	ping := func() {
		t.Helper()
		for i, client := range clients {
			client.send("ping")
			servers[i].expect("ping")
			servers[i].send("pong")
			client.expect("pong")
		}
	}

	half := dial(t, c.addr) // takes the last one
	half.send(upgradeRequest)
	if got, err := half.all(); got != unavailable || err != nil {
		t.Fatalf("answer without a descriptor for the backend: %q, %v", got, err)
	}
	half.Close()
	b.none()
	ping()

	taker := dial(t, c.addr)
	taker.send(upgradeRequest[:20])
	eventually(t, "the last descriptor is taken", func() bool { return len(c.descriptors()) == len(taken)+2*tunnels+1 })
	waiting := dial(t, c.addr) // in the backlog
	waiting.send(upgradeRequest)
	eventually(t, "accepting rests", func() bool { return c.stats().Paused > 0 })
	before := c.stats().Paused
	began := time.Now()
	time.Sleep(200 * time.Millisecond)
	if n, most := c.stats().Paused-before, int64(time.Since(began)/acceptPause)+2; n > most {
		t.Errorf("%d attempts to accept in %v, want one in %v", n, time.Since(began), acceptPause)
	}
	ping()
	waiting.silent()

	clients[0].reset() // frees both descriptors at once: enough for a tunnel
	servers[0].Close()
	server := b.accept()
	server.expect(upgradeRequest)
	server.send(switching)
	waiting.expect(switching)
	clients, servers = append(clients[1:], waiting), append(servers[1:], server)
	ping()
}
