package tunnel

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// childEnv makes the test binary a tunnel process of its own: for what can be
// seen only from outside (memory, descriptors) or would hurt the test (limits).
const childEnv = "WSGAUGE_TUNNEL_TEST_CHILD"

type childPlan struct {
	Options Options
	Nofile  uint64 // 0: inherited
}

func TestMain(m *testing.M) {
	if plan := os.Getenv(childEnv); plan != "" {
		if err := runChild(plan); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// runChild prints the address, then the statistics for each line it is sent, and
// ends with its input.
func runChild(text string) error {
	var plan childPlan
	if err := json.Unmarshal([]byte(text), &plan); err != nil {
		return err
	}
	debug.SetGCPercent(200) // as the command does
	if plan.Nofile > 0 {
		var limit syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			return err
		}
		limit.Cur = plan.Nofile
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			return err
		}
	}
	s, err := Listen(plan.Options)
	if err != nil {
		return err
	}
	fmt.Println(s.Addr())
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			out, err := json.Marshal(s.Stats())
			fmt.Println(string(out), err)
		}
		cancel()
	}()
	return s.Serve(ctx)
}

// child is a tunnel in a process of its own.
type child struct {
	t    testing.TB
	addr netip.AddrPort
	pid  int
	in   io.WriteCloser
	out  *bufio.Reader
}

func startChild(t testing.TB, plan childPlan) *child {
	t.Helper()
	plan.Options.Listen = anyPort
	text, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, pid: cmd.Process.Pid, in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("tunnel process: %v", err)
		}
	})
	c.addr = netip.MustParseAddrPort(strings.TrimSpace(c.line()))
	return c
}

func (c *child) line() string {
	c.t.Helper()
	line, err := c.out.ReadString('\n')
	if err != nil {
		c.t.Fatalf("tunnel process: %v", err)
	}
	return line
}

func (c *child) stats() (s Stats) {
	c.t.Helper()
	if _, err := fmt.Fprintln(c.in); err != nil {
		c.t.Fatal(err)
	}
	if err := json.NewDecoder(strings.NewReader(c.line())).Decode(&s); err != nil {
		c.t.Fatal(err)
	}
	return s
}

// descriptors gives the numbers of those that are open.
func (c *child) descriptors() map[int]bool {
	c.t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", c.pid))
	if err != nil {
		c.t.Fatal(err)
	}
	open := make(map[int]bool)
	for _, e := range entries {
		n, err := strconv.Atoi(e.Name())
		if err != nil {
			c.t.Fatal(err)
		}
		open[n] = true
	}
	return open
}
