// Package haproxy makes a target of an HAProxy: from a scenario's `haproxy:` entry to
// a server ready to be started in the foreground.
//
// # What it writes
//
// One complete configuration, haproxy.cfg, in the instance's private directory. The
// system's configuration is neither read nor touched. The server runs as a master with
// a worker (-W), as its packages start it, since only a master can reload. It logs to
// its standard error, which needs no syslog: what it says of itself, and one line
// for each connection that ended otherwise than it should.
//
// # Defaults
//
// A key that the scenario leaves out leaves its directive out. maxconn is then what
// the limit on open files allows (two for each connection); HAProxy refuses to start
// where that is too low for the least it works with (some 230), or for `limit`. There is a thread for each
// processor that the trial gives to the target. Without `timeout` a silent tunnel ends
// after 5 minutes, as HAProxy has no timeout of its own and warns of that; with it,
// `timeout tunnel` takes the place of those of client and server once the tunnel
// stands. There is no hard-stop-after: at a reload the old worker stays until its
// last tunnel has ended. A server that root starts keeps root's rights.
//
// # A file of the user's own
//
// `config:` is started as it is, and finds where to lead to in its environment:
// "${WSGAUGE_BACKEND}", and WSGAUGE_BACKEND_HOST, WSGAUGE_BACKEND_PORT,
// WSGAUGE_BACKENDS, WSGAUGE_LISTEN (and _HOST, _PORT), WSGAUGE_DIR, WSGAUGE_LOGS. It must not say `daemon`. What it logs to
// its standard output or error is collected.
package haproxy

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"wsgauge/scenarios"
	"wsgauge/targets"
	"wsgauge/targets/program"
)

// stopGrace: SIGTERM ends HAProxy at once, with its tunnels.
const stopGrace = 5 * time.Second

var kind = program.Kind{
	Name: "HAProxy", Commands: []string{"haproxy"}, Package: "haproxy", Other: "haproxy",
	Ask: []string{"-v"}, Parse: parse,
	Oldest: program.Version{1, 9, 0}, Why: "it is the first that logs to its standard error",
}

// Target is an HAProxy as a scenario asks for it.
type Target struct {
	peer scenarios.Peer
	host program.Host
}

var _ targets.Target = (*Target)(nil)

// New returns the target for one `haproxy:` entry of a scenario.
func New(peer scenarios.Peer) *Target { return &Target{peer: peer, host: program.ThisHost()} }

// Find looks for the server. A *[targets.MissingError] says that it is not there;
// another error is the server's complaint about the user's own text.
func (t *Target) Find() (targets.Version, error) {
	p, err := t.host.Find(kind, t.peer.Server)
	if err != nil {
		return targets.Version{}, err
	}
	if t.peer.Config != "" || t.peer.Extra != "" {
		if err := program.Rehearse(t.Prepare); err != nil {
			return targets.Version{}, err
		}
	}
	return p.Identity()
}

var versionLine = regexp.MustCompile(`(?m)^HA-?Proxy version (\S+)`)

// parse reads the answer to -v.
func parse(answer string) (string, program.Version, bool) {
	m := versionLine.FindStringSubmatch(answer)
	if m == nil {
		return "", program.Version{}, false
	}
	v, ok := program.ParseVersion(m[1])
	return "HAProxy/" + m[1], v, ok
}

// Prepare writes the configuration and has the server check it. Besides the errors of
// [Target.Find] it returns what is wrong with the scenario's values and the server's
// own complaint (a *[program.CheckError]).
func (t *Target) Prepare(site targets.Site) (*targets.Instance, error) {
	p, err := t.host.Find(kind, t.peer.Server)
	if err != nil {
		return nil, err
	}
	if site, err = program.Place(site); err != nil {
		return nil, fmt.Errorf("preparing HAProxy: %w", err)
	}
	if t.peer.Config != "" {
		return t.own(p, site)
	}
	certificates, err := program.Certificates(site, t.peer.TLS)
	if err != nil {
		return nil, fmt.Errorf("preparing HAProxy: %w", err)
	}
	c := configuration{Peer: t.peer, program: p, site: site, certificates: certificates}
	text, extraAt, err := c.text()
	if err != nil {
		return nil, err
	}
	if t.peer.TLS.Frontend {
		if err := program.PEM(c.pem(), certificates); err != nil {
			return nil, err
		}
	}
	path := filepath.Join(site.Dir, "haproxy.cfg")
	if err := program.Write(path, text, 0o644); err != nil {
		return nil, err
	}
	if err := p.Check(program.Command{Argv: []string{p.Path, "-c", "-f", path}, Dir: site.Dir}); err != nil {
		return nil, program.InExtra(err, errorLine, t.peer.Extra, extraAt)
	}
	return instance(p, site, site.Listen, path, text), nil
}

var errorLine = regexp.MustCompile(`haproxy\.cfg:(\d+)\]`)

func instance(p program.Program, site targets.Site, listen netip.AddrPort, path, config string) *targets.Instance {
	return &targets.Instance{
		Addrs: []netip.AddrPort{listen},
		// -db keeps it in the foreground.
		Argv:      []string{p.Path, "-W", "-db", "-f", path},
		Env:       program.Environment(site),
		Dir:       site.Dir,
		Config:    config,
		ErrorLog:  filepath.Join(site.LogDir, targets.OutputFile),
		Code:      Code,
		StopGrace: stopGrace,
		Graceful:  targets.Action{Signal: syscall.SIGUSR2},

		GracefulStop: targets.Action{Signal: syscall.SIGUSR1},
	}
}

// own starts the user's file.
func (t *Target) own(p program.Program, site targets.Site) (*targets.Instance, error) {
	path, listen, err := program.Own(t.peer)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading `config:`: %w", err)
	}
	// -db overrides `daemon`, so that the check tells of everything else.
	check := program.Command{Argv: []string{p.Path, "-c", "-f", path}, Env: program.Environment(site), Dir: site.Dir}
	if err := p.Check(check); err != nil {
		return nil, err
	}
	return instance(p, site, listen, path, string(text)), nil
}

// codes are HAProxy's messages about what a benchmark runs into.
var codes = program.Kinds{
	{"reached process limit", "process_limit"},
	{"no server available", "no_server"},
	{"no more ports", "no_port"},
	{"out of sockets", "too_many_open_files"},
	{"proxy reached its limit", "too_many_open_files"},
	{"reached process fd limit", "too_many_open_files"},
}

// termination finds the four letters with which a line of HAProxy's HTTP log tells how
// a connection ended, between the cookies' dashes and the counts of connections.
var termination = regexp.MustCompile(` ([A-Za-z-]{4}) \d+/\d+/\d+/\d+/\+?\d+ \d+/\d+ `)

// Code names the kind of a log line: the state in which a connection ended, as
// HAProxy writes it ("sC--"), or a word of wsgauge's, since HAProxy gives its other
// messages no codes; empty for one of no known kind.
func Code(line string) string {
	if m := termination.FindStringSubmatch(line); m != nil {
		return m[1]
	}
	if strings.Contains(line, "[NOTICE]") {
		return ""
	}
	return codes.Of(line)
}
