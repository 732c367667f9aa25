package apache

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wsgauge/scenarios"
	"wsgauge/targets"
)

var update = flag.Bool("update", false, "write the golden files anew")

// fixed is a configuration with everything that depends on the machine pinned.
func fixed(t *testing.T, a scenarios.Apache) *configuration {
	t.Helper()
	size, err := sizeOf(a)
	if err != nil {
		t.Fatal(err)
	}
	return &configuration{
		Apache: a,
		server: server{path: "/usr/sbin/apache2", text: "Apache/2.4.71 (Debian)", version: version{2, 4, 71}},
		size:   size,
		load:   loadable{dir: "/usr/lib/apache2/modules", names: without(needed(a, size.mpm, 1), "unixd")},
		site: targets.Site{
			Listen:   netip.MustParseAddrPort("127.1.2.3:20000"),
			Backends: []netip.AddrPort{netip.MustParseAddrPort("127.1.2.4:20001")},
			Dir:      "/tmp/trial",
			LogDir:   "/results/logs/1-event",
			Opened:   300,
		},
	}
}

// without is what is left where something is compiled in.
func without(names []string, builtIn string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return name == builtIn })
}

func TestConfigurationGolden(t *testing.T) {
	root := func(c *configuration) { c.account = account{"www-data", "www-data"} }
	two := func(c *configuration) {
		c.site.Backends = append(c.site.Backends, netip.MustParseAddrPort("[::1]:20002"))
		c.load.names = without(needed(c.Apache, c.size.mpm, 2), "unixd")
	}
	static := func(c *configuration) { c.load = loadable{} }
	secure := func(c *configuration) {
		c.site.Certificates = &targets.Certificates{CA: "/tmp/tls/ca.pem", Cert: "/tmp/tls/cert.pem", Key: "/tmp/tls/key.pem"}
		c.site.Probe = netip.MustParseAddr("127.1.2.5")
	}
	older := func(c *configuration) { c.server.version, c.server.text = version{2, 4, 41}, "Apache/2.4.41 (Ubuntu)" }
	sticky := func(method string) *scenarios.Balancer {
		return &scenarios.Balancer{Members: 2, LBMethod: method, Sticky: true, Retry: 5 * time.Second}
	}
	none := func(*configuration) {}
	for name, g := range map[string]struct {
		apache scenarios.Apache
		change func(*configuration)
	}{
		"event-full-root":   {scenarios.Apache{MPM: "event", Start: "full", ThreadsPerChild: 64, MaxRequestWorkers: 512}, root},
		"event-stock":       {scenarios.Apache{MPM: "event", Start: "stock"}, none},
		"event-two":         {scenarios.Apache{MPM: "event", WorkerTimeout: 7 * time.Second}, two},
		"worker-full":       {scenarios.Apache{MPM: "worker", Start: "full", MaxRequestWorkers: 300}, none},
		"worker-stock-root": {scenarios.Apache{MPM: "worker", Start: "stock", ThreadsPerChild: 128, ThreadLimit: 64, ServerLimit: 4}, root},
		"prefork-full-root": {scenarios.Apache{MPM: "prefork", Start: "full", MaxRequestWorkers: 400}, root},
		"prefork-stock":     {scenarios.Apache{MPM: "prefork", Start: "stock", MaxRequestWorkers: 400, ServerLimit: 350}, static},
		"upgrade":           {scenarios.Apache{Route: "upgrade", WorkerTimeout: 7 * time.Second}, none},
		"upgrade-balanced":  {scenarios.Apache{Route: "upgrade", Balancer: sticky("byrequests")}, two},
		"rewrite":           {scenarios.Apache{Route: "rewrite", WorkerTimeout: 7 * time.Second, Scoreboard: true}, secure},
		"rewrite-balanced":  {scenarios.Apache{Route: "rewrite", WorkerTimeout: 7 * time.Second, Balancer: sticky("bytraffic")}, two},
		"legacy":            {scenarios.Apache{Route: "legacy"}, none},
		"legacy-older":      {scenarios.Apache{Route: "legacy"}, older},
		"legacy-balanced":   {scenarios.Apache{Route: "legacy"}, two},
		"heartbeat":         {scenarios.Apache{Balancer: &scenarios.Balancer{LBMethod: "heartbeat"}}, none},
		"tls":               {scenarios.Apache{TLS: scenarios.TLS{Frontend: true, Backend: true, Max: "1.2"}, Scoreboard: true}, secure},
		"tls-upgrade": {scenarios.Apache{Route: "upgrade", TLS: scenarios.TLS{Backend: true, Min: "1.3"},
			AsyncRequestWorkerFactor: 2.5, GracefulShutdownTimeout: 5 * time.Second}, secure},
		"everything": {scenarios.Apache{
			MPM: "event", Start: "full", Route: "proxypass", ServerLimit: 8, StartServers: 2, ThreadsPerChild: 100,
			ThreadLimit: 128, MaxRequestWorkers: 400, MinSpareThreads: 50, MaxSpareThreads: 200,
			MaxConnectionsPerChild: 1000, ThreadStackSize: 262144, ListenBacklog: 4096, Timeout: 30 * time.Second,
			ProxyTimeout: 90 * time.Second, WorkerTimeout: 40 * time.Second, HostnameLookups: "double",
			LogLevel: "warn proxy:trace2", Extra: "# mine\nKeepAliveTimeout 1\n",
		}, root},
	} {
		t.Run(name, func(t *testing.T) {
			c := fixed(t, g.apache)
			g.change(c)
			got, _, err := c.text()
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", name+".conf")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("differs from %s (see the change with -update and git diff):\n%s", path, got)
			}
		})
	}
}

