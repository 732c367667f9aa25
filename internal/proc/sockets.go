package proc

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// socketStates are the names of TCP states by the kernel's number
// (include/net/tcp_states.h). NEW_SYN_RECV is what SYN_RECV has been in fact since
// Linux 4.4.
var socketStates = [...]string{
	1: "ESTABLISHED", 2: "SYN_SENT", 3: "SYN_RECV", 4: "FIN_WAIT1", 5: "FIN_WAIT2", 6: "TIME_WAIT",
	7: "CLOSE", 8: "CLOSE_WAIT", 9: "LAST_ACK", 10: "LISTEN", 11: "CLOSING", 12: "SYN_RECV",
}

func stateName(n int) string {
	if n > 0 && n < len(socketStates) {
		return socketStates[n]
	}
	return "STATE_" + strconv.Itoa(n)
}

// States counts sockets by the name of their state: "ESTABLISHED", "TIME_WAIT",
// "LISTEN" and so on.
type States map[string]int

// Sockets counts the TCP sockets of this network namespace, those that of gives the
// same name together; an empty name leaves a socket out. It is one walk through all
// sockets however many names there are. Each end of a connection on loopback is a
// socket of its own.
// Addresses of IPv4 that an IPv6 socket holds are given as IPv4. The kernel is
// asked through netlink (sock_diag(7)), or where that is missing through
// /proc/net/tcp, which is slow with many sockets.
func Sockets(of func(local, remote netip.AddrPort) string) (map[string]States, error) {
	count := map[string]States{}
	take := func(state int, local, remote netip.AddrPort) {
		name := of(local, remote)
		if name == "" {
			return
		}
		if count[name] == nil {
			count[name] = States{}
		}
		count[name][stateName(state)]++
	}
	err := diagnosed(take)
	if err == nil {
		return count, nil
	}
	clear(count)
	if fallback := listed(take); fallback != nil {
		return nil, fmt.Errorf("count TCP sockets: %w", errors.Join(err, fallback))
	}
	return count, nil
}

const (
	diagRequestLen = 16 + 56 // nlmsghdr, inet_diag_req_v2
	diagAnswerLen  = 72      // inet_diag_msg
)

// diagnosed dumps the sockets of both families through netlink.
func diagnosed(take func(state int, local, remote netip.AddrPort)) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return fmt.Errorf("sock_diag: %w", err)
	}
	defer unix.Close(fd)
	// The kernel answers in microseconds or never.
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5}); err != nil {
		return fmt.Errorf("sock_diag: %w", err)
	}
	buf := make([]byte, 256<<10)
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		if err := unix.Sendto(fd, diagRequest(family), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			return fmt.Errorf("sock_diag: %w", err)
		}
		for done := false; !done; {
			n, _, err := unix.Recvfrom(fd, buf, 0)
			if err == unix.EINTR {
				continue
			}
			if err != nil {
				return fmt.Errorf("sock_diag: %w", err)
			}
			if done, err = parseDiag(buf[:n], take); err != nil {
				return fmt.Errorf("sock_diag: %w", err)
			}
		}
	}
	return nil
}

// diagRequest asks for all TCP sockets of a family in whatever state.
func diagRequest(family byte) []byte {
	b := make([]byte, diagRequestLen)
	binary.NativeEndian.PutUint32(b[0:], diagRequestLen)
	binary.NativeEndian.PutUint16(b[4:], unix.SOCK_DIAG_BY_FAMILY)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	b[16], b[17] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(b[20:], 1<<13-1) // states, by number
	return b
}

// parseDiag reads the messages of one datagram; done after the last of a dump.
func parseDiag(b []byte, take func(state int, local, remote netip.AddrPort)) (done bool, err error) {
	for len(b) >= 16 {
		length := int(binary.NativeEndian.Uint32(b))
		if length < 16 || length > len(b) {
			return false, errors.New("a message's length is wrong")
		}
		kind, body := binary.NativeEndian.Uint16(b[4:]), b[16:length]
		switch kind {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			if len(body) < 4 {
				return false, errors.New("an error without a number")
			}
			return false, unix.Errno(-int32(binary.NativeEndian.Uint32(body)))
		case unix.SOCK_DIAG_BY_FAMILY:
			if len(body) < diagAnswerLen {
				return false, errors.New("a socket's message is too short")
			}
			// family, state, timer, retransmits, then the ports in network order, then
			// the addresses of 16 bytes each.
			local, remote := diagAddr(body[0], body[8:24]), diagAddr(body[0], body[24:40])
			take(int(body[1]),
				netip.AddrPortFrom(local, binary.BigEndian.Uint16(body[4:])),
				netip.AddrPortFrom(remote, binary.BigEndian.Uint16(body[6:])))
		}
		b = b[min(len(b), (length+3)&^3):]
	}
	return false, nil
}

func diagAddr(family byte, b []byte) netip.Addr {
	if family == unix.AF_INET {
		return netip.AddrFrom4([4]byte(b))
	}
	return netip.AddrFrom16([16]byte(b)).Unmap()
}

// listed reads the sockets from /proc/net/tcp and tcp6.
func listed(take func(state int, local, remote netip.AddrPort)) error {
	for _, path := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(path)
		if errors.Is(err, os.ErrNotExist) && path == "/proc/net/tcp6" {
			continue // IPv6 is turned off
		}
		if err != nil {
			return err
		}
		err = parseListed(f, take)
		f.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// parseListed reads lines like "0: 0100007F:1F90 00000000:0000 0A ...": number,
// local and remote address, state. Addresses are words of 32 bits in the machine's
// byte order, ports are plain numbers, all in hexadecimal.
func parseListed(r io.Reader, take func(state int, local, remote netip.AddrPort)) error {
	lines := bufio.NewScanner(r)
	for first := true; lines.Scan(); first = false {
		if first {
			continue // the heading
		}
		words := strings.Fields(lines.Text())
		if len(words) < 4 {
			return fmt.Errorf("line %q", lines.Text())
		}
		local, err := listedAddr(words[1])
		if err != nil {
			return err
		}
		remote, err := listedAddr(words[2])
		if err != nil {
			return err
		}
		state, err := strconv.ParseUint(words[3], 16, 8)
		if err != nil {
			return err
		}
		take(int(state), local, remote)
	}
	return lines.Err()
}

func listedAddr(text string) (netip.AddrPort, error) {
	address, port, _ := strings.Cut(text, ":")
	b, err := hex.DecodeString(address)
	if err != nil || (len(b) != 4 && len(b) != 16) {
		return netip.AddrPort{}, fmt.Errorf("address %q", text)
	}
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("port of %q: %w", text, err)
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	addr, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), nil
}
