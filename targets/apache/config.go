package apache

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"wsgauge/scenarios"
	"wsgauge/targets"
)

// Defaults of the keys that a scenario may leave out; the package comment says
// why they are what they are.
const (
	defaultTimeout  = 300 * time.Second
	defaultBacklog  = 511 // compiled in
	defaultLogLevel = "warn"
)

// errorLogFormat is httpd's own with a time that sorts, the kernel's thread id
// (which /proc knows) in place of the C library's, and the client only where
// there is one.
const errorLogFormat = `[%{cu}t] [%-m:%l] [pid %P:tid %{g}T] [client\ %a] %E: %M`

// configuration is everything that goes into apache.conf.
type configuration struct {
	scenarios.Apache
	server  server
	size    sizing
	load    loadable
	account account
	site    targets.Site // with absolute paths
}

func (c *configuration) runDir() string       { return filepath.Join(c.site.Dir, "run") }
func (c *configuration) documentRoot() string { return filepath.Join(c.site.Dir, "htdocs") }
func (c *configuration) errorLog() string     { return filepath.Join(c.site.LogDir, "error.log") }

// writer collects lines.
type writer struct {
	strings.Builder
	lines int
}

func (w *writer) line(format string, args ...any) {
	fmt.Fprintf(w, format+"\n", args...) // a strings.Builder never fails
	w.lines++
}

// number writes a directive unless its value is left to the server.
func (w *writer) number(directive string, value int) {
	if value > 0 {
		w.line("%s %d", directive, value)
	}
}

// text is the configuration file, and the number of the line after which the
// lines of `extra:` begin, 0 when there are none.
func (c *configuration) text() (string, int, error) {
	if err := c.checkValues(); err != nil {
		return "", 0, err
	}
	var w writer
	w.line("# Written by wsgauge for one trial. %s", c.server.text)
	w.line("")
	c.writePlace(&w)
	c.writeModules(&w)
	c.writeMPM(&w)
	c.writeServing(&w)
	c.writeTLS(&w)
	c.writeStatus(&w)
	c.writeRoute(&w)
	if c.Extra == "" {
		return w.String(), 0, nil
	}
	w.line("")
	w.line("# The scenario's `extra:`.")
	at := w.lines
	w.line("%s", strings.TrimRight(c.Extra, "\n"))
	return w.String(), at, nil
}

// writePlace keeps all that the server writes in the instance's directory.
func (c *configuration) writePlace(w *writer) {
	w.line("ServerRoot \"%s\"", c.site.Dir)
	w.line("DefaultRuntimeDir \"%s\"", c.runDir())
	w.line("PidFile \"%s\"", filepath.Join(c.site.Dir, "apache.pid"))
	w.line("# Lock files end with their server, however it ends; semaphores of the kernel would stay.")
	w.line("Mutex \"file:%s\" default", c.runDir())
	w.line("ErrorLog \"%s\"", c.errorLog())
	w.line("ErrorLogFormat \"%s\"", errorLogFormat)
	w.line("LogLevel %s", c.logLevel())
	w.line("Listen %s", c.site.Listen)
	w.line("ListenBackLog %d", orDefault(c.ListenBacklog, defaultBacklog))
	w.line("ServerName %s", c.site.Listen)
	if c.account != (account{}) {
		w.line("# Only the parent is root.")
		w.line("User %s", c.account.user)
		w.line("Group %s", c.account.group)
	}
}

func (c *configuration) writeModules(w *writer) {
	w.line("")
	if c.load.dir == "" {
		w.line("# Every module needed is compiled in.")
		return
	}
	w.line("# What is needed and not compiled in. `extra:` may load more: ${modules}/mod_headers.so")
	w.line("Define modules \"%s\"", c.load.dir)
	for _, name := range c.load.names {
		module := name + "_module"
		w.line("LoadModule %s \"${modules}/mod_%s.so\"", module, name)
	}
}

func (c *configuration) writeMPM(w *writer) {
	s := c.size
	w.line("")
	w.line("# MPM %s: %d requests or tunnels at once, %s.", s.mpm, s.workers, c.spawning())
	if c.site.Opened > s.workers {
		w.line("# The scenario opens %d connections at once: %d of them will wait for an answer.", c.site.Opened, c.site.Opened-s.workers)
	}
	for _, note := range s.notes {
		w.line("# %s.", note)
	}
	// The limits first: the server reads the file in order and compares later,
	// but people compare while they read.
	w.number("ServerLimit", s.serverLimit)
	spare := "Servers"
	if s.mpm != "prefork" {
		spare = "Threads"
		w.number("ThreadLimit", s.threadLimit)
		threads := s.threadsPerChild
		if c.ThreadsPerChild > 0 {
			threads = c.ThreadsPerChild // as asked, also where it will be lowered
		}
		w.number("ThreadsPerChild", threads)
		w.number("ThreadStackSize", c.ThreadStackSize)
	}
	w.number("MaxRequestWorkers", s.maxRequestWorkers)
	w.number("StartServers", s.startServers)
	w.number("MinSpare"+spare, s.minSpare)
	w.number("MaxSpare"+spare, s.maxSpare)
	w.line("MaxConnectionsPerChild %d", c.MaxConnectionsPerChild)
	if c.AsyncRequestWorkerFactor > 0 {
		w.line("AsyncRequestWorkerFactor %s", strconv.FormatFloat(c.AsyncRequestWorkerFactor, 'f', -1, 64))
	}
	w.number("GracefulShutdownTimeout", int(c.GracefulShutdownTimeout/time.Second))
}

