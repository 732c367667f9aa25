package evloop

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

func listen(t testing.TB, addr netip.AddrPort) (int, netip.AddrPort) {
	t.Helper()
	fd, bound, err := Listen(addr, 64, false)
	if err != nil {
		t.Fatal(err)
	}
	return fd, bound
}

// await polls fd until one of want holds, and returns what holds.
func await(t testing.TB, fd int, want Events) Events {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(fd), Events: int16(want)}}
	for range 100 {
		if n, err := unix.Poll(fds, 100); err == nil && n > 0 {
			return Events(fds[0].Revents)
		}
	}
	t.Fatal("nothing happened on the descriptor")
	return 0
}

// connected returns both ends of a TCP connection.
func connected(t testing.TB) (client, server int) {
	t.Helper()
	ln, addr := listen(t, loopback)
	defer CloseSocket(ln)
	client, err := Dial(addr, netip.AddrPort{})
	if err != nil {
		t.Fatal(err)
	}
	await(t, ln, Readable)
	server, _, err = Accept(ln)
	if err != nil {
		t.Fatal(err)
	}
	await(t, client, Writable)
	if err := SocketError(client); err != nil {
		t.Fatal(err)
	}
	return client, server
}

func TestDialFromASourceAddress(t *testing.T) {
	ln, addr := listen(t, loopback)
	defer CloseSocket(ln)
	fd, err := Dial(addr, netip.MustParseAddrPort("127.0.0.9:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer CloseSocket(fd)
	await(t, ln, Readable)
	conn, peer, err := Accept(ln)
	if err != nil {
		t.Fatal(err)
	}
	defer CloseSocket(conn)
	if peer.Addr() != netip.MustParseAddr("127.0.0.9") {
		t.Errorf("the peer is %v", peer)
	}
	for name, fd := range map[string]int{"dialled": fd, "accepted": conn} {
		if on, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY); err != nil || on == 0 {
			t.Errorf("TCP_NODELAY of the %s socket: %d, %v", name, on, err)
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
			t.Errorf("the %s socket blocks", name)
		}
	}
	if _, _, err := Accept(ln); err != ErrAgain {
		t.Errorf("Accept with nobody waiting: %v", err)
	}
}

func TestIPv6(t *testing.T) {
	ln, addr, err := Listen(netip.MustParseAddrPort("[::1]:0"), 8, false)
	if err != nil {
		t.Skipf("no IPv6 here: %v", err)
	}
	defer CloseSocket(ln)
	fd, err := Dial(addr, netip.MustParseAddrPort("[::1]:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer CloseSocket(fd)
	await(t, ln, Readable)
	conn, peer, err := Accept(ln)
	if err != nil {
		t.Fatal(err)
	}
	CloseSocket(conn)
	if peer.Addr() != netip.IPv6Loopback() {
		t.Errorf("the peer is %v", peer)
	}
}

func TestDialRefused(t *testing.T) {
	before := descriptors(t)
	ln, addr := listen(t, loopback)
	CloseSocket(ln)
	fd, err := Dial(addr, netip.AddrPort{})
	if err == nil {
		if ready := await(t, fd, Writable); !ready.Has(Broken) {
			t.Errorf("ready: %#x", ready)
		}
		err = SocketError(fd)
		CloseSocket(fd)
	}
	if !errors.Is(err, ErrRefused) {
		t.Errorf("error: %v", err)
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors after, %d before", after, before)
	}
}

// Every port of an address pair that is taken is the same as none being left:
// here the one port that is asked for.
func TestDialErrorsLeaveNoDescriptor(t *testing.T) {
	before := descriptors(t)
	ln, addr := listen(t, loopback)
	if _, err := Dial(addr, netip.MustParseAddrPort("192.0.2.1:0")); !errors.Is(err, ErrNoPort) {
		t.Errorf("from an address that is not ours: %v", err)
	}
	if _, err := Dial(addr, addr); !errors.Is(err, ErrInUse) {
		t.Errorf("from a port that is taken: %v", err)
	}
	CloseSocket(ln)
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors after, %d before", after, before)
	}
}

func TestListenInUse(t *testing.T) {
	before := descriptors(t)
	ln, addr := listen(t, loopback)
	if _, _, err := Listen(addr, 8, false); !errors.Is(err, ErrInUse) {
		t.Errorf("error: %v", err)
	}
	if _, _, err := Listen(addr, 8, true); !errors.Is(err, ErrInUse) {
		t.Errorf("shared with one that is not: %v", err)
	}
	CloseSocket(ln)
	one, addr, err := Listen(addr, 8, true)
	if err != nil {
		t.Fatal(err)
	}
	two, _, err := Listen(addr, 8, true)
	if err != nil {
		t.Fatalf("a shared address: %v", err)
	}
	CloseSocket(one)
	CloseSocket(two)
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors after, %d before", after, before)
	}
}

func TestNoDescriptorLeft(t *testing.T) {
	ln, addr := listen(t, loopback)
	defer CloseSocket(ln)
	peer, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	await(t, ln, Readable)
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	_, _, acceptErr := Accept(ln)
	_, dialErr := Dial(addr, netip.AddrPort{})
	_, newErr := New()
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{"accept": acceptErr, "dial": dialErr, "new loop": newErr} {
		if !NoDescriptor(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestResetAndEnd(t *testing.T) {
	client, server := connected(t)
	if err := ResetOnClose(client); err != nil {
		t.Fatal(err)
	}
	CloseSocket(client)
	await(t, server, Readable)
	if _, err := Read(server, make([]byte, 1)); !errors.Is(err, ErrReset) {
		t.Errorf("read after a reset: %v", err)
	}
	if _, err := Write(server, []byte("x")); !BrokenPipe(err) {
		t.Errorf("write after a reset: %v", err)
	}
	CloseSocket(server)

	client, server = connected(t)
	defer CloseSocket(client)
	defer CloseSocket(server)
	if err := EndWrites(client); err != nil {
		t.Fatal(err)
	}
	await(t, server, Readable)
	if n, err := Read(server, make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("read at the end: %d, %v", n, err)
	}
	if n, err := Write(server, []byte("x")); n != 1 || err != nil {
		t.Errorf("write towards a half-closed peer: %d, %v", n, err)
	}
}

func TestZeroLengths(t *testing.T) {
	client, server := connected(t)
	defer CloseSocket(client)
	defer CloseSocket(server)
	if n, err := Read(server, nil); n != 0 || err != ErrAgain {
		t.Errorf("Read of nothing: %d, %v: it must not look like the end", n, err)
	}
	if n, err := Read(server, make([]byte, 1)); n != 0 || err != ErrAgain {
		t.Errorf("Read with nothing there: %d, %v", n, err)
	}
	if n, err := Write(server, nil); n != 0 || err != nil {
		t.Errorf("Write of nothing: %d, %v", n, err)
	}
	if n, err := Writev(server, nil, nil); n != 0 || err != nil {
		t.Errorf("Writev of nothing: %d, %v", n, err)
	}
	for _, two := range [][2]string{{"a", ""}, {"", "b"}, {"cd", "efg"}} {
		if n, err := Writev(server, []byte(two[0]), []byte(two[1])); n != len(two[0])+len(two[1]) || err != nil {
			t.Errorf("Writev(%q): %d, %v", two, n, err)
		}
	}
	var got []byte
	for p := make([]byte, 16); len(got) < 7; {
		await(t, client, Readable)
		n, err := Read(client, p)
		if err != nil || n == 0 {
			t.Fatal(n, err)
		}
		got = append(got, p[:n]...)
	}
	if string(got) != "abcdefg" {
		t.Errorf("arrived: %q", got)
	}
}

func TestWritevIsPartialWhenFull(t *testing.T) {
	client, server := connected(t)
	defer CloseSocket(client)
	defer CloseSocket(server)
	a, b := bytes.Repeat([]byte("a"), 1<<20), bytes.Repeat([]byte("b"), 64<<20)
	n, err := Writev(server, a, b)
	if err != nil || n <= 0 || n >= len(a)+len(b) {
		t.Fatalf("Writev: %d, %v", n, err)
	}
	deadline := time.Now().Add(5 * time.Second)
	for err == nil && time.Now().Before(deadline) {
		_, err = Writev(server, a, b)
	}
	if err != ErrAgain {
		t.Errorf("a full socket: %v", err)
	}
}
