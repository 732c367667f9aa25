package apache

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"wsgauge/scenarios"
	"wsgauge/targets"
)

// At its limit a server shows what a tunnel costs: with 100 request workers,
// one hundred tunnels fill every thread of a child of event and worker and every
// process of prefork, and there are no more threads or processes than before.
func TestATunnelIsAThreadOrAProcess(t *testing.T) {
	for _, mpm := range mpms {
		t.Run(mpm, func(t *testing.T) {
			// One child: of several, event leaves a thread or two unused at the limit.
			a := scenarios.Apache{MPM: mpm, MaxRequestWorkers: 100, ThreadsPerChild: 100}
			wantProcesses, wantThreads, each := 1+1, 1+100+childThreads, 100
			if mpm == "prefork" {
				a.ThreadsPerChild = 0
				wantProcesses, wantThreads, each = 1+100, 1+100, 1
			}
			r := start(t, a, startBackend(t, 2))
			// A thread that starts the others ends when it has.
			eventually(t, "the starting to be over", func() (bool, string) {
				p, n := r.count(t)
				return p == wantProcesses && n == wantThreads,
					fmt.Sprintf("%d processes with %d threads, want %d and %d", p, n, wantProcesses, wantThreads)
			})
			all := r.open(t, 100)
			table := socketTable(t)
			for _, pid := range r.pids(t)[1:] {
				if got := r.clients(t, pid, table, established); got != each {
					t.Errorf("child %s holds %d tunnels, want %d", pid, got, each)
				}
			}
			if p, n := r.count(t); p != wantProcesses || n != wantThreads {
				t.Errorf("with all tunnels %d processes and %d threads, want %d and %d", p, n, wantProcesses, wantThreads)
			}
			r.closeAll(t, all)
			begun := time.Now()
			r.stop(t)
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("stopping took %v with no tunnel left", took)
			}
		})
	}
}

// start: full has every child standing, and keeps them all while nothing happens.
func TestFullStartStartsAndKeepsEveryChild(t *testing.T) {
	for _, mpm := range []string{"event", "worker"} {
		t.Run(mpm, func(t *testing.T) {
			t.Parallel()
			r := start(t, scenarios.Apache{MPM: mpm, ThreadsPerChild: 8, MaxRequestWorkers: 64}, startBackend(t, 12))
			pids := r.pids(t)
			if len(pids) != 1+8 {
				t.Errorf("%d processes, want 9", len(pids))
			}
			// The parent looks for spare children once a second.
			time.Sleep(2500 * time.Millisecond)
			if later := r.pids(t); !slices.Equal(later, pids) {
				t.Errorf("idle, the processes changed from %v to %v", pids, later)
			}
		})
	}
}

// Past the limit the TCP connection stands and the upgrade is not answered; the
// server names the limit, and the thread that a closed tunnel frees serves the
// one that waits.
func TestPastTheLimit(t *testing.T) {
	for mpm, wantCode := range map[string]string{"event": "AH00484", "worker": "AH00286", "prefork": "AH00161"} {
		t.Run(mpm, func(t *testing.T) {
			t.Parallel()
			r := start(t, scenarios.Apache{MPM: mpm, MaxRequestWorkers: 10}, startBackend(t, 3))
			all := r.open(t, 10)
			conn, err := net.Dial("tcp", r.Addrs[0].String())
			if err != nil {
				t.Fatalf("the 11th connection: %v", err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
				"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
			deadline(t, conn, 500*time.Millisecond)
			if n, err := conn.Read(make([]byte, 100)); !os.IsTimeout(err) {
				t.Errorf("the 11th upgrade was answered: %d bytes, %v", n, err)
			}
			codes := map[string]int{}
			eventually(t, wantCode, func() (bool, string) {
				lines, err := r.log.Read()
				if err != nil {
					t.Fatal(err)
				}
				for _, l := range lines {
					codes[l.Code]++
				}
				return codes[wantCode] == 1, fmt.Sprint(codes)
			})
			closeAll(all[:1])
			deadline(t, conn, patience)
			if line, err := bufio.NewReader(conn).ReadString('\n'); !strings.Contains(line, " 101 ") {
				t.Errorf("after one tunnel was closed: %q, %v", line, err)
			}
		})
	}
}

func deadline(t *testing.T, conn net.Conn, d time.Duration) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(d)); err != nil {
		t.Fatal(err)
	}
}