func TestConfigurationRefuses(t *testing.T) {
	for want, change := range map[string]func(*configuration){
		"timeout 1.5s: Apache counts whole seconds":      func(c *configuration) { c.Timeout = 1500 * time.Millisecond },
		"worker_timeout -1s":                             func(c *configuration) { c.WorkerTimeout = -time.Second },
		"log_level \"warn\\nListen 80\"":                 func(c *configuration) { c.LogLevel = "warn\nListen 80" },
		"hostname_lookups \"maybe\"":                     func(c *configuration) { c.HostnameLookups = "maybe" },
		"the path \"/tmp/a\\\"b\"":                       func(c *configuration) { c.site.Dir = `/tmp/a"b` },
		"no backend":                                     func(c *configuration) { c.site.Backends = nil },
		"lbmethod \"roulette\" is not known (byrequests": func(c *configuration) { c.Balancer = &scenarios.Balancer{LBMethod: "roulette"} },
		"members -1":                                     func(c *configuration) { c.Balancer = &scenarios.Balancer{Members: -1} },
		"no version is from \"1.3\" to \"1.2\"": func(c *configuration) {
			c.TLS, c.site.Certificates = scenarios.TLS{Frontend: true, Min: "1.3", Max: "1.2"}, &targets.Certificates{}
		},
		"there are no certificates": func(c *configuration) { c.TLS.Backend = true },
		"the path \"/tmp/${x}\"": func(c *configuration) {
			c.TLS, c.site.Certificates = scenarios.TLS{Frontend: true}, &targets.Certificates{Cert: "/tmp/${x}"}
		},
		"graceful_shutdown_timeout 1ms":                       func(c *configuration) { c.GracefulShutdownTimeout = time.Millisecond },
		"route \"teleport\"":                                  func(c *configuration) { c.Route = "teleport" },
		"line 2 of `extra:`: ThreadsPerChild has a key":       func(c *configuration) { c.Extra = "\n  ThreadsPerChild 9" },
		"line 1 of `extra:`: Listen is wsgauge's to set":      func(c *configuration) { c.Extra = "Listen 80" },
		"maxclients has a key of its own (write max_request_": func(c *configuration) { c.Extra = "maxclients 80" },
	} {
		c := fixed(t, scenarios.Apache{})
		change(c)
		if _, _, err := c.text(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
}

func TestIdleLimit(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		patch                  int
		timeout, proxy, worker time.Duration
		want                   time.Duration
	}{
		{71, 0, 0, 0, 300 * s},
		{71, 10 * s, 0, 0, 10 * s},
		{71, 10 * s, 20 * s, 0, 20 * s},
		{71, 10 * s, 20 * s, 15 * s, 15 * s}, // timeout= takes ProxyTimeout's place
		{71, 30 * s, 0, 5 * s, 30 * s},
		{52, 30 * s, 0, 5 * s, 5 * s}, // before 2.4.53 the shorter one
	} {
		got := (&configuration{
			Apache: scenarios.Apache{Timeout: c.timeout, ProxyTimeout: c.proxy, WorkerTimeout: c.worker},
			server: server{version: version{2, 4, c.patch}},
		}).idleLimit()
		if got != c.want {
			t.Errorf("%+v: idle limit %v", c, got)
		}
	}
}
