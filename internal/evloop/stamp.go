package evloop

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// StampReceives has the kernel note when what arrives at a TCP socket came in:
// software receive stamps (SO_TIMESTAMPING; Documentation/networking/timestamping.rst
// of the kernel), which also exist on loopback.
func StampReceives(fd int) error {
	flags := unix.SOF_TIMESTAMPING_RX_SOFTWARE | unix.SOF_TIMESTAMPING_SOFTWARE
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPING_NEW, flags); err != nil {
		return fmt.Errorf("setsockopt SO_TIMESTAMPING: %w", err)
	}
	return nil
}

// ReadStamped reads as [Read] does from a socket of [StampReceives], and returns how
// many nanoseconds ago the last of the bytes read had come in; negative when the
// kernel does not say.
func ReadStamped(fd int, p []byte) (n int, age int64, err error) {
	if len(p) == 0 {
		return 0, -1, ErrAgain
	}
	// Room for one message of three timespecs of 64 bits (struct scm_timestamping64)
	// and one more that the kernel may add.
	var control [128]byte
	iov := unix.Iovec{Base: &p[0]}
	iov.SetLen(len(p))
	msg := unix.Msghdr{Iov: &iov, Control: &control[0]}
	msg.SetIovlen(1)
	for {
		msg.SetControllen(len(control))
		r, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), 0)
		switch errno {
		case 0:
			return int(r), stampAge(control[:min(int(msg.Controllen), len(control))]), nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, -1, ErrAgain
		default:
			return 0, -1, errno
		}
	}
}

// stampAge finds the software stamp, which is on the wall clock.
func stampAge(control []byte) int64 {
	for len(control) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
		length := int(h.Len)
		if length < unix.SizeofCmsghdr || length > len(control) {
			return -1
		}
		const first = unix.SizeofCmsghdr + 16 // the software stamp is the first of three
		if h.Level == unix.SOL_SOCKET && h.Type == unix.SO_TIMESTAMPING_NEW && length >= first {
			sec := *(*int64)(unsafe.Pointer(&control[unix.SizeofCmsghdr]))
			nsec := *(*int64)(unsafe.Pointer(&control[unix.SizeofCmsghdr+8]))
			if sec == 0 && nsec == 0 {
				return -1
			}
			return max(time.Now().UnixNano()-(sec*1e9+nsec), 0)
		}
		control = control[min(len(control), (length+7)&^7):]
	}
	return -1
}
