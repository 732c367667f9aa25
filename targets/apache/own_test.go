package apache

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wsgauge/scenarios"
	"wsgauge/targets"
)

// ownFile writes a configuration as a user might have it, and returns its path.
func ownFile(t *testing.T, listen netip.AddrPort, rest string) string {
	t.Helper()
	h := thisHost()
	s, err := h.find("", gateOf(scenarios.Apache{}))
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("Listen %s\nServerName %s\nPidFile ${WSGAUGE_DIR}/pid\nDefaultRuntimeDir ${WSGAUGE_DIR}\nMutex file:${WSGAUGE_DIR} default\n", listen, listen)
	load, err := h.modules(s, needed(scenarios.Apache{Scoreboard: true}, "event", 1))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range load.names {
		text += fmt.Sprintf("LoadModule %s_module %s/mod_%s.so\n", name, load.dir, name)
	}
	account, err := h.account()
	if err != nil {
		t.Fatal(err)
	}
	if account.user != "" {
		text += "User " + account.user + "\nGroup " + account.group + "\n"
	}
	path := filepath.Join(t.TempDir(), "my.conf")
	if err := os.WriteFile(path, []byte(text+rest), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// A file of the user's own is used as it is, and told where the backend is.
func TestOwnConfiguration(t *testing.T) {
	needApache(t)
	b := startBackend(t, 50)
	listen := freeAddr(t, loopback(t, 51))
	path := ownFile(t, listen, `ErrorLog ${WSGAUGE_LOGS}/mine.log
<Location "/server-status">
  SetHandler server-status
</Location>
ProxyPass "/server-status" "!"
ProxyPass "/" "ws://${WSGAUGE_BACKEND_HOST}:${WSGAUGE_BACKEND_PORT}/"
`)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a := scenarios.Apache{Config: path, Listen: listen.String(), Scoreboard: true}
	if _, err := New(a).Find(); err != nil {
		t.Fatal(err)
	}
	r := start(t, a, b)
	if got := r.Argv[1:]; !slices.Equal(got, []string{"-D", "FOREGROUND", "-f", path}) {
		t.Errorf("started with %q", got)
	}
	if r.Addrs[0] != listen || r.Config != string(before) || filepath.Base(r.ErrorLog) != "mine.log" {
		t.Errorf("at %v, error log %s, configuration\n%s", r.Addrs, r.ErrorLog, r.Config)
	}
	all := r.open(t, 3)
	defer r.closeAll(t, all)
	_, page, _ := r.get(t, "/server-status?auto", netip.Addr{})
	if w, err := r.Status.Parse([]byte(page)); err != nil || w.Busy != 3 {
		t.Errorf("its page of workers: %+v, %v", w, err)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the file changed: %v\n%s", err, after)
	}
}

// With TLS at the front the file gets a certificate that clients trust.
func TestOwnConfigurationWithTLS(t *testing.T) {
	needApache(t)
	h := thisHost()
	s, err := h.find("", gateOf(scenarios.Apache{}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.modules(s, []string{"ssl"}); err != nil {
		t.Skipf("skipped: %v", err)
	}
	listen := freeAddr(t, loopback(t, 53))
	path := ownFile(t, listen, fmt.Sprintf(`LoadModule ssl_module %s/mod_ssl.so
ErrorLog ${WSGAUGE_DIR}/error.log
SSLEngine On
SSLCertificateFile ${WSGAUGE_CERT}
SSLCertificateKeyFile ${WSGAUGE_KEY}
ProxyPass "/" "ws://${WSGAUGE_BACKEND}/"
`, h.moduleDir(s)))
	a := scenarios.Apache{Config: path, Listen: listen.String(), TLS: scenarios.TLS{Frontend: true}}
	if _, err := New(a).Find(); err != nil {
		t.Fatal(err)
	}
	r := startAt(t, a, targets.Site{Certificates: certificates(t, 53), Listen: listen}, startBackend(t, 52))
	r.closeAll(t, r.open(t, 2))
}

// A mistake in it comes back in Apache's words, with its line, before anything starts.
func TestOwnConfigurationThatIsWrong(t *testing.T) {
	needApache(t)
	listen := netip.MustParseAddrPort("127.0.0.1:9")
	broken := ownFile(t, listen, "Nonsense On\n")
	text, err := os.ReadFile(broken)
	if err != nil {
		t.Fatal(err)
	}
	line := fmt.Sprintf("Syntax error on line %d of %s", strings.Count(string(text), "\n"), broken)
	for _, c := range []struct {
		apache scenarios.Apache
		want   []string
	}{
		{scenarios.Apache{Config: broken, Listen: listen.String()}, []string{"Invalid command 'Nonsense'", line}},
		{scenarios.Apache{Config: "/nowhere/my.conf", Listen: listen.String()}, []string{"/nowhere/my.conf", "no such file"}},
		{scenarios.Apache{Config: broken}, []string{`listen "": config: needs the address and port`}},
		{scenarios.Apache{Config: broken, Listen: "example.org:80"}, []string{`listen "example.org:80": an address and a port`}},
		{scenarios.Apache{Config: broken, Listen: "127.0.0.1:0"}, []string{"an address and a port are meant"}},
	} {
		_, err := New(c.apache).Find()
		var missing *targets.MissingError
		if err == nil || errors.As(err, &missing) {
			t.Errorf("%+v: got error %v, want one that ends the run", c.apache, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q is not in: %v", want, err)
			}
		}
	}
}

func TestOwnConfigurationIsDialledOnLoopback(t *testing.T) {
	for text, want := range map[string]string{
		"0.0.0.0:8080": "127.0.0.1:8080", ":8080": "127.0.0.1:8080", "*:80": "127.0.0.1:80",
		"localhost:8080": "127.0.0.1:8080", "[::]:80": "[::1]:80", "10.1.2.3:80": "10.1.2.3:80",
	} {
		if got, err := New(scenarios.Apache{Listen: text}).listen(); err != nil || got.String() != want {
			t.Errorf("%s is dialled at %v, %v; want %s", text, got, err, want)
		}
	}
}