// The server keeps to its place: one port, its own directory, no rights.
func TestKeepsToItsPlace(t *testing.T) {
	for _, mpm := range mpms {
		t.Run(mpm, func(t *testing.T) {
			before := systemFiles(t)
			r := start(t, scenarios.Apache{MPM: mpm, MaxRequestWorkers: 20}, startBackend(t, 4), startBackend(t, 5))
			all := r.open(t, 5)
			table := socketTable(t)
			for i, pid := range r.pids(t) {
				if os.Geteuid() == 0 {
					if root := userOf(t, pid) == "0"; root != (i == 0) {
						t.Errorf("process %d of the server: root is %v", i, root)
					}
				}
				var ports []netip.AddrPort
				for _, s := range held(t, pid, table) {
					if s.state == listening {
						ports = append(ports, s.local)
					}
				}
				if len(ports) != 1 || ports[0] != r.Addrs[0] {
					t.Errorf("process %s listens on %v, want %v", pid, ports, r.Addrs[0])
				}
				for _, file := range openFiles(t, pid) {
					if !strings.HasPrefix(file, r.dir) && !strings.HasPrefix(file, filepath.Dir(r.ErrorLog)) && !strings.HasPrefix(file, "/dev/shm/ShM.") {
						t.Errorf("process %s holds %s open", pid, file)
					}
				}
			}
			shared := segments(t, r.pids(t)[0])
			if len(shared) == 0 {
				t.Error("the balancer has no shared memory; the test has lost its subject")
			}
			r.closeAll(t, all)
			r.stop(t)
			for _, path := range shared {
				if _, err := os.Stat(path); err == nil {
					t.Errorf("%s stayed", path)
				}
			}
			if after := systemFiles(t); !slices.Equal(before, after) {
				t.Errorf("the system's files changed:\n%v\n%v", before, after)
			}
			if _, err := os.Stat(filepath.Join(r.dir, "apache.pid")); err == nil {
				t.Error("the pid file stayed")
			}
		})
	}
}

// Plain HTTP passes through the same route, beside tunnels, to every backend.
func TestPlainRequestsBesideTunnels(t *testing.T) {
	one, two := startBackend(t, 6), startBackend(t, 7)
	for name, backends := range map[string][]*backend{"one": {one}, "two": {one, two}} {
		t.Run(name, func(t *testing.T) {
			r := start(t, scenarios.Apache{MaxRequestWorkers: 20, Extra: `LoadModule headers_module "${modules}/mod_headers.so"
Header set X-Extra yes`}, backends...)
			r.open(t, 3)
			client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
			resp, err := client.Get("http://" + r.Addrs[0].String() + "/page")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != 200 || !strings.HasPrefix(string(body), "plain from backend") {
				t.Errorf("got %s %q, %v", resp.Status, body, err)
			}
			if resp.Header.Get("X-Extra") != "yes" {
				t.Error("the directives of `extra:` had no effect")
			}
		})
	}
}

// Several backends get the same number of tunnels.
func TestTunnelsSpreadOverBackends(t *testing.T) {
	r := start(t, scenarios.Apache{MaxRequestWorkers: 20}, startBackend(t, 8), startBackend(t, 9))
	got := map[string]int{}
	for _, c := range r.open(t, 10) {
		answer, err := c.echo("who")
		if err != nil {
			t.Fatal(err)
		}
		got[answer]++
	}
	if got["who from backend 8"] != 5 || got["who from backend 9"] != 5 {
		t.Errorf("ten tunnels went to %v", got)
	}
}

// The timeout that the scenario sets is the one that ends a silent tunnel.
func TestIdleTunnelsEndAfterTheTimeout(t *testing.T) {
	t.Parallel()
	r := start(t, scenarios.Apache{MaxRequestWorkers: 10, Timeout: time.Second, WorkerTimeout: 3 * time.Second}, startBackend(t, 10))
	c := r.open(t, 1)[0]
	begun := time.Now()
	deadline(t, c, patience)
	// Apache ends it with a FIN or, having closed both legs, a reset.
	if _, err := ws.ReadFrame(c); err == nil || os.IsTimeout(err) {
		t.Fatalf("the silent tunnel gave %v", err)
	}
	if took := time.Since(begun); took < 2900*time.Millisecond || took > 8*time.Second {
		t.Errorf("ended after %v, want 3 s", took)
	}
}

