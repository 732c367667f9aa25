package apache

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"wsgauge/scenarios"
	"wsgauge/targets"
)

// stopGrace covers the ten seconds that event and worker wait for threads which
// hold tunnels, on a machine with other things to do.
const stopGrace = 20 * time.Second

// Target is an Apache httpd as a scenario asks for it.
type Target struct {
	config scenarios.Apache
	host   host
}

var _ targets.Target = (*Target)(nil)

// New returns the target for one `apache:` entry of a scenario.
func New(config scenarios.Apache) *Target {
	return &Target{config: config, host: thisHost()}
}

// Find looks for the server and for every module that the scenario needs, and has
// the server read a file of the user's own. A *[targets.MissingError] names what is
// not there and the package that has it; another error says what is wrong with the
// server found, the scenario or that file.
func (t *Target) Find() (targets.Version, error) {
	server, err := t.host.find(t.config.Server, gateOf(t.config))
	if err != nil {
		return targets.Version{}, err
	}
	if t.config.Config != "" {
		err = t.findOwn(server)
	} else {
		err = t.findModules(server)
	}
	if err != nil {
		return targets.Version{}, err
	}
	sum, err := fileSHA256(server.path)
	if err != nil {
		return targets.Version{}, err
	}
	return targets.Version{Text: server.text, Path: server.path, SHA256: sum}, nil
}

func (t *Target) findModules(server server) error {
	size, err := sizeOf(t.config)
	if err != nil {
		return err
	}
	if err := checkRoute(t.config); err != nil {
		return err
	}
	_, err = t.host.modules(server, needed(t.config, size.mpm, 1))
	return err
}

// Prepare writes the configuration and has the server check it. Besides the
// errors of [Target.Find] it returns what is wrong with the scenario's values
// and, for directives in `extra:`, the server's own message and line.
func (t *Target) Prepare(site targets.Site) (*targets.Instance, error) {
	server, err := t.host.find(t.config.Server, gateOf(t.config))
	if err != nil {
		return nil, err
	}
	if site.Dir, err = filepath.Abs(site.Dir); err != nil {
		return nil, fmt.Errorf("preparing Apache: %w", err)
	}
	if site.LogDir, err = filepath.Abs(site.LogDir); err != nil {
		return nil, fmt.Errorf("preparing Apache: %w", err)
	}
	if t.config.Config != "" {
		return t.prepareOwn(server, site)
	}
	c, err := t.configuration(server, site)
	if err != nil {
		return nil, err
	}
	text, extraAt, err := c.text()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(site.Dir, "apache.conf")
	if err := c.writeFiles(path, text); err != nil {
		return nil, err
	}
	if err := check(server, path, site, extraAt); err != nil {
		return nil, err
	}
	return &targets.Instance{
		Addrs:     []netip.AddrPort{site.Listen},
		Argv:      []string{server.path, "-D", "FOREGROUND", "-f", path, "-d", site.Dir},
		Env:       ownPlace(site),
		Dir:       site.Dir,
		Config:    text,
		ErrorLog:  c.errorLog(),
		Code:      Code,
		Settled:   c.size.settled,
		StopGrace: stopGrace,
		Graceful:  graceful,
		Restart:   restart,
		Status:    c.status(),

		GracefulStop: gracefulStop,
	}, nil
}

// What makes httpd read its configuration again: new children at once, and the old
// ones end with their last tunnel; or with all tunnels.
var (
	graceful = targets.Action{Signal: syscall.SIGUSR1}
	restart  = targets.Action{Signal: syscall.SIGHUP}

	// Nothing new is taken, and it ends with its last tunnel or GracefulShutdownTimeout.
	gracefulStop = targets.Action{Signal: syscall.SIGWINCH}
)

// configuration gathers what goes into the file.
func (t *Target) configuration(server server, site targets.Site) (*configuration, error) {
	size, err := sizeOf(t.config)
	if err != nil {
		return nil, err
	}
	if err := checkRoute(t.config); err != nil {
		return nil, err
	}
	load, err := t.host.modules(server, needed(t.config, size.mpm, len(site.Backends)))
	if err != nil {
		return nil, err
	}
	account, err := t.host.account()
	if err != nil {
		return nil, err
	}
	return &configuration{Apache: t.config, server: server, size: size, load: load, account: account, site: site}, nil
}

// writeFiles lays out the instance's directory.
func (c *configuration) writeFiles(path, text string) error {
	for _, sub := range []string{c.runDir(), c.documentRoot()} {
		if err := os.MkdirAll(sub, 0o755); err != nil {
			return fmt.Errorf("preparing Apache: %w", err)
		}
	}
	if c.balanced() && lbmethod(c.Apache) == "heartbeat" {
		if err := os.WriteFile(c.heartbeats(), []byte(c.heartbeatText()), 0o644); err != nil {
			return fmt.Errorf("preparing Apache: %w", err)
		}
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return fmt.Errorf("writing Apache's configuration: %w", err)
	}
	return nil
}

// aCode is how httpd marks a message: after the line's prefix and, where a
// system call failed, after its reason. The first one counts: what follows may
// be the client's own text.
var aCode = regexp.MustCompile(`(?:^|[\]:] )(AH[0-9]{5}): `)

// Code names the kind of an error log line, "AH00484". It is empty for a line
// without a code: what a library or a crashing child wrote to stderr, the
// further lines of a message, a message of a module that has no codes.
func Code(line string) string {
	if m := aCode.FindStringSubmatch(line); m != nil {
		return m[1]
	}
	return ""
}
