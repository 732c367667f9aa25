package haproxy

import (
	"fmt"
	"path/filepath"
	"time"

	"wsgauge/scenarios"
	"wsgauge/targets"
	"wsgauge/targets/program"
)

// defaultSilence ends silent tunnels where the scenario has no `timeout`.
const defaultSilence = 5 * time.Minute

// configuration is everything that goes into haproxy.cfg.
type configuration struct {
	scenarios.Peer
	program      program.Program
	site         targets.Site // with absolute paths
	certificates targets.Certificates
}

func (c *configuration) pem() string { return filepath.Join(c.site.Dir, "front.pem") }

// text is the file, and the number of the line after which the lines of `extra:`
// begin, 0 when there are none.
func (c *configuration) text() (string, int, error) {
	timeout, err := program.WholeMilliseconds(c.Peer)
	if err != nil {
		return "", 0, err
	}
	var w program.Lines
	w.Line("# Written by wsgauge for one trial. %s", c.program.Text)
	w.Line("global")
	w.Line("  log stderr format raw daemon notice")
	if c.Limit > 0 {
		w.Line("  maxconn %d", c.Limit)
	}
	if c.Workers > 0 {
		w.Line("  nbthread %d", c.Workers)
	}
	w.Line("defaults")
	w.Line("  mode http")
	w.Line("  log global")
	w.Line("  # A line for what went wrong alone.")
	w.Line("  option httplog")
	w.Line("  option dontlog-normal")
	w.Line("  option log-separate-errors")
	w.Line("  timeout connect 10s")
	w.Line("  timeout http-request 60s")
	w.Line("  timeout client %dms", defaultSilence.Milliseconds())
	w.Line("  timeout server %dms", defaultSilence.Milliseconds())
	if timeout > 0 {
		w.Line("  # Takes the place of the two above once the tunnel stands.")
		w.Line("  timeout tunnel %dms", timeout)
	}
	w.Line("frontend clients")
	w.Line("  bind %s%s", c.site.Listen, c.front())
	w.Line("  default_backend backends")
	w.Line("backend backends")
	if len(c.site.Backends) > 1 {
		w.Line("  # Counts live tunnels.")
		w.Line("  balance leastconn")
	}
	for i, b := range c.site.Backends {
		w.Line("  server backend%d %s%s", i+1, b, c.back())
	}
	extraAt := w.Extra(c.Extra, "  ", "#")
	return w.String(), extraAt, nil
}

func (c *configuration) front() string {
	if !c.TLS.Frontend {
		return ""
	}
	return fmt.Sprintf(" ssl crt %s%s", c.pem(), c.versions())
}

func (c *configuration) back() string {
	if !c.TLS.Backend {
		return ""
	}
	return fmt.Sprintf(" ssl verify required ca-file %s verifyhost localhost%s", c.certificates.CA, c.versions())
}

// versions limits the TLS versions of one leg.
func (c *configuration) versions() string {
	text := ""
	if c.TLS.Min != "" {
		text += " ssl-min-ver TLSv" + c.TLS.Min
	}
	if c.TLS.Max != "" {
		text += " ssl-max-ver TLSv" + c.TLS.Max
	}
	return text
}
