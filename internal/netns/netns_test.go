package netns

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const makerEnv = "NETNS_TEST_MAKER"

// TestMain makes this program a maker of namespaces that is going to be killed.
func TestMain(m *testing.M) {
	if os.Getenv(makerEnv) != "" {
		s, err := Open(context.Background(), Options{})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(s.link)
		time.Sleep(time.Minute)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func open(t *testing.T, o Options) *Space {
	t.Helper()
	if err := Missing(); err != nil {
		t.Skipf("skipped: %v", err)
	}
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if s.linked() {
			t.Errorf("the link %s is left", s.link)
		}
	})
	return s
}

func inside(t *testing.T, s *Space, argv ...string) string {
	t.Helper()
	argv = s.Command(argv...)
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestOpen(t *testing.T) {
	s := open(t, Options{PortLow: 40000, PortHigh: 40009, More: 2})
	if got := strings.Fields(inside(t, s, "cat", "/proc/sys/net/ipv4/ip_local_port_range")); len(got) != 2 || got[0] != "40000" || got[1] != "40009" {
		t.Errorf("the range inside is %q", got)
	}
	ours, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil || strings.Contains(string(ours), "40009") {
		t.Errorf("our own range is %q now (%v)", ours, err)
	}
	// From inside to a listener out here, over the cable.
	l, err := net.Listen("tcp", s.Outside.String()+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for i, from := range append(s.More, s.Inside) {
		argv := s.Command("bash", "-c", fmt.Sprintf("exec 3<>/dev/tcp/%v/%s && read -t 5 line <&3", s.Outside, port))
		if from != s.Inside {
			inside(t, s, "ip", "route", "replace", s.Outside.String()+"/32", "dev", s.link+"i", "src", from.String())
		} else {
			inside(t, s, "ip", "route", "del", s.Outside.String()+"/32")
		}
		c := exec.Command(argv[0], argv[1:]...)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		peer, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if got := peer.RemoteAddr().(*net.TCPAddr); got.IP.String() != from.String() || got.Port < 40000 || got.Port > 40009 {
			t.Errorf("connection %d comes from %v, want %v and a port of the range", i, got, from)
		}
		fmt.Fprintln(peer, "hello")
		peer.Close()
		if err := c.Wait(); err != nil {
			t.Errorf("inside: %v", err)
		}
	}
}

// A maker that is killed leaves nothing.
func TestKilledMaker(t *testing.T) {
	if err := Missing(); err != nil {
		t.Skipf("skipped: %v", err)
	}
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), makerEnv+"=1")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	link, err := bufio.NewReader(out).ReadString('\n')
	link = strings.TrimSpace(link)
	if err != nil || !strings.HasPrefix(link, "wsg") {
		c.Process.Kill()
		c.Wait()
		t.Fatalf("the maker says %q: %v", link, err)
	}
	at := "/sys/class/net/" + link
	if _, err := os.Stat(at); err != nil {
		t.Errorf("the link is not there: %v", err)
	}
	if err := c.Process.Kill(); err != nil {
		t.Error(err)
	}
	c.Wait() // it was killed
	for limit := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(at); os.IsNotExist(err) {
			return
		}
		if time.Now().After(limit) {
			exec.Command("ip", "link", "delete", link).Run()
			t.Fatalf("the link %s is left", link)
		}
	}
}