// spawning says in words when children come and go.
func (c *configuration) spawning() string {
	s := c.size
	switch {
	case c.Start == "stock":
		return "children started and retired as the MPM does by itself"
	case s.children*s.threadsPerChild < s.workers:
		return fmt.Sprintf("%d children started beforehand", s.children)
	case c.MaxConnectionsPerChild > 0:
		return "every child started beforehand"
	}
	return "every child started beforehand and none retired"
}

func (c *configuration) writeServing(w *writer) {
	w.line("")
	if c.route() == "legacy" {
		w.line("# No tunnel ends for its silence: the loop of mod_proxy_wstunnel has no timeout.")
	} else {
		w.line("# A tunnel without a byte in either direction ends after %d s.", int(c.idleLimit()/time.Second))
	}
	w.line("Timeout %d", int(c.timeout()/time.Second))
	w.number("ProxyTimeout", int(c.ProxyTimeout/time.Second))
	w.line("KeepAlive On")
	w.line("HostnameLookups %s", c.hostnameLookups())
	w.line("TraceEnable Off")
	w.line("ProxyRequests Off")
	w.line("# Everything is proxied; what `extra:` exempts finds an empty directory.")
	w.line("DocumentRoot \"%s\"", c.documentRoot())
}

func (c *configuration) timeout() time.Duration {
	if c.Timeout > 0 {
		return c.Timeout
	}
	return defaultTimeout
}

// idleLimit is how long a tunnel may be silent. Until 2.4.53 the shorter of the
// two timeouts counted, since then the longer.
func (c *configuration) idleLimit() time.Duration {
	backend := c.timeout()
	switch {
	case c.WorkerTimeout > 0 && !c.genericWorker():
		backend = c.WorkerTimeout
	case c.ProxyTimeout > 0:
		backend = c.ProxyTimeout
	}
	if v := c.server.version; v[0] == 2 && v[1] == 4 && v[2] < 53 {
		return min(c.timeout(), backend)
	}
	return max(c.timeout(), backend)
}

func (c *configuration) logLevel() string {
	if c.LogLevel != "" {
		return c.LogLevel
	}
	return defaultLogLevel
}

func (c *configuration) hostnameLookups() string {
	if c.HostnameLookups != "" {
		return c.HostnameLookups
	}
	return "Off"
}

var logLevelForm = regexp.MustCompile(`^[A-Za-z0-9_.:]+( [A-Za-z0-9_.:]+)*$`)

// checkValues refuses what would mean something else in the file, or nothing.
func (c *configuration) checkValues() error {
	for _, d := range []struct {
		key   string
		value time.Duration
	}{{"timeout", c.Timeout}, {"proxy_timeout", c.ProxyTimeout}, {"worker_timeout", c.WorkerTimeout},
		{"graceful_shutdown_timeout", c.GracefulShutdownTimeout}} {
		if d.value < 0 || d.value%time.Second != 0 {
			return fmt.Errorf("%s %v: Apache counts whole seconds here", d.key, d.value)
		}
	}
	if !logLevelForm.MatchString(c.logLevel()) {
		return fmt.Errorf("log_level %q: a level and, if needed, levels of modules are meant, as in \"warn proxy:trace2\"", c.LogLevel)
	}
	switch strings.ToLower(c.hostnameLookups()) {
	case "on", "off", "double":
	default:
		return fmt.Errorf("hostname_lookups %q: on, off or double is meant", c.HostnameLookups)
	}
	for _, path := range []string{c.site.Dir, c.site.LogDir, c.load.dir} {
		if err := CheckPath(path); err != nil {
			return err
		}
	}
	if len(c.site.Backends) == 0 {
		return fmt.Errorf("preparing Apache: there is no backend to route to")
	}
	if err := checkRoute(c.Apache); err != nil {
		return err
	}
	if err := c.checkTLS(); err != nil {
		return err
	}
	return checkExtra(c.Extra)
}

// CheckPath refuses a path that cannot stand in a configuration file: between quotes
// a space is one, but a quote, a backslash or a ${ has a meaning of its own.
func CheckPath(path string) error {
	if strings.ContainsAny(path, "\"\\\n\r") || strings.Contains(path, "${") {
		return fmt.Errorf("the path %q holds a character that Apache's configuration gives a meaning to (choose another directory)", path)
	}
	return nil
}