// What ends a silent tunnel is the route's affair: the legacy loop has no limit, and a
// rewritten tunnel belongs to no worker whose timeout= would count.
func TestIdleLimitOfEachRoute(t *testing.T) {
	for route, want := range map[string]time.Duration{"proxypass": 2 * time.Second, "upgrade": 2 * time.Second, "rewrite": time.Second, "legacy": 0} {
		t.Run(route, func(t *testing.T) {
			t.Parallel()
			r := start(t, scenarios.Apache{Route: route, MaxRequestWorkers: 10, Timeout: time.Second, WorkerTimeout: 2 * time.Second},
				startBackend(t, 60+slices.Index(routes, route)))
			c := r.open(t, 1)[0]
			begun := time.Now()
			limit := patience
			if want == 0 {
				limit = 3500 * time.Millisecond
			}
			deadline(t, c, limit)
			_, err := ws.ReadFrame(c)
			took := time.Since(begun)
			switch {
			case err == nil:
				t.Error("the silent tunnel gave a frame")
			case want == 0:
				if !os.IsTimeout(err) {
					t.Errorf("ended after %v, want never: %v", took, err)
				}
			case os.IsTimeout(err) || took < want-100*time.Millisecond || took > want+900*time.Millisecond:
				t.Errorf("ended after %v (%v), want %v", took, err, want)
			}
		})
	}
}

func TestDialsNobodyWhenTheBackendIsGone(t *testing.T) {
	r := start(t, scenarios.Apache{MaxRequestWorkers: 10}, &backend{addr: freeAddr(t, loopback(t, 11))})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if c, err := r.dial(ctx); err == nil {
		closeAll([]*tunnel{c})
		t.Error("a tunnel to nowhere")
	}
	lines, err := r.log.Read()
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, l := range lines {
		codes = append(codes, l.Code)
	}
	// The reason of the system stands before this code, the client before that.
	if !slices.Contains(codes, "AH00957") || !slices.Contains(codes, "AH01114") {
		t.Errorf("the log has %q: %+v", codes, lines)
	}
}

// segments are a process's shared memory by name. That of the machine is others' as
// well, whose tests run at the same time.
func segments(t *testing.T, pid string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", pid, "maps"))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for line := range strings.Lines(string(text)) {
		if i := strings.Index(line, "/dev/shm/"); i >= 0 {
			all = append(all, strings.TrimSpace(line[i:]))
		}
	}
	return all
}

// systemFiles lists what an Apache of the system reads and writes, where a server that
// was told badly would leave its traces.
func systemFiles(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, root := range []string{
		"/etc/apache2", "/etc/httpd", "/run/apache2", "/run/httpd", "/run/lock/apache2",
		"/var/log/apache2", "/var/log/httpd", "/run/apache2.pid", "/var/cache/apache2",
	} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil // not there
			}
			info, err := d.Info()
			if err == nil {
				all = append(all, fmt.Sprint(path, " ", info.Size(), " ", info.ModTime()))
			} else {
				all = append(all, path)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestCode(t *testing.T) {
	for line, want := range map[string]string{
		"[2026-11-25 04:18:53.1] [mpm_event:notice] [pid 1:tid 1] AH00489: Apache/2.4.71 configured":                   "AH00489",
		"[2026-11-25 04:18:55.1] [proxy:error] [pid 1:tid 1] (111)Connection refused: AH00957: ws: attempt failed":     "AH00957",
		"[2026-11-25 04:18:55.1] [proxy_http:error] [pid 1:tid 1] [client 127.0.0.1:4] AH01114: HTTP: AH00001: failed": "AH01114",
		"AH00513: WARNING: MaxRequestWorkers of 100 is not an integer multiple":                                        "AH00513",
		"[2026-11-25 04:18:55.1] [core:trace3] [pid 1:tid 1] [client 127.0.0.1:4] Response sent, headers:":             "",
		"[2026-11-25 04:18:55.1] [core:debug] [pid 1:tid 1] GET /AH00001: HTTP/1.1":                                    "",
		"free(): invalid pointer":   "",
		"":                          "",
		"    (see AH0048: too few)": "",
	} {
		if got := Code(line); got != want {
			t.Errorf("code of %q is %q, want %q", line, got, want)
		}
	}
}

func FuzzCode(f *testing.F) {
	f.Add("[x] AH00001: y")
	f.Add("AH00001:")
	f.Fuzz(func(t *testing.T, line string) {
		if c := Code(line); c != "" && (len(c) != 7 || !strings.Contains(line, c+": ")) {
			t.Errorf("code %q of %q", c, line)
		}
	})
}

func TestPrepareReportsApachesOwnWords(t *testing.T) {
	needApache(t)
	site := targets.Site{
		Listen:   freeAddr(t, loopback(t, 1)),
		Backends: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:9")},
		Dir:      t.TempDir(), LogDir: t.TempDir(),
	}
	_, err := New(scenarios.Apache{Extra: "# fine\nNonsense On\n"}).Prepare(site)
	if err == nil {
		t.Fatal("nonsense was accepted")
	}
	for _, want := range []string{"Invalid command 'Nonsense'", "(line 2 of `extra:`)", "Syntax error on line", "apache.conf"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}
