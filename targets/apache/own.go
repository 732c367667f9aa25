package apache

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"wsgauge/internal/certs"
	"wsgauge/targets"
)

// ownPlace is what a user's own file, and `extra:`, may refer to, as ${WSGAUGE_BACKEND}: the addresses
// of a trial are its own.
func ownPlace(site targets.Site) []string {
	var all []string
	for _, b := range site.Backends {
		all = append(all, b.String())
	}
	first := site.Backends[0]
	env := []string{
		"WSGAUGE_BACKEND=" + first.String(),
		"WSGAUGE_BACKEND_HOST=" + first.Addr().String(),
		fmt.Sprint("WSGAUGE_BACKEND_PORT=", first.Port()),
		"WSGAUGE_BACKENDS=" + strings.Join(all, ","),
		"WSGAUGE_DIR=" + site.Dir,
		"WSGAUGE_LOGS=" + site.LogDir,
	}
	if c := site.Certificates; c != nil {
		env = append(env, "WSGAUGE_CA="+c.CA, "WSGAUGE_CERT="+c.Cert, "WSGAUGE_KEY="+c.Key)
	}
	return env
}

// findOwn has the server read the user's file before anything is started. Addresses
// and directories of a trial are not there yet, so others stand for them.
func (t *Target) findOwn(s server) error {
	if _, err := t.listen(); err != nil {
		return err
	}
	path, err := t.ownPath()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "wsgauge-check-")
	if err != nil {
		return fmt.Errorf("a directory to check %s in: %w", path, err)
	}
	site := targets.Site{Backends: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:9")}, Dir: dir, LogDir: dir}
	made, err := certs.Make(dir, []netip.Addr{site.Backends[0].Addr()})
	if err == nil {
		files := targets.Certificates(made)
		site.Certificates = &files
		_, err = t.askOwn(s, path, site)
	}
	return errors.Join(err, os.RemoveAll(dir))
}

// prepareOwn is [Target.Prepare] for a file of the user's own, in which nothing is
// ours.
func (t *Target) prepareOwn(s server, site targets.Site) (*targets.Instance, error) {
	listen, err := t.listen()
	if err != nil {
		return nil, err
	}
	if len(site.Backends) == 0 {
		return nil, errors.New("preparing Apache: there is no backend to route to")
	}
	path, err := t.ownPath()
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading Apache's configuration: %w", err)
	}
	log, err := t.askOwn(s, path, site)
	if err != nil {
		return nil, err
	}
	return &targets.Instance{
		Addrs:     []netip.AddrPort{listen},
		Argv:      []string{s.path, "-D", "FOREGROUND", "-f", path},
		Env:       ownPlace(site),
		Dir:       site.Dir,
		Config:    string(text),
		ErrorLog:  log,
		Code:      Code,
		StopGrace: stopGrace,
		Graceful:  graceful,
		Restart:   restart,
		Status:    t.ownStatus(listen),
	}, nil
}

// ownStatus is where such files usually have mod_status; whether this one does is
// found out by asking.
func (t *Target) ownStatus(listen netip.AddrPort) *targets.Status {
	if !t.config.Scoreboard {
		return nil
	}
	scheme := "http"
	if t.config.TLS.Frontend {
		scheme = "https"
	}
	return &targets.Status{URL: fmt.Sprintf("%s://%s/server-status?auto", scheme, listen), Parse: ParseStatus}
}

func (t *Target) ownPath() (string, error) {
	path, err := filepath.Abs(t.config.Config)
	if err != nil {
		return "", fmt.Errorf("looking for Apache's configuration %s: %w", t.config.Config, err)
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("looking for Apache's configuration: %w (config: names the file)", err)
	}
	return path, nil
}

// listen is where clients dial; a server that listens everywhere is dialled on
// loopback.
func (t *Target) listen() (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(t.config.Listen)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("listen %q: config: needs the address and port where its server listens, as in 127.0.0.1:8080", t.config.Listen)
	}
	switch host {
	case "", "*", "0.0.0.0", "localhost":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	addr, err := netip.ParseAddrPort(net.JoinHostPort(host, port))
	if err != nil || addr.Port() == 0 {
		return netip.AddrPort{}, fmt.Errorf("listen %q: an address and a port are meant, as in 127.0.0.1:8080", t.config.Listen)
	}
	return addr, nil
}

var mainErrorLog = regexp.MustCompile(`(?m)^Main ErrorLog: "(/.*)"$`)

// askOwn has the server read the file and returns where its error log is, or nothing
// when it goes to a program, to syslog or to nowhere in particular.
func (t *Target) askOwn(s server, path string, site targets.Site) (string, error) {
	out, err := runIn(site.Dir, ownPlace(site), s.path, "-t", "-D", "DUMP_RUN_CFG", "-f", path)
	if err != nil {
		return "", fmt.Errorf("%s refuses the configuration %s: %w%s", s.path, path, err, quoted(out))
	}
	if m := mainErrorLog.FindStringSubmatch(out); m != nil && !strings.HasPrefix(m[1], "/dev/") {
		return m[1], nil
	}
	return "", nil
}
