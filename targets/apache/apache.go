package apache

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
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

// Find looks for the server and for every module that the scenario needs. A
// *[targets.MissingError] names what is not there and the package that has it;
// another error says what is wrong with the server found or the scenario.
func (t *Target) Find() (targets.Version, error) {
	server, err := t.host.find(t.config.Server)
	if err != nil {
		return targets.Version{}, err
	}
	size, err := sizeOf(t.config)
	if err != nil {
		return targets.Version{}, err
	}
	if _, err := t.host.modules(server, needed(size.mpm, false)); err != nil {
		return targets.Version{}, err
	}
	sum, err := fileSHA256(server.path)
	if err != nil {
		return targets.Version{}, err
	}
	return targets.Version{Text: server.text, Path: server.path, SHA256: sum}, nil
}

// Prepare writes the configuration and has the server check it. Besides the
// errors of [Target.Find] it returns what is wrong with the scenario's values
// and, for directives in `extra:`, the server's own message and line.
func (t *Target) Prepare(site targets.Site) (*targets.Instance, error) {
	server, err := t.host.find(t.config.Server)
	if err != nil {
		return nil, err
	}
	size, err := sizeOf(t.config)
	if err != nil {
		return nil, err
	}
	load, err := t.host.modules(server, needed(size.mpm, len(site.Backends) > 1))
	if err != nil {
		return nil, err
	}
	account, err := t.host.account()
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(site.Dir)
	if err != nil {
		return nil, fmt.Errorf("preparing Apache in %s: %w", site.Dir, err)
	}
	logDir, err := filepath.Abs(site.LogDir)
	if err != nil {
		return nil, fmt.Errorf("preparing Apache with logs in %s: %w", site.LogDir, err)
	}
	site.Dir, site.LogDir = dir, logDir

	c := configuration{
		Apache: t.config, server: server, size: size, load: load,
		account: account, site: site,
	}
	text, extraAt, err := c.text()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "apache.conf")
	for _, sub := range []string{c.runDir(), c.documentRoot()} {
		if err := os.MkdirAll(sub, 0o755); err != nil {
			return nil, fmt.Errorf("preparing Apache: %w", err)
		}
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return nil, fmt.Errorf("writing Apache's configuration: %w", err)
	}
	if err := check(server, path, dir, extraAt); err != nil {
		return nil, err
	}
	return &targets.Instance{
		Addrs:     []netip.AddrPort{site.Listen},
		Argv:      []string{server.path, "-D", "FOREGROUND", "-f", path, "-d", dir},
		Dir:       dir,
		Config:    text,
		ErrorLog:  c.errorLog(),
		Code:      Code,
		Settled:   size.settled,
		StopGrace: stopGrace,
	}, nil
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
