// Package caddy makes a target of a Caddy: from a scenario's `caddy:` entry to a
// server ready to be started in the foreground.
//
// # What it writes
//
// One complete Caddyfile in the instance's private directory, where the server also
// keeps its data, its configuration and the Unix socket of its admin interface. It
// speaks TLS with the trial's certificate only: automatic HTTPS is off. It
// logs warnings and errors to its standard error, which is collected.
//
// # What it has not
//
// Caddy has no timeout of a tunnel, no limit on connections and no number of workers:
// `timeout`, `limit` and `workers` are errors. Nor can TLS versions be chosen towards
// the backend. A reload ends the tunnels that are open (2.6; later ones can delay it by
// stream_close_delay in `extra:`'s reverse_proxy).
//
// # A file of the user's own
//
// `config:` is started as it is: a file whose name ends in .json in Caddy's own
// format, any other as a Caddyfile. It finds where to lead to in its environment,
// {$WSGAUGE_BACKEND} in a Caddyfile: WSGAUGE_BACKEND_HOST, WSGAUGE_BACKEND_PORT,
// WSGAUGE_BACKENDS, WSGAUGE_LISTEN (and _HOST, _PORT), WSGAUGE_DIR and WSGAUGE_LOGS as
// well. It should have its admin interface out of others' way, as by
// `admin unix/{$WSGAUGE_DIR}/admin.sock`: Caddy's default is port 2019, and only from
// 2.7 on one that the environment sets.
package caddy

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"wsgauge/scenarios"
	"wsgauge/targets"
	"wsgauge/targets/program"
)

// stopGrace: Caddy waits for requests that are being answered, not for tunnels.
const stopGrace = 10 * time.Second

// maxSocketPath is how long the path of a Unix socket may be.
const maxSocketPath = 107

var kind = program.Kind{
	Name: "Caddy", Commands: []string{"caddy"}, Package: "caddy", Other: "caddy",
	Ask: []string{"version"}, Parse: parse,
	Oldest: program.Version{2, 6, 0}, Why: "it is the first whose HTTP versions can be chosen",
}

// Target is a Caddy as a scenario asks for it.
type Target struct {
	peer scenarios.Peer
	host program.Host
}

var _ targets.Target = (*Target)(nil)

// New returns the target for one `caddy:` entry of a scenario.
func New(peer scenarios.Peer) *Target { return &Target{peer: peer, host: program.ThisHost()} }

