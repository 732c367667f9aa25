package apache

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"wsgauge/targets"
)

// askTimeout bounds a question to the server (-V, -l, -t). They take a few
// milliseconds on an idle machine.
const askTimeout = 20 * time.Second

type version [3]int

func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

// host is what is asked of the machine; tests put another one in its place.
type host struct {
	root       bool                          // whether we may, and so must, change user
	lookPath   func(string) (string, error)  // exec.LookPath
	servers    []string                      // tried after the PATH
	moduleDirs []string                      // glob patterns, tried after the server's own
	osRelease  string                        // path
	user       func(string) (account, error) // fails for a user that does not exist
}

func thisHost() host {
	return host{
		root:     os.Geteuid() == 0,
		lookPath: exec.LookPath,
		servers: []string{
			"/usr/sbin/apache2", "/usr/sbin/httpd", "/usr/local/apache2/bin/httpd",
			"/usr/local/sbin/httpd", "/usr/bin/httpd", "/opt/apache2/bin/httpd",
		},
		moduleDirs: []string{
			"/usr/lib/apache2/modules", "/etc/httpd/modules", "/usr/lib64/httpd/modules",
			"/usr/lib/httpd/modules", "/usr/lib64/apache2", "/usr/lib/apache2",
			"/usr/lib/*/apache2/modules", "/usr/local/apache2/modules",
		},
		osRelease: "/etc/os-release",
		user:      lookupAccount,
	}
}

// server is an httpd that was found and asked.
type server struct {
	path    string
	given   bool // by the scenario, so not one that a package would mend
	text    string
	version version
	root    string   // HTTPD_ROOT
	static  []string // compiled in: "mod_unixd", "event"
}

// find returns the server at path, or the first one that the machine has and that is
// new enough.
func (h host) find(path string, need gate) (server, error) {
	if path != "" {
		abs, err := filepath.Abs(path)
		if err != nil {
			return server{}, fmt.Errorf("looking for Apache httpd at %s: %w", path, err)
		}
		missing := &targets.MissingError{What: "the Apache httpd of `server: " + path + "`",
			Remedy: "give the path of a build's httpd, or leave server out to use the one installed"}
		if _, err := os.Stat(abs); err != nil {
			return server{}, missing
		}
		s, err := ask(abs, need)
		if err != nil {
			missing.Why = "cannot be used: " + err.Error()
			return server{}, missing
		}
		s.given = true
		return s, nil
	}
	var refused error // the reason why the first candidate will not do
	for _, candidate := range h.candidates() {
		s, err := ask(candidate, need)
		if err == nil {
			return s, nil
		}
		if refused == nil {
			refused = err
		}
	}
	if refused != nil {
		return server{}, &targets.MissingError{What: "Apache httpd", Why: "cannot be used: " + refused.Error(), Remedy: h.remedy("")}
	}
	return server{}, &targets.MissingError{What: "Apache httpd", Remedy: h.remedy("")}
}

// candidates are the files that may be an httpd, in order of preference.
func (h host) candidates() []string {
	var found []string
	add := func(path string) {
		real, err := filepath.EvalSymlinks(path)
		// busybox has an httpd as well, and would take -V for something else.
		if err != nil || strings.Contains(filepath.Base(real), "busybox") {
			return
		}
		if !slices.Contains(found, path) {
			found = append(found, path)
		}
	}
	for _, name := range []string{"apache2", "httpd"} {
		if path, err := h.lookPath(name); err == nil {
			add(path)
		}
	}
	for _, path := range h.servers {
		add(path)
	}
	return found
}

// ask has the server at path say what it is.
func ask(path string, need gate) (server, error) {
	// Without -f, -V reads the system's configuration to name the MPM. With an
	// empty one it complains of the missing MPM after its answer, so the answer
	// counts here and not the exit code.
	out, err := run(path, "-V", "-f", os.DevNull)
	s := server{path: path}
	if !s.parseSettings(out) {
		if err == nil {
			err = errors.New("its answer names no version")
		}
		return s, fmt.Errorf("%s is not a usable Apache httpd: -V: %w%s", path, err, quoted(out))
	}
	if !need.admits(s.version) {
		return s, fmt.Errorf("%s is %s: Apache httpd %s or newer is needed, since %s (name another build by `server:`)",
			path, s.text, need.least, need.why)
	}
	if out, err = run(path, "-l"); err != nil {
		return s, fmt.Errorf("asking %s for its compiled-in modules: -l: %w%s", path, err, quoted(out))
	}
	for line := range strings.Lines(out) {
		if name, isModule := strings.CutSuffix(strings.TrimSpace(line), ".c"); isModule {
			s.static = append(s.static, name)
		}
	}
	return s, nil
}

var (
	versionLine = regexp.MustCompile(`^Server version:\s*(Apache/(\d+)\.(\d+)\.(\d+).*)$`)
	rootLine    = regexp.MustCompile(`^\s*-D HTTPD_ROOT="(.*)"$`)
)

// parseSettings reads the answer to -V and tells whether it names a version.
func (s *server) parseSettings(out string) bool {
	lines := bufio.NewScanner(strings.NewReader(out))
	for lines.Scan() {
		if m := versionLine.FindStringSubmatch(lines.Text()); m != nil {
			s.text = strings.TrimSpace(m[1])
			for i := range s.version {
				n, err := strconv.Atoi(m[2+i])
				if err != nil {
					return false // a number of more digits than an int has
				}
				s.version[i] = n
			}
		}
		if m := rootLine.FindStringSubmatch(lines.Text()); m != nil {
			s.root = m[1]
		}
	}
	return s.text != "" && lines.Err() == nil
}

// run asks a server a question and returns what it wrote. The server gets a process
// group of its own: the Ctrl-C of a terminal goes to all of ours, and would make it
// look like a server that cannot be used.
func run(path string, args ...string) (string, error) { return runIn("", nil, path, args...) }

// runIn is run in a directory, with additions to our environment.
func runIn(dir string, env []string, path string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // all that it has started
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = fmt.Errorf("no answer within %v", askTimeout)
	}
	return string(bytes.TrimSpace(out)), err
}

// quoted sets a server's output under an error, if there is any.
func quoted(out string) string {
	if out == "" {
		return ""
	}
	const most = 2000
	if len(out) > most {
		out = out[:most] + " ..."
	}
	return "\n" + out
}

func fileSHA256(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("hashing the Apache httpd: %w", err)
	}
	defer f.Close() // only read from
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", fmt.Errorf("hashing %s: %w", path, err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// account is whom the workers run as.
type account struct{ user, group string } // zero: as we do

// account picks whom the workers run as when we are root: httpd's own user on
// Debian, Red Hat and the other distributions, or any that owns nothing.
func (h host) account() (account, error) {
	if !h.root {
		return account{}, nil
	}
	names := []string{"www-data", "apache", "httpd", "wwwrun", "http", "nobody", "daemon"}
	for _, name := range names {
		if a, err := h.user(name); err == nil {
			return a, nil
		}
	}
	return account{}, fmt.Errorf("choosing an unprivileged user for Apache's workers: none of %s exists (create one, or do not run as root)",
		strings.Join(names, ", "))
}

func lookupAccount(name string) (account, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return account{}, err
	}
	a := account{user: name, group: "#" + u.Gid}
	if g, err := user.LookupGroupId(u.Gid); err == nil {
		a.group = g.Name
	}
	return a, nil
}
