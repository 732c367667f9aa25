package apache

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wsgauge/scenarios"
	"wsgauge/targets"
)

// bare is a machine with nothing on it but an os-release.
func bare(t *testing.T, osRelease string) host {
	t.Helper()
	path := filepath.Join(t.TempDir(), "os-release")
	if err := os.WriteFile(path, []byte(osRelease), 0o644); err != nil {
		t.Fatal(err)
	}
	return host{
		lookPath:  func(string) (string, error) { return "", exec.ErrNotFound },
		osRelease: path,
		user:      func(string) (account, error) { return account{}, errors.New("no such user") },
	}
}

const debian = "NAME=\"Debian GNU/Linux\"\nID=debian\n"

// fakeServer answers as an httpd of a version would.
func fakeServer(t *testing.T, dir, version, modules string) string {
	t.Helper()
	path := filepath.Join(dir, "httpd")
	script := fmt.Sprintf("#!/bin/sh\ncase $1 in\n-V) echo 'Server version: Apache/%s (Test)'; echo ' -D HTTPD_ROOT=\"%s\"' ;;\n"+
		"-l) printf 'Compiled in modules:\\n  core.c\\n%s' ;;\nesac\n", version, dir, modules)
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func wantMissing(t *testing.T, err error, what, remedy string) {
	t.Helper()
	var missing *targets.MissingError
	if !errors.As(err, &missing) {
		t.Fatalf("got error %v, want a MissingError of %q", err, what)
	}
	if !strings.Contains(missing.What, what) || missing.Remedy != remedy {
		t.Errorf("missing %q, remedy %q; want %q, %q", missing.What, missing.Remedy, what, remedy)
	}
}

func TestNoServer(t *testing.T) {
	for osRelease, remedy := range map[string]string{
		debian: "apt-get install apache2-bin",
		"ID=linuxmint\nID_LIKE=\"ubuntu debian\"": "apt-get install apache2-bin",
		"ID=\"rhel\"\nID_LIKE=\"fedora\"":         "dnf install httpd",
		"ID=fedora":                               "dnf install httpd",
		"ID='alpine'":                             "apk add apache2 apache2-proxy",
		"ID=plan9":                                "the package of Apache httpd 2.4 that your system has",
		"":                                        "the package of Apache httpd 2.4 that your system has",
	} {
		_, err := (&Target{host: bare(t, osRelease)}).Find()
		wantMissing(t, err, "Apache httpd", remedy)
	}
	if got := bare(t, "ID=fedora").remedy("ssl"); got != "dnf install mod_ssl" {
		t.Errorf("mod_ssl is in %q", got)
	}
	if got := bare(t, "ID=alpine").remedy("ssl"); got != "apk add apache2-ssl" {
		t.Errorf("mod_ssl is in %q", got)
	}
	_, err := (&Target{config: scenarios.Apache{Server: "/nowhere/httpd"}, host: bare(t, debian)}).Find()
	const another = "give the path of a build's httpd, or leave server out to use the one installed"
	wantMissing(t, err, "/nowhere/httpd", another)
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("no program"), 0o644); err != nil {
		t.Fatal(err)
	}
	for path, why := range map[string]string{plain: "permission denied", "/bin/true": "its answer names no version", fakeServer(t, t.TempDir(), "2.4.41", ""): "2.4.48 or newer"} {
		_, err := (&Target{config: scenarios.Apache{Server: path}, host: bare(t, debian)}).Find()
		wantMissing(t, err, path, another)
		if !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want %q", path, err, why)
		}
	}
}

func TestServersThatWillNotDo(t *testing.T) {
	for want, version := range map[string]string{
		"Apache/2.4.41 (Test): Apache httpd 2.4.48 or newer is needed": "2.4.41",
		"Apache/2.2.99 (Test): Apache httpd 2.4.48":                    "2.2.99",
		"is not a usable Apache httpd":                                 "nonsense",
	} {
		h := bare(t, debian)
		h.servers = []string{fakeServer(t, t.TempDir(), version, "")}
		_, err := (&Target{host: h}).Find()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("version %s: got error %v, want %q", version, err, want)
		}
		// One that will do later on the list is taken.
		h.servers = append(h.servers, fakeServer(t, t.TempDir(), "2.4.48", ""))
		if s, err := h.find("", gateOf(scenarios.Apache{})); err != nil || s.path != h.servers[1] || s.version.String() != "2.4.48" {
			t.Errorf("found %+v, %v", s, err)
		}
	}
}

