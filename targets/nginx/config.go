package nginx

import (
	"fmt"
	"path/filepath"
	"strings"

	"wsgauge/scenarios"
	"wsgauge/targets"
	"wsgauge/targets/program"
)

// configuration is everything that goes into nginx.conf.
type configuration struct {
	scenarios.Peer
	program      program.Program
	site         targets.Site // with absolute paths
	certificates targets.Certificates
}

func (c *configuration) temp() string     { return filepath.Join(c.site.Dir, "temp") }
func (c *configuration) errorLog() string { return filepath.Join(c.site.LogDir, "error.log") }

// text is the file, and the number of the line after which the lines of `extra:`
// begin, 0 when there are none.
func (c *configuration) text() (string, int, error) {
	timeout, err := program.WholeMilliseconds(c.Peer)
	if err != nil {
		return "", 0, err
	}
	var w program.Lines
	w.Line("# Written by wsgauge for one trial. %s", c.program.Text)
	w.Line("daemon off;")
	w.Line("pid %s;", filepath.Join(c.site.Dir, "nginx.pid"))
	w.Line("error_log \"%s\" notice;", c.errorLog())
	if c.Workers > 0 {
		w.Line("worker_processes %d;", c.Workers)
	}
	w.Line("events {")
	if c.Limit > 0 {
		w.Line("  # A tunnel takes two, the listener one: %d tunnels a worker.", max(0, c.Limit-1)/2)
		w.Line("  worker_connections %d;", c.Limit)
	}
	w.Line("}")
	w.Line("http {")
	w.Line("  access_log off;")
	c.writeTemp(&w)
	w.Line("  # A request that asks for no upgrade gets none, and its connection to the backend ends with it.")
	w.Line("  map $http_upgrade $connection_upgrade { default upgrade; '' close; }")
	w.Line("  upstream backends {")
	if len(c.site.Backends) > 1 {
		w.Line("    least_conn; # counts live tunnels")
	}
	for _, b := range c.site.Backends {
		w.Line("    server %s;", b)
	}
	w.Line("  }")
	w.Line("  server {")
	c.writeFront(&w)
	w.Line("    location / {")
	c.writeRoute(&w, timeout)
	w.Line("    }")
	extraAt := w.Extra(c.Extra, "    ", "#")
	w.Line("  }")
	w.Line("}")
	return w.String(), extraAt, nil
}

// writeTemp keeps temporary files in the instance's directory. The directives of
// modules that a build leaves out would be unknown to it.
func (c *configuration) writeTemp(w *program.Lines) {
	for _, module := range []struct{ path, without string }{
		{"client_body", ""}, {"proxy", ""}, {"fastcgi", "--without-http_fastcgi_module"},
		{"uwsgi", "--without-http_uwsgi_module"}, {"scgi", "--without-http_scgi_module"},
	} {
		if module.without == "" || !strings.Contains(c.program.Answer, module.without) {
			w.Line("  %s_temp_path %s;", module.path, filepath.Join(c.temp(), module.path))
		}
	}
}

func (c *configuration) writeFront(w *program.Lines) {
	if !c.TLS.Frontend {
		w.Line("    listen %s;", c.site.Listen)
		return
	}
	w.Line("    listen %s ssl;", c.site.Listen)
	w.Line("    ssl_certificate %s;", c.certificates.Cert)
	w.Line("    ssl_certificate_key %s;", c.certificates.Key)
	w.Line("    ssl_protocols %s;", c.protocols())
}

func (c *configuration) writeRoute(w *program.Lines, timeoutMS int64) {
	scheme := "http"
	if c.TLS.Backend {
		scheme = "https"
	}
	w.Line("      proxy_pass %s://backends;", scheme)
	w.Line("      proxy_http_version 1.1;")
	w.Line("      proxy_set_header Upgrade $http_upgrade;")
	w.Line("      proxy_set_header Connection $connection_upgrade;")
	w.Line("      proxy_set_header Host $http_host;")
	if timeoutMS > 0 {
		w.Line("      # Either ends a tunnel that has been silent for so long in both directions.")
		w.Line("      proxy_read_timeout %dms;", timeoutMS)
		w.Line("      proxy_send_timeout %dms;", timeoutMS)
	}
	if c.TLS.Backend {
		w.Line("      proxy_ssl_protocols %s;", c.protocols())
		w.Line("      proxy_ssl_trusted_certificate %s;", c.certificates.CA)
		w.Line("      proxy_ssl_verify on;")
		w.Line("      # nginx compares with the certificate's names, not with its addresses.")
		w.Line("      proxy_ssl_name localhost;")
	}
}

// protocols are the TLS versions in nginx's words.
func (c *configuration) protocols() string {
	var all []string
	for _, v := range []string{"1.2", "1.3"} {
		switch {
		case c.TLS.Min != "" && v < c.TLS.Min, c.TLS.Max != "" && v > c.TLS.Max:
		case v == "1.3" && c.program.Version.Before(hasTLS13):
		default:
			all = append(all, fmt.Sprint("TLSv", v))
		}
	}
	return strings.Join(all, " ")
}
