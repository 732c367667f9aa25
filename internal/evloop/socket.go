package evloop

import (
	"errors"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrAgain says that a non-blocking call could do nothing now.
var ErrAgain error = unix.EAGAIN

// Errors of a dial that a caller tells apart.
var (
	ErrRefused error = unix.ECONNREFUSED
	ErrReset   error = unix.ECONNRESET
	ErrTimeout error = unix.ETIMEDOUT
	// ErrNoPort says that no ephemeral port is left to the remote address.
	ErrNoPort error = unix.EADDRNOTAVAIL
	// ErrInUse says that someone else listens on the address.
	ErrInUse error = unix.EADDRINUSE
)

// NoDescriptor tells whether err means that the process or the machine has no
// descriptor left.
func NoDescriptor(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE)
}

// BrokenPipe tells whether err is what a write finds after the peer has gone.
func BrokenPipe(err error) bool { return errors.Is(err, unix.EPIPE) }

// Read reads once from a non-blocking socket: n bytes, (0, nil) at the end of the
// stream, or an errno ([ErrAgain] when nothing is there). An empty p reads nothing
// and gives [ErrAgain], so that it is never taken for the end.
func Read(fd int, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, ErrAgain
	}
	return transfer(unix.SYS_RECVFROM, fd, p, 0)
}

// Write writes once to a non-blocking socket; fewer bytes than asked may be
// taken. A peer that has gone gives an error, never a signal. Writing nothing does
// nothing.
func Write(fd int, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return transfer(unix.SYS_SENDTO, fd, p, unix.MSG_NOSIGNAL)
}

// transfer makes a call of sockets: read and write would first go through what the
// kernel has for files of every kind, a tenth of a microsecond each.
func transfer(call uintptr, fd int, p []byte, flags uintptr) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), flags, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, ErrAgain // boxed once: this path is hot
		default:
			return 0, errno
		}
	}
}

// Writev writes two buffers in one call, as [Write] does one.
func Writev(fd int, a, b []byte) (int, error) {
	if len(a) == 0 {
		return Write(fd, b)
	}
	if len(b) == 0 {
		return Write(fd, a)
	}
	iov := [2]unix.Iovec{{Base: &a[0], Len: uint64(len(a))}, {Base: &b[0], Len: uint64(len(b))}}
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&iov[0])), 2)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, ErrAgain
		default:
			return 0, errno
		}
	}
}

// Dial begins a connection to remote, from local when that is valid; a local
// port of 0 is chosen by the kernel at connect time, so that a port can serve
// many remote addresses (IP_BIND_ADDRESS_NO_PORT). The socket is non-blocking
// with TCP_NODELAY on; it becomes [Writable] when the outcome is known, and
// [SocketError] tells it. On error no descriptor is left.
func Dial(remote, local netip.AddrPort) (fd int, err error) {
	fd, err = stream(remote.Addr())
	if err != nil {
		return -1, err
	}
	defer func() {
		if err != nil {
			CloseSocket(fd)
			fd = -1
		}
	}()
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return fd, fmt.Errorf("TCP_NODELAY: %w", err)
	}
	if local.IsValid() {
		if local.Port() == 0 {
			if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
				return fd, fmt.Errorf("IP_BIND_ADDRESS_NO_PORT: %w", err)
			}
		}
		if err := unix.Bind(fd, sockaddr(local)); err != nil {
			return fd, fmt.Errorf("bind %v: %w", local, err)
		}
	}
	for {
		err = unix.Connect(fd, sockaddr(remote))
		if err != unix.EINTR {
			break
		}
	}
	if err == unix.EINPROGRESS {
		err = nil
	}
	return fd, err
}

// SocketError returns, and clears, the pending error of a socket.
func SocketError(fd int) error {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return err
	}
	if n != 0 {
		return unix.Errno(n)
	}
	return nil
}