// Find looks for the server. A *[targets.MissingError] says that it is not there,
// another error that the scenario asks for what no Caddy has, or Caddy's complaint about
// the user's own text.
func (t *Target) Find() (targets.Version, error) {
	p, err := t.find()
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

func (t *Target) find() (program.Program, error) {
	switch {
	case t.peer.Timeout != 0:
		return program.Program{}, errors.New("timeout: Caddy has no timeout of a tunnel (leave it out)")
	case t.peer.Limit != 0:
		return program.Program{}, errors.New("limit: Caddy has no limit on connections (leave it out; `nofile:` limits it from outside)")
	case t.peer.Workers != 0:
		return program.Program{}, errors.New("workers: Caddy has no number of workers (leave it out; `cpus:` limits what it runs on)")
	case t.peer.TLS.Backend && (t.peer.TLS.Min == "1.3" || t.peer.TLS.Max == "1.2"):
		return program.Program{}, errors.New("tls: Caddy chooses the TLS version towards the backend by itself, 1.2 or 1.3 (leave out min and max, or backend)")
	}
	return t.host.Find(kind, t.peer.Server)
}

// parse reads the answer to version: "2.6.2" or "v2.7.6 h1:...".
func parse(answer string) (string, program.Version, bool) {
	fields := strings.Fields(answer)
	if len(fields) == 0 {
		return "", program.Version{}, false
	}
	text := strings.TrimPrefix(fields[0], "v")
	v, ok := program.ParseVersion(text)
	return "Caddy/" + text, v, ok
}

// Prepare writes the configuration and has the server check it. Besides the errors of
// [Target.Find] it returns what is wrong with the scenario's values and the server's
// own complaint (a *[program.CheckError]).
func (t *Target) Prepare(site targets.Site) (*targets.Instance, error) {
	p, err := t.find()
	if err != nil {
		return nil, err
	}
	if site, err = program.Place(site); err != nil {
		return nil, fmt.Errorf("preparing Caddy: %w", err)
	}
	s := server{program: p, site: site, listen: site.Listen}
	if len(s.socket()) > maxSocketPath {
		return nil, fmt.Errorf("preparing Caddy: the path of its admin socket, %s, is longer than the %d bytes that the system allows (choose another temporary directory)",
			s.socket(), maxSocketPath)
	}
	extraAt := 0
	if t.peer.Config != "" {
		if s.path, s.listen, err = program.Own(t.peer); err != nil {
			return nil, err
		}
		text, err := os.ReadFile(s.path)
		if err != nil {
			return nil, fmt.Errorf("reading `config:`: %w", err)
		}
		s.text = string(text)
	} else {
		c := configuration{Peer: t.peer, program: p, site: site, socket: s.socket()}
		if c.certificates, err = program.Certificates(site, t.peer.TLS); err != nil {
			return nil, fmt.Errorf("preparing Caddy: %w", err)
		}
		s.text, extraAt = c.text()
		s.path = filepath.Join(site.Dir, "Caddyfile")
		if err := program.Write(s.path, s.text, 0o644); err != nil {
			return nil, err
		}
	}
	if err := s.check(); err != nil {
		return nil, program.InExtra(err, errorLine, t.peer.Extra, extraAt)
	}
	return s.instance(), nil
}

var errorLine = regexp.MustCompile(`Caddyfile:(\d+)`)

// server is a Caddy with its configuration.
type server struct {
	program    program.Program
	site       targets.Site
	listen     netip.AddrPort
	path, text string // of the configuration
}

func (s *server) socket() string { return filepath.Join(s.site.Dir, "admin.sock") }

// env keeps what Caddy writes in the instance's directory.
func (s *server) env() []string {
	return append(program.Environment(s.site),
		"CADDY_ADMIN=unix/"+s.socket(),
		"HOME="+s.site.Dir,
		"XDG_DATA_HOME="+filepath.Join(s.site.Dir, "data"),
		"XDG_CONFIG_HOME="+filepath.Join(s.site.Dir, "config"))
}

// command is one of Caddy's that takes the configuration.
func (s *server) command(verb string, flags ...string) []string {
	argv := []string{s.program.Path, verb, "--config", s.path}
	if !strings.HasSuffix(s.path, ".json") {
		argv = append(argv, "--adapter", "caddyfile")
	}
	return append(argv, flags...)
}

func (s *server) check() error {
	return s.program.Check(program.Command{Argv: s.command("validate"), Env: s.env(), Dir: s.site.Dir})
}

func (s *server) instance() *targets.Instance {
	return &targets.Instance{
		Addrs:     []netip.AddrPort{s.listen},
		Argv:      s.command("run"),
		Env:       s.env(),
		Dir:       s.site.Dir,
		Config:    s.text,
		ErrorLog:  filepath.Join(s.site.LogDir, targets.OutputFile),
		Code:      Code,
		StopGrace: stopGrace,
		// Without --force Caddy does nothing when the file has not changed.
		Graceful: targets.Action{Argv: s.command("reload", "--force")},
	}
}

// codes are Caddy's messages about what a benchmark runs into.
var codes = program.Kinds{
	{"no upstreams available", "no_live_upstreams"},
	{"aborting with incomplete response", "aborted_response"},
}

// Code names the kind of a log line in a word or two of wsgauge's, since Caddy gives
// its messages no codes; empty for one of no known kind.
func Code(line string) string {
	if strings.Contains(line, `"level":"info"`) {
		return ""
	}
	return codes.Of(line)
}
