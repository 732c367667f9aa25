package program

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"wsgauge/scenarios"
	"wsgauge/targets"
)

// Place is site with absolute paths. Dir, which stands unquoted in configurations, is
// refused when it holds what one might take for something else; LogDir, which may be
// anywhere, only for what means something between quotes too. A site without backends
// is refused.
func Place(site targets.Site) (targets.Site, error) {
	if len(site.Backends) == 0 {
		return site, fmt.Errorf("there is no backend to lead to")
	}
	for _, d := range []struct {
		path *string
		form *regexp.Regexp
	}{{&site.Dir, plainPath}, {&site.LogDir, quotablePath}} {
		abs, err := filepath.Abs(*d.path)
		if err != nil {
			return site, fmt.Errorf("finding the directory %s: %w", *d.path, err)
		}
		if !d.form.MatchString(abs) {
			return site, fmt.Errorf("the path %q holds a character that configuration files give a meaning to (choose another directory)", abs)
		}
		*d.path = abs
	}
	return site, nil
}

var (
	plainPath    = regexp.MustCompile(`^[\p{L}\p{N}_./+,@:=~-]+$`)
	quotablePath = regexp.MustCompile(`^[^"\\\pC]+$`)
)

// Environment is what a user's own configuration file can learn of the trial: its
// addresses and directories and, if anything of it speaks TLS, its certificates.
func Environment(site targets.Site) []string {
	all := make([]string, len(site.Backends))
	for i, b := range site.Backends {
		all[i] = b.String()
	}
	first := site.Backends[0]
	env := []string{
		"WSGAUGE_LISTEN=" + site.Listen.String(),
		"WSGAUGE_LISTEN_HOST=" + site.Listen.Addr().String(),
		fmt.Sprintf("WSGAUGE_LISTEN_PORT=%d", site.Listen.Port()),
		"WSGAUGE_BACKEND=" + first.String(),
		"WSGAUGE_BACKEND_HOST=" + first.Addr().String(),
		fmt.Sprintf("WSGAUGE_BACKEND_PORT=%d", first.Port()),
		"WSGAUGE_BACKENDS=" + strings.Join(all, ","),
		"WSGAUGE_DIR=" + site.Dir,
		"WSGAUGE_LOGS=" + site.LogDir,
	}
	if c := site.Certificates; c != nil {
		env = append(env, "WSGAUGE_CA="+c.CA, "WSGAUGE_CERT="+c.Cert, "WSGAUGE_KEY="+c.Key)
	}
	return env
}

// Own is a user's own file: its absolute path and where clients dial the server that
// it makes. One that listens everywhere is dialled on loopback.
func Own(p scenarios.Peer) (path string, listen netip.AddrPort, err error) {
	if path, err = filepath.Abs(p.Config); err != nil {
		return "", listen, fmt.Errorf("finding `config: %s`: %w", p.Config, err)
	}
	if _, err := os.Stat(path); err != nil {
		return "", listen, fmt.Errorf("reading `config: %s`: %w", p.Config, err)
	}
	host, port, err := net.SplitHostPort(p.Listen)
	switch host {
	case "", "*", "0.0.0.0", "localhost":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	if err == nil {
		listen, err = netip.ParseAddrPort(net.JoinHostPort(host, port))
	}
	if err != nil || listen.Port() == 0 {
		return "", listen, fmt.Errorf("`listen: %s` beside `config:`: an IP address and a port are meant, as in 127.0.0.1:8080", p.Listen)
	}
	return path, listen, nil
}

// Write writes a file of the instance.
func Write(path, text string, mode os.FileMode) error {
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		return fmt.Errorf("writing a target's configuration: %w", err)
	}
	return nil
}

// Certificates are the trial's, which a leg that speaks TLS needs.
func Certificates(site targets.Site, legs scenarios.TLS) (targets.Certificates, error) {
	if site.Certificates == nil {
		if legs.Frontend || legs.Backend {
			return targets.Certificates{}, fmt.Errorf("a leg is to speak TLS, and the trial has no certificates")
		}
		return targets.Certificates{}, nil
	}
	return *site.Certificates, nil
}

// PEM writes certificate and key in one file, readable by its owner alone.
func PEM(path string, c targets.Certificates) error {
	var both []byte
	for _, part := range []string{c.Cert, c.Key} {
		text, err := os.ReadFile(part)
		if err != nil {
			return fmt.Errorf("reading the trial's certificate: %w", err)
		}
		both = append(both, text...)
	}
	return Write(path, string(both), 0o600)
}

// WholeMilliseconds refuses a timeout that would be rounded in a configuration.
func WholeMilliseconds(p scenarios.Peer) (int64, error) {
	ms := p.Timeout.Milliseconds()
	if p.Timeout < 0 || p.Timeout != p.Timeout.Truncate(1e6) {
		return 0, fmt.Errorf("timeout %v: whole milliseconds are meant", p.Timeout)
	}
	return ms, nil
}

// Kinds names log lines by what stands in them: the first that is in the line, in any
// case, counts.
type Kinds []struct{ Text, Kind string }

// errno are messages of the system, which every program quotes.
var errno = Kinds{
	{"too many open files", "too_many_open_files"},
	{"cannot assign requested address", "no_port"},
	{"connection refused", "connection_refused"},
	{"connection reset by peer", "connection_reset"},
	{"connection timed out", "connection_timed_out"},
	{"broken pipe", "broken_pipe"},
	{"cannot allocate memory", "no_memory"},
}

// Of names the line, "" for one of no known kind.
func (k Kinds) Of(line string) string {
	line = strings.ToLower(line)
	for _, kinds := range []Kinds{k, errno} {
		for _, each := range kinds {
			if strings.Contains(line, each.Text) {
				return each.Kind
			}
		}
	}
	return ""
}
