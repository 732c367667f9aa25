package tunnel

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// Listening begins the line that a tunnel process prints once it serves; the
// address follows.
const Listening = "tunnel: listening on "

// Times of [Processes].
const (
	startWithin = 10 * time.Second       // … a process has to listen
	endWithin   = 3 * time.Second        // … it has to end, before it is killed
	signalsMeet = 200 * time.Millisecond // a signal to the whole group reaches all
	memberFlag  = "--member"             // one of several: see Member
)

// Processes is several tunnel processes behind one address: one process may open
// only so many files. They share the address by SO_REUSEPORT: the kernel deals
// connections by a hash of their addresses, so that the shares of n connections
// differ by some √n. A connection stays with its process.
type Processes struct {
	Executable string // a wsgauge
	Number     int
	Listen     netip.AddrPort // port 0: the kernel's choice, the same for all
	MaxTunnels int            // of all together, divided evenly; 0: no limit
	Args       []string       // further flags of `wsgauge tunnel`, the same for all
	Output     io.Writer      // what they print
}

// Serve starts them, calls started with their address when all of them listen, and
// returns when ctx has ended and all of them have, or with an error as soon as one
// ends by itself. None outlives it, not even a kill of this process: each of them
// ends with its input.
func (p *Processes) Serve(ctx context.Context, started func(netip.AddrPort)) (err error) {
	var members []*member
	defer func() {
		for _, m := range members {
			m.in.Close()
		}
		for _, m := range members {
			err = errors.Join(err, m.end())
		}
	}()
	out := &lines{w: p.Output}
	ends := make(chan error, p.Number)
	addr := p.Listen
	for i := range p.Number {
		m, err := p.start(i, addr, out)
		if err != nil {
			return err
		}
		members = append(members, m)
		go func() { ends <- m.wait(i) }()
		select {
		case addr = <-m.addr:
		case err := <-ends:
			return err
		case <-time.After(startWithin):
			return fmt.Errorf("tunnel: process %d of %d did not listen within %v", i+1, p.Number, startWithin)
		case <-ctx.Done():
			return nil
		}
	}
	started(addr)
	select {
	case <-ctx.Done():
		return nil
	case err := <-ends:
		// Ctrl-C goes to all at once, and they may be quicker than we are.
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(signalsMeet):
			return err
		}
	}
}

// member is one of the processes.
type member struct {
	cmd    *exec.Cmd
	in     io.Closer
	addr   chan netip.AddrPort
	ended  chan struct{}
	result error
}

func (p *Processes) start(i int, addr netip.AddrPort, out *lines) (*member, error) {
	args := append([]string{"tunnel", memberFlag, "--listen", addr.String()}, p.Args...)
	if p.MaxTunnels > 0 {
		share := p.MaxTunnels / p.Number
		if i < p.MaxTunnels%p.Number {
			share++
		}
		args = append(args, "--max-tunnels", fmt.Sprint(share))
	}
	m := &member{cmd: exec.Command(p.Executable, args...), addr: make(chan netip.AddrPort, 1), ended: make(chan struct{})}
	in, err := m.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("tunnel: starting process %d: %w", i+1, err)
	}
	output, err := m.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("tunnel: starting process %d: %w", i+1, err)
	}
	m.cmd.Stderr = out
	if err := m.cmd.Start(); err != nil {
		return nil, fmt.Errorf("tunnel: starting process %d: %w", i+1, err)
	}
	m.in = in
	go func() {
		defer close(m.ended)
		m.read(output, out)
		m.result = m.cmd.Wait()
	}()
	return m, nil
}

// read takes the address from what the process prints and passes on the rest.
func (m *member) read(output io.Reader, out *lines) {
	for scanner := bufio.NewScanner(output); scanner.Scan(); {
		if text, is := strings.CutPrefix(scanner.Text(), Listening); is {
			if addr, err := netip.ParseAddrPort(text); err == nil {
				m.addr <- addr
				continue
			}
		}
		fmt.Fprintln(out, scanner.Text())
	}
}

// wait returns how the process ended.
func (m *member) wait(i int) error {
	<-m.ended
	if m.result == nil {
		return fmt.Errorf("tunnel: process %d (pid %d) has ended by itself", i+1, m.cmd.Process.Pid)
	}
	return fmt.Errorf("tunnel: process %d (pid %d) has ended: %w", i+1, m.cmd.Process.Pid, m.result)
}

// end waits for a process whose input has been closed, and kills one that stays.
func (m *member) end() error {
	select {
	case <-m.ended:
		return nil
	case <-time.After(endWithin):
	}
	err := m.cmd.Process.Kill()
	<-m.ended
	return errors.Join(fmt.Errorf("tunnel: process %d did not end within %v and was killed", m.cmd.Process.Pid, endWithin), err)
}

// lines lets several write, one at a time.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

// Write writes p as a whole.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// Member returns a context that ends with ctx or with the input of one of several
// processes, which its parent holds open.
func Member(ctx context.Context, in io.Reader) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, in) // an error is an end, too
	}()
	return ctx
}
