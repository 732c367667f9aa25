package caddy

import (
	"path/filepath"

	"wsgauge/scenarios"
	"wsgauge/targets"
	"wsgauge/targets/program"
)

// configuration is everything that goes into the Caddyfile.
type configuration struct {
	scenarios.Peer
	program      program.Program
	site         targets.Site // with absolute paths
	certificates targets.Certificates
	socket       string
}

// text is the file, and the number of the line after which the lines of `extra:`
// begin, 0 when there are none.
func (c *configuration) text() (string, int) {
	var w program.Lines
	w.Line("# Written by wsgauge for one trial. %s", c.program.Text)
	w.Line("{")
	w.Line("\tadmin unix/%s", c.socket)
	w.Line("\tauto_https off")
	w.Line("\tstorage file_system %s", filepath.Join(c.site.Dir, "data"))
	w.Line("\tlog {")
	w.Line("\t\toutput stderr")
	w.Line("\t\tlevel WARN")
	w.Line("\t}")
	w.Line("\tservers {")
	w.Line("\t\t# HTTP/3 would listen on a port of its own.")
	w.Line("\t\tprotocols h1 h2")
	w.Line("\t}")
	w.Line("}")
	scheme := "http"
	if c.TLS.Frontend {
		scheme = "https"
	}
	w.Line("%s://:%d {", scheme, c.site.Listen.Port())
	w.Line("\tbind %s", c.site.Listen.Addr())
	if c.TLS.Frontend {
		c.writeFront(&w)
	}
	c.writeRoute(&w)
	extraAt := w.Extra(c.Extra, "\t", "#")
	w.Line("}")
	return w.String(), extraAt
}

func (c *configuration) writeFront(w *program.Lines) {
	w.Line("\ttls %s %s {", c.certificates.Cert, c.certificates.Key)
	if c.TLS.Min+c.TLS.Max != "" {
		low, high := c.TLS.Min, c.TLS.Max
		if low == "" {
			low = "1.2"
		}
		if high == "" {
			high = "1.3"
		}
		w.Line("\t\tprotocols tls%s tls%s", low, high)
	}
	w.Line("\t}")
}

func (c *configuration) writeRoute(w *program.Lines) {
	prefix := ""
	if c.TLS.Backend {
		prefix = "https://"
	}
	w.Line("\treverse_proxy {")
	for _, b := range c.site.Backends {
		w.Line("\t\tto %s%s", prefix, b)
	}
	if len(c.site.Backends) > 1 {
		w.Line("\t\t# Counts live tunnels.")
		w.Line("\t\tlb_policy least_conn")
	}
	if c.TLS.Backend {
		w.Line("\t\ttransport http {")
		w.Line("\t\t\ttls_trusted_ca_certs %s", c.certificates.CA)
		w.Line("\t\t\ttls_server_name localhost")
		w.Line("\t\t}")
	}
	w.Line("\t}")
}