// What a scenario asks for needs a version, which is said with the reason.
func TestVersionsThatKeysNeed(t *testing.T) {
	both := scenarios.TLS{Frontend: true}
	for _, c := range []struct {
		has    string
		apache scenarios.Apache
		want   string // empty: it will do
	}{
		{"2.4.47", scenarios.Apache{}, "2.4.48 or newer is needed, since mod_proxy_http serves ws://"},
		{"2.4.47", scenarios.Apache{Route: "rewrite"}, "2.4.48 or newer"},
		{"2.4.46", scenarios.Apache{Route: "upgrade"}, "2.4.47 or newer is needed, since route: upgrade"},
		{"2.4.47", scenarios.Apache{Route: "upgrade"}, ""},
		{"2.4.9", scenarios.Apache{Route: "legacy"}, "2.4.10 or newer"},
		{"2.4.10", scenarios.Apache{Route: "legacy"}, ""},
		{"2.4.29", scenarios.Apache{Route: "legacy", TLS: both}, "2.4.37 or newer is needed, since tls:"},
		{"2.4.47", scenarios.Apache{TLS: both}, "2.4.48 or newer"},
		{"2.4.48", scenarios.Apache{TLS: both}, ""},
	} {
		h := bare(t, debian)
		h.servers = []string{fakeServer(t, t.TempDir(), c.has, "")}
		_, err := h.find("", gateOf(c.apache))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s for %+v: %v, want %q", c.has, c.apache, err, c.want)
		}
	}
}

// Each key brings the modules that it needs, and one that is missing is named.
func TestModulesThatKeysNeed(t *testing.T) {
	for name, a := range map[string]scenarios.Apache{
		"rewrite":             {Route: "rewrite"},
		"proxy_wstunnel":      {Route: "legacy"},
		"ssl":                 {TLS: scenarios.TLS{Backend: true}},
		"socache_shmcb":       {TLS: scenarios.TLS{Frontend: true}},
		"proxy_balancer":      {Balancer: &scenarios.Balancer{}},
		"lbmethod_bytraffic":  {Balancer: &scenarios.Balancer{LBMethod: "bytraffic"}},
		"lbmethod_bybusyness": {Balancer: &scenarios.Balancer{Sticky: true}},
		"lbmethod_heartbeat":  {Balancer: &scenarios.Balancer{LBMethod: "heartbeat"}},
		"lbmethod_byrequests": {Balancer: &scenarios.Balancer{LBMethod: "byrequests"}},
		"headers":             {Balancer: &scenarios.Balancer{Sticky: true}},
		"status":              {Scoreboard: true},
		"authz_host":          {Scoreboard: true},
	} {
		// A server that has all other modules compiled in.
		compiled := "  event.c\\n"
		for _, other := range needed(a, "event", 1) {
			if other != name {
				compiled += "  mod_" + other + ".c\\n"
			}
		}
		h := bare(t, debian)
		h.servers = []string{fakeServer(t, t.TempDir(), "2.4.60", compiled)}
		_, err := (&Target{config: a, host: h}).Find()
		wantMissing(t, err, "Apache's mod_"+name+" (", "apt-get install --reinstall apache2-bin")
	}
}

