// Package nginx makes a target of an nginx: from a scenario's `nginx:` entry to a
// server ready to be started in the foreground.
//
// # What it writes
//
// One complete configuration, nginx.conf, in the instance's private directory, where
// the server also keeps its process id and its temporary files. The system's
// configuration is neither read nor touched. The error log lies with the trial's
// records; there is no access log. The server checks the file with -t first.
//
// # Defaults
//
// A key that the scenario leaves out leaves its directive out: worker_connections is
// 512 then, which carries 255 tunnels (a tunnel takes two, and the listener one);
// proxy_read_timeout and proxy_send_timeout are 60 s, and a tunnel that has been
// silent for that long is ended; there is one worker process. Not `auto`, which would
// start one for each processor of the machine, whatever the CPUs that the trial gives
// to the target. worker_rlimit_nofile is not set: `nofile:` is what counts.
//
// nginx drops rights by itself: the workers of a server that is started by root run as
// the user that was compiled in.
//
// # A file of the user's own
//
// `config:` is started as it is, with `daemon off` and a `pid` in the private
// directory added on the command line where the file does not say them. nginx puts no
// environment into its files; to lead to the trial's backend, whose address differs
// from trial to trial, take `extra:`, or kind `command`, whose files are templates.
// Messages are collected from the file's own error_log only when it has none.
package nginx

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"wsgauge/scenarios"
	"wsgauge/targets"
	"wsgauge/targets/program"
)

// stopGrace: SIGTERM ends nginx at once, with its tunnels.
const stopGrace = 5 * time.Second

var kind = program.Kind{
	Name: "nginx", Commands: []string{"nginx"}, Package: "nginx-light", Other: "nginx",
	Ask: []string{"-V"}, Parse: parse,
	Oldest: program.Version{1, 3, 13}, Why: "it is the first that proxies WebSockets",
}

// Versions that brought what a scenario may ask for.
var (
	hasTLS13    = program.Version{1, 13, 0}
	hasEarlyLog = program.Version{1, 19, 5} // -e
)

// Target is an nginx as a scenario asks for it.
type Target struct {
	peer scenarios.Peer
	host program.Host
}

var _ targets.Target = (*Target)(nil)

// New returns the target for one `nginx:` entry of a scenario.
func New(peer scenarios.Peer) *Target { return &Target{peer: peer, host: program.ThisHost()} }

// Find looks for the server. A *[targets.MissingError] says that it, or a module that
// the scenario needs, is not there; another error what this version cannot
// do, or the server's complaint about the user's own text.
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
	p, err := t.host.Find(kind, t.peer.Server)
	if err != nil {
		return p, err
	}
	if l := t.peer.TLS; l.Frontend || l.Backend {
		// A build's arguments are all in its answer; distributions and the project
		// build with it.
		if t.peer.Config == "" && !strings.Contains(p.Answer, "--with-http_ssl_module") {
			return p, &targets.MissingError{What: "nginx's http_ssl_module", Why: "is not compiled into " + p.Path,
				Remedy: "build it --with-http_ssl_module, or name another build by `server:`"}
		}
		if l.Min == "1.3" {
			if err := p.Needs(hasTLS13, "TLS 1.3"); err != nil {
				return p, err
			}
		}
	}
	return p, nil
}