// Listen opens a non-blocking listening socket and returns the address it is
// bound to (the port chosen by the kernel when addr's is 0). With shared, several
// processes may listen on the same address and the kernel spreads connections
// among them (SO_REUSEPORT). Backlog is bounded by net.core.somaxconn.
func Listen(addr netip.AddrPort, backlog int, shared bool) (fd int, bound netip.AddrPort, err error) {
	fd, err = stream(addr.Addr())
	if err != nil {
		return -1, addr, err
	}
	fail := func(what string, err error) (int, netip.AddrPort, error) {
		CloseSocket(fd)
		return -1, addr, fmt.Errorf("%s %v: %w", what, addr, err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return fail("SO_REUSEADDR", err)
	}
	if shared {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
			return fail("SO_REUSEPORT", err)
		}
	}
	// Inherited by every accepted socket, which saves a call for each.
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return fail("TCP_NODELAY", err)
	}
	if err := unix.Bind(fd, sockaddr(addr)); err != nil {
		return fail("bind", err)
	}
	if err := unix.Listen(fd, backlog); err != nil {
		return fail("listen", err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return fail("getsockname", err)
	}
	return fd, addrPort(sa), nil
}

// Accept takes one connection from a socket of [Listen]: non-blocking, with
// TCP_NODELAY on. [ErrAgain] when none waits, or when the one that waited has
// gone.
func Accept(fd int) (conn int, peer netip.AddrPort, err error) {
	// unix.Accept4 allocates room for the address even when nobody waits, and a
	// storm of connections would leave more garbage than they are large.
	var sa unix.RawSockaddrInet6 // the larger of the two families
	size := uint32(unsafe.Sizeof(sa))
	n, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&sa)),
		uintptr(unsafe.Pointer(&size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	switch errno {
	case 0:
		return int(n), rawAddrPort(&sa), nil
	case unix.EAGAIN, unix.EINTR, unix.ECONNABORTED:
		return -1, peer, ErrAgain
	}
	return -1, peer, errno
}

// EndWrites sends FIN: no more bytes leave, those of the peer still arrive.
func EndWrites(fd int) error { return unix.Shutdown(fd, unix.SHUT_WR) }

// ResetOnClose makes the close of fd send RST and drop what is queued.
func ResetOnClose(fd int) error {
	return unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}

// DropInput makes the kernel drop every segment that arrives for fd before TCP sees
// it: nothing of the peer's is acknowledged any more, nor its FIN or RST noticed. It
// does so by a socket filter (SO_ATTACH_FILTER). Where that is kept from users
// without privileges it asks for the largest time to live (IP_MINTTL), which needs
// none: a segment has that only from a neighbour that is set up to send it, Linux
// sends 64.
func DropInput(fd int) error {
	drop := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K} // keep 0 bytes
	err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop})
	if err == nil {
		return nil
	}
	local, nameErr := unix.Getsockname(fd)
	level, option := unix.IPPROTO_IP, unix.IP_MINTTL
	if _, six := local.(*unix.SockaddrInet6); six {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_MINHOPCOUNT
	}
	if ttlErr := unix.SetsockoptInt(fd, level, option, 255); ttlErr != nil || nameErr != nil {
		return fmt.Errorf("SO_ATTACH_FILTER: %w; IP_MINTTL: %w", err, errors.Join(ttlErr, nameErr))
	}
	return nil
}

// CloseSocket closes a descriptor that no loop watches. It is not retried on
// EINTR: Linux has released the descriptor by then.
func CloseSocket(fd int) { unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

func stream(addr netip.Addr) (int, error) {
	family := unix.AF_INET
	if addr.Is6() && !addr.Is4In6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	return fd, nil
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if addr := a.Addr().Unmap(); addr.Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: addr.As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// rawAddrPort reads an address as the kernel wrote it, of either family.
func rawAddrPort(sa *unix.RawSockaddrInet6) netip.AddrPort {
	port := (*[2]byte)(unsafe.Pointer(&sa.Port)) // in network order
	number := uint16(port[0])<<8 | uint16(port[1])
	switch sa.Family {
	case unix.AF_INET:
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), number)
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), number)
	}
	return netip.AddrPort{}
}