func TestBusyboxIsNotAsked(t *testing.T) {
	dir := t.TempDir()
	marker := filepath.Join(dir, "asked")
	script := "#!/bin/sh\ntouch " + marker + "\n"
	if err := os.WriteFile(filepath.Join(dir, "busybox"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("busybox", filepath.Join(dir, "httpd")); err != nil {
		t.Fatal(err)
	}
	h := bare(t, debian)
	h.servers = []string{filepath.Join(dir, "httpd")}
	_, err := h.find("", gateOf(scenarios.Apache{}))
	wantMissing(t, err, "Apache httpd", "apt-get install apache2-bin")
	if _, err := os.Stat(marker); err == nil {
		t.Error("busybox was run")
	}
}

func TestModulesCompiledIn(t *testing.T) {
	all := `  mod_so.c\n  prefork.c\n  mod_unixd.c\n  mod_authz_core.c\n  mod_proxy.c\n  mod_proxy_http.c\n`
	h := bare(t, debian)
	h.servers = []string{fakeServer(t, t.TempDir(), "2.4.60", all)}
	s, err := h.find("", gateOf(scenarios.Apache{}))
	if err != nil {
		t.Fatal(err)
	}
	load, err := h.modules(s, needed(scenarios.Apache{}, "prefork", 1))
	if err != nil || load.dir != "" || len(load.names) != 0 {
		t.Errorf("to be loaded: %+v, %v", load, err)
	}
	if _, err := h.modules(s, needed(scenarios.Apache{}, "event", 1)); err == nil || !strings.Contains(err.Error(), "has its MPM prefork compiled in and cannot run event") {
		t.Errorf("event on a prefork build: %v", err)
	}
	_, err = h.modules(s, needed(scenarios.Apache{}, "prefork", 2))
	wantMissing(t, err, "Apache's mod_slotmem_shm (not compiled in, and no directory of modules)", "apt-get install --reinstall apache2-bin")
}

// A copy of the real server with a directory of modules of its own, from which
// one is missing.
func TestMissingModule(t *testing.T) {
	needApache(t)
	h := thisHost()
	h.osRelease = bare(t, debian).osRelease
	real, err := h.find("", gateOf(scenarios.Apache{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"proxy", "proxy_http", "mpm_event"} {
		root := t.TempDir()
		for _, sub := range []string{"bin", "modules"} {
			if err := os.Mkdir(filepath.Join(root, sub), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Link(real.path, filepath.Join(root, "bin", "httpd")); err != nil {
			t.Logf("linking across file systems: %v; copying", err)
			copyFile(t, real.path, filepath.Join(root, "bin", "httpd"))
		}
		found, err := filepath.Glob(filepath.Join(h.moduleDir(real), "mod_*.so"))
		if err != nil {
			t.Fatal(err)
		}
		for _, module := range found {
			if filepath.Base(module) == "mod_"+name+".so" {
				continue
			}
			if err := os.Symlink(module, filepath.Join(root, "modules", filepath.Base(module))); err != nil {
				t.Fatal(err)
			}
		}
		what := "Apache's mod_" + name + " (not in " + filepath.Join(root, "modules") + ")"
		path := filepath.Join(root, "bin", "httpd")
		_, err = (&Target{config: scenarios.Apache{Server: path}, host: h}).Find()
		wantMissing(t, err, what, "build it with --enable-"+strings.ReplaceAll(name, "_", "-"))

		found1 := h
		found1.lookPath = func(string) (string, error) { return path, nil }
		_, err = (&Target{host: found1}).Prepare(targets.Site{
			Listen: netip.MustParseAddrPort("127.0.0.1:9"), Backends: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:10")},
			Dir: t.TempDir(), LogDir: t.TempDir(),
		})
		wantMissing(t, err, what, "apt-get install --reinstall apache2-bin")
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestFindNamesTheServer(t *testing.T) {
	needApache(t)
	v, err := New(scenarios.Apache{}).Find()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(v.Text, "Apache/2.4.") || !filepath.IsAbs(v.Path) || len(v.SHA256) != 64 {
		t.Errorf("found %+v", v)
	}
}

func TestAccount(t *testing.T) {
	h := bare(t, debian)
	if a, err := h.account(); err != nil || a != (account{}) {
		t.Errorf("without root: %+v, %v", a, err)
	}
	h.root = true
	if _, err := h.account(); err == nil {
		t.Error("root and no unprivileged user: no error")
	}
	h.user = func(name string) (account, error) {
		if name == "nobody" || name == "apache" {
			return account{name, "group-of-" + name}, nil
		}
		return account{}, errors.New("no such user")
	}
	if a, err := h.account(); err != nil || a != (account{"apache", "group-of-apache"}) {
		t.Errorf("Red Hat: %+v, %v", a, err)
	}
}

// The server itself finds nothing to clamp in what sizeOf chose, and clamps
// what the scenario wanted clamped as the notes say.
func TestServerTakesTheSizesAsTheyAre(t *testing.T) {
	needApache(t)
	for _, c := range []struct {
		apache scenarios.Apache
		codes  []string
	}{
		{scenarios.Apache{}, nil},
		{scenarios.Apache{MPM: "worker", MaxRequestWorkers: 1000}, nil},
		{scenarios.Apache{MPM: "worker", ThreadsPerChild: 200, MaxRequestWorkers: 10000}, nil},
		{scenarios.Apache{MPM: "event", Start: "stock", ThreadsPerChild: 128}, nil},
		{scenarios.Apache{MPM: "event", ServerLimit: 3}, nil},
		{scenarios.Apache{MPM: "prefork", MaxRequestWorkers: 1000}, nil},
		{scenarios.Apache{MPM: "prefork", ServerLimit: 50}, nil},
		{scenarios.Apache{MPM: "event", ThreadsPerChild: 100, ThreadLimit: 50, MaxRequestWorkers: 400}, []string{"AH00507"}},
		{scenarios.Apache{MPM: "worker", MaxRequestWorkers: 400, ServerLimit: 4}, []string{"AH00318"}},
		{scenarios.Apache{MPM: "worker", ThreadsPerChild: 100, ThreadLimit: 50, MaxRequestWorkers: 400}, []string{"AH00310"}},
		{scenarios.Apache{MPM: "event", MaxRequestWorkers: 400, ServerLimit: 4}, []string{"AH00515"}},
		{scenarios.Apache{MPM: "prefork", MaxRequestWorkers: 60, ServerLimit: 50}, []string{"AH00180"}},
	} {
		instance, err := New(c.apache).Prepare(targets.Site{
			Listen: netip.MustParseAddrPort("127.0.0.1:9"), Backends: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:10")},
			Dir: t.TempDir(), LogDir: t.TempDir(),
		})
		if err != nil {
			t.Errorf("%+v: %v", c.apache, err)
			continue
		}
		out, err := run(instance.Argv[0], append([]string{"-t"}, instance.Argv[3:]...)...)
		if err != nil {
			t.Errorf("%+v: %v\n%s", c.apache, err, out)
		}
		var codes []string
		for line := range strings.Lines(out) {
			if code := Code(line); code != "" {
				codes = append(codes, code)
				if !strings.Contains(instance.Config, "("+code+")") {
					t.Errorf("%+v: the configuration's comments do not tell of %s", c.apache, code)
				}
			}
		}
		if !slices.Equal(codes, c.codes) {
			t.Errorf("%+v: the server says\n%s\nwant %v", c.apache, out, c.codes)
		}
	}
}