// parse reads the answer to -V.
func parse(answer string) (string, program.Version, bool) {
	for line := range strings.Lines(answer) {
		text, ok := strings.CutPrefix(strings.TrimSpace(line), "nginx version: ")
		if !ok {
			continue
		}
		_, numbers, _ := strings.Cut(text, "/")
		v, ok := program.ParseVersion(numbers)
		return text, v, ok
	}
	return "", program.Version{}, false
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
		return nil, fmt.Errorf("preparing nginx: %w", err)
	}
	if t.peer.Config != "" {
		return t.own(p, site)
	}
	certificates, err := program.Certificates(site, t.peer.TLS)
	if err != nil {
		return nil, fmt.Errorf("preparing nginx: %w", err)
	}
	c := configuration{Peer: t.peer, program: p, site: site, certificates: certificates}
	text, extraAt, err := c.text()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(site.Dir, "nginx.conf")
	if err := os.MkdirAll(c.temp(), 0o755); err != nil {
		return nil, fmt.Errorf("preparing nginx: %w", err)
	}
	if err := program.Write(path, text, 0o644); err != nil {
		return nil, err
	}
	log := c.errorLog()
	argv := []string{p.Path, "-p", site.Dir, "-c", path}
	if !p.Version.Before(hasEarlyLog) {
		argv = append(argv, "-e", log)
	}
	err = p.Check(program.Command{Argv: append(slices.Clone(argv), "-t"), Dir: site.Dir})
	if err != nil {
		return nil, program.InExtra(err, errorLine, t.peer.Extra, extraAt)
	}
	return instance(site, site.Listen, argv, text, log), nil
}

var errorLine = regexp.MustCompile(`nginx\.conf:(\d+)`)

func instance(site targets.Site, listen netip.AddrPort, argv []string, config, log string) *targets.Instance {
	return &targets.Instance{
		Addrs:     []netip.AddrPort{listen},
		Argv:      argv,
		Dir:       site.Dir,
		Config:    config,
		ErrorLog:  log,
		Code:      Code,
		StopGrace: stopGrace,
		Graceful:  targets.Action{Signal: syscall.SIGHUP},

		GracefulStop: targets.Action{Signal: syscall.SIGQUIT},
	}
}

// own starts the user's file. Directives that it lacks are given on the command line,
// where a second one would be refused as a duplicate: which it lacks is found by asking.
func (t *Target) own(p program.Program, site targets.Site) (*targets.Instance, error) {
	path, listen, err := program.Own(t.peer)
	if err != nil {
		return nil, err
	}
	if err := p.Needs(hasEarlyLog, "`config:`"); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading `config:`: %w", err)
	}
	log := filepath.Join(site.LogDir, "error.log")
	added := []string{"daemon off;", "pid " + filepath.Join(site.Dir, "nginx.pid") + ";"}
	for {
		argv := []string{p.Path, "-c", path, "-e", log}
		if len(added) > 0 {
			argv = append(argv, "-g", strings.Join(added, " "))
		}
		err := p.Check(program.Command{Argv: append(slices.Clone(argv), "-t"), Dir: site.Dir})
		if err == nil {
			return instance(site, listen, argv, string(text), log), nil
		}
		var refused *program.CheckError
		if !errors.As(err, &refused) {
			return nil, err
		}
		without := slices.IndexFunc(added, func(d string) bool {
			return strings.Contains(refused.Output, `"`+strings.Fields(d)[0]+`" directive is duplicate`)
		})
		if without < 0 {
			return nil, err
		}
		if strings.HasPrefix(added[without], "daemon") && daemonOn.Match(text) {
			return nil, fmt.Errorf("%s says `daemon on`: a target stays in the foreground, so that it can be watched and ended (remove it)", path)
		}
		added = slices.Delete(added, without, without+1)
	}
}

var daemonOn = regexp.MustCompile(`(?m)^\s*daemon\s+on\s*;`)

// codes are nginx's messages about what a benchmark runs into; nginx numbers none.
var codes = program.Kinds{
	{"worker_connections are not enough", "worker_connections_not_enough"},
	{"upstream timed out", "upstream_timed_out"},
	{"no live upstreams", "no_live_upstreams"},
	{"upstream prematurely closed", "upstream_closed"},
	{"client timed out", "client_timed_out"},
}

var severe = regexp.MustCompile(`^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[(?:warn|error|crit|alert|emerg)\] `)

// Code names the kind of an error log line in a word or two of wsgauge's, since nginx
// gives its messages no codes; empty for one of no known kind.
func Code(line string) string {
	if !severe.MatchString(line) {
		return ""
	}
	return codes.Of(line)
}
