package proc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// networkName is the entry in the environment of a process that EnterNetwork has made:
// the range that its namespace has.
const networkName = "WSGAUGE_NETWORK"

// EnterNetwork begins this program anew, with the same arguments and under the same pid, in
// a network namespace of its own, in which loopback is up and ephemeral ports are of the
// given range ("20000 20199", net.ipv4.ip_local_port_range). There it returns nil. The
// namespace has no name and is gone with the last process in it, however that ends, so
// nobody has to remove it. Call it before anything is started. It takes root.
func EnterNetwork(portRange string) error {
	if os.Getenv(networkName) == portRange {
		return nil
	}
	err := enterNetwork(portRange)
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("make a network namespace: %w; run it as root", err)
	}
	return fmt.Errorf("make a network namespace: %w", err)
}

func enterNetwork(portRange string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// A namespace is a thread's. Exec makes this thread the only one. On an error it keeps
	// the lock, and so ends with its goroutine.
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if err := loopbackUp(); err != nil {
		return fmt.Errorf("bring its loopback up: %w", err)
	}
	// /proc/sys/net shows the namespace of the thread that opens it.
	if err := os.WriteFile(filepath.Join("/proc/sys/net/ipv4", "ip_local_port_range"), []byte(portRange), 0); err != nil {
		return fmt.Errorf("set net.ipv4.ip_local_port_range to %s: %w", portRange, err)
	}
	return fmt.Errorf("exec %s: %w", self, syscall.Exec(self, os.Args, slices.Concat(os.Environ(), []string{networkName + "=" + portRange})))
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}
