// Package netns makes network namespaces: a network stack of its own beside the
// machine's, joined to it by one pair of virtual cables (veth(4)). Tests put a server
// there to have it on another host, and a run can put what it starts there to give it an
// ephemeral range of its own.
//
// A namespace has no name and no file. It lives as long as a process in it, of which
// there is one that ends with its maker, however that one ends: it waits for the end of
// its standard input. What else runs inside is started by whoever wants it there, with
// [Space.Command] before its own command line, and is owned by them. So nothing is left
// behind when the maker is killed.
//
// It takes root, and the commands ip (iproute2), unshare and nsenter (util-linux).
package netns

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// closeWithin bounds the end of the process that holds a namespace.
const closeWithin = 5 * time.Second

// Options say what is different in a namespace. Zero: nothing.
type Options struct {
	// PortLow to PortHigh is the range of ephemeral ports inside
	// (net.ipv4.ip_local_port_range).
	PortLow, PortHigh int
	// More is how many further addresses the inside has, of the same network.
	More int
}

// Space is a network namespace. Close it.
type Space struct {
	// Outside and Inside are the addresses of the two ends of the cable, of a network of
	// 256 addresses that nobody else routes (198.18.0.0/15, RFC 2544). More are those that
	// were asked for besides.
	Outside, Inside netip.Addr
	More            []netip.Addr

	holder *exec.Cmd
	hold   io.Closer // the holder's standard input
	link   string
}

// Missing says why no namespace can be made here; nil: one can, as far as is known
// without trying.
func Missing() error {
	if os.Geteuid() != 0 {
		return errors.New("network namespaces take root")
	}
	for _, name := range []string{"ip", "unshare", "nsenter"} {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("network namespaces take the command %s: install iproute2 and util-linux", name)
		}
	}
	return nil
}

// Open makes a namespace with its loopback and its cable up. ctx bounds the making.
func Open(ctx context.Context, o Options) (*Space, error) {
	s, err := hold()
	if err != nil {
		return nil, fmt.Errorf("make a network namespace: %w", err)
	}
	if err := s.furnish(ctx, o); err != nil {
		return nil, fmt.Errorf("make a network namespace: %w", errors.Join(err, s.Close()))
	}
	return s, nil
}

// hold starts the process that the namespace lives in.
func hold() (*Space, error) {
	if err := Missing(); err != nil {
		return nil, err
	}
	network, err := free()
	if err != nil {
		return nil, err
	}
	var b [4]byte
	rand.Read(b[:]) // never fails
	outside := network.Addr().Next()
	s := &Space{Outside: outside, Inside: outside.Next(), link: "wsg" + hex.EncodeToString(b[:])}
	// cat says "in" when it is inside, and waits for more.
	s.holder = exec.Command("unshare", "--net", "cat")
	in, err := s.holder.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := s.holder.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.holder.Start(); err != nil {
		return nil, fmt.Errorf("unshare: %w", err)
	}
	s.hold = in
	echo := make([]byte, 1)
	_, err = in.Write([]byte{'\n'})
	if err == nil {
		_, err = io.ReadFull(out, echo)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("unshare --net: it did not begin: %w", err), s.Close())
	}
	return s, nil
}

// free chooses one of the 512 networks of 256 addresses that no other namespace of ours
// has now.
func free() (netip.Prefix, error) {
	taken, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Prefix{}, err
	}
	for range 64 {
		var b [2]byte
		rand.Read(b[:]) // never fails
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18 + b[0]&1, b[1], 0}), 24)
		if !slices.ContainsFunc(taken, func(a net.Addr) bool {
			other, err := netip.ParsePrefix(a.String())
			return err == nil && other.Overlaps(p)
		}) {
			return p, nil
		}
	}
	return netip.Prefix{}, errors.New("the networks of 198.18.0.0/15 are taken: `ip address` says by what")
}

// furnish gives the namespace its links, addresses and settings.
func (s *Space) furnish(ctx context.Context, o Options) error {
	pid, peer := strconv.Itoa(s.holder.Process.Pid), s.link+"i"
	last := s.Inside.As4()
	for range o.More {
		last[3]++
		s.More = append(s.More, netip.AddrFrom4(last))
	}
	inside := [][]string{
		{"ip", "link", "set", "lo", "up"},
		{"ip", "address", "add", s.Inside.String() + "/24", "dev", peer},
	}
	for _, a := range s.More {
		inside = append(inside, []string{"ip", "address", "add", a.String() + "/24", "dev", peer})
	}
	inside = append(inside, []string{"ip", "link", "set", peer, "up"})
	if o.PortLow > 0 {
		// /proc/sys/net shows the namespace of whoever opens it.
		inside = append(inside, []string{"sh", "-c", fmt.Sprintf("echo %d %d >/proc/sys/net/ipv4/ip_local_port_range", o.PortLow, o.PortHigh)})
	}
	list := [][]string{
		{"ip", "link", "add", s.link, "type", "veth", "peer", "name", peer, "netns", pid},
		{"ip", "address", "add", s.Outside.String() + "/24", "dev", s.link},
		{"ip", "link", "set", s.link, "up"},
	}
	for _, c := range inside {
		list = append(list, s.Command(c...))
	}
	for _, argv := range list {
		if out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// Command is a command line that runs argv inside. The process that it starts becomes
// argv's, so that its pid, and whatever was set for it, are too.
func (s *Space) Command(argv ...string) []string {
	return append([]string{"nsenter", "--net=/proc/" + strconv.Itoa(s.holder.Process.Pid) + "/ns/net", "--"}, argv...)
}

// Close takes the cable away and lets go of the namespace. It is gone with the last
// process in it: end those first.
func (s *Space) Close() error {
	s.hold.Close()
	late := time.AfterFunc(closeWithin, func() { s.holder.Process.Kill() })
	defer late.Stop()
	err := s.holder.Wait()
	// With processes inside the cable would stay. It may be gone already, or was never laid.
	if _, there := os.Stat("/sys/class/net/" + s.link); there == nil {
		if out, derr := exec.Command("ip", "link", "delete", s.link).CombinedOutput(); derr != nil && s.linked() {
			err = errors.Join(err, fmt.Errorf("remove the link %s: %w: %s", s.link, derr, strings.TrimSpace(string(out))))
		}
	}
	return err
}

func (s *Space) linked() bool {
	_, err := os.Stat("/sys/class/net/" + s.link)
	return err == nil
}
