package external

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"wsgauge/internal/proc"
	"wsgauge/internal/tlsconn"
	"wsgauge/scenarios"
	"wsgauge/targets"
)

// resolveWithin bounds the resolution of a host's name.
const resolveWithin = 10 * time.Second

// fromEnv begins a header's value that names an environment variable.
const fromEnv = "env:"

// Target is a proxy that runs already.
type Target struct {
	config scenarios.External
	// ParseStatus reads the page at config.Status.
	parseStatus func(page []byte) (targets.Workers, error)

	addrs  []netip.AddrPort // nil: not found yet
	reach  targets.Reach
	status *targets.Status
}

var _ targets.Target = (*Target)(nil)

// New describes a target; parseStatus reads its status page, if it has one.
func New(config scenarios.External, parseStatus func(page []byte) (targets.Workers, error)) *Target {
	return &Target{config: config, parseStatus: parseStatus}
}

// Find resolves the host, once for all trials, reads the authorities and the variables
// that headers name, and looks whether the processes can be watched. Nothing is sent to
// the target. The error names everything that is wrong.
func (t *Target) Find() (targets.Version, error) {
	u, err := t.parse()
	if err != nil {
		return targets.Version{}, err
	}
	var wrong []error
	note := func(err error) {
		if err != nil {
			wrong = append(wrong, err)
		}
	}
	t.addrs, err = resolve(u)
	note(err)
	t.reach = targets.Reach{Host: u.Host, Path: u.RequestURI()}
	trust, err := t.trust(u)
	note(err)
	if u.Scheme == "wss" {
		t.reach.TLS = trust
	}
	t.reach.Headers, err = headers(t.config.Headers)
	note(err)
	note(t.watchable())
	if err := errors.Join(wrong...); err != nil {
		return targets.Version{}, err
	}
	if t.status, err = t.statusPage(u, trust); err != nil {
		return targets.Version{}, err
	}
	return targets.Version{Text: "runs already at " + u.Scheme + "://" + u.Host}, nil
}

// parse reads the URL.
func (t *Target) parse() (*url.URL, error) {
	u, err := url.Parse(t.config.URL)
	switch {
	case err != nil:
		return nil, fmt.Errorf("url %q: %w", t.config.URL, err)
	case u.Scheme != "ws" && u.Scheme != "wss":
		return nil, fmt.Errorf("url %q: begin it with ws:// or wss://", t.config.URL)
	case u.Hostname() == "":
		return nil, fmt.Errorf("url %q: it names no host", t.config.URL)
	case u.User != nil:
		return nil, errors.New(`url: it holds a user; give headers: {Authorization: "env:NAME"} instead, which is in no record`)
	case u.Fragment != "":
		return nil, fmt.Errorf("url %q: RFC 6455 section 3 allows no fragment", t.config.URL)
	}
	return u, nil
}

// resolve returns every address of the URL's host, in the resolver's order.
func resolve(u *url.URL) ([]netip.AddrPort, error) {
	port := map[string]uint16{"ws": 80, "wss": 443}[u.Scheme]
	if text := u.Port(); text != "" {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("url: port %s: give one from 1 to 65535", text)
		}
		port = uint16(n)
	}
	ctx, cancel := context.WithTimeout(context.Background(), resolveWithin)
	defer cancel()
	list, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		return nil, fmt.Errorf("resolving the host of %s: %w; give an address, or mend the name", u.Host, err)
	}
	var addrs []netip.AddrPort
	for _, a := range list {
		if at := netip.AddrPortFrom(a.Unmap(), port); !slices.Contains(addrs, at) {
			addrs = append(addrs, at)
		}
	}
	if len(addrs) == 0 {
		return nil, fmt.Errorf("resolving the host of %s: it has no address", u.Host)
	}
	return addrs, nil
}

// trust is whom to believe about the target, and about its status page.
func (t *Target) trust(u *url.URL) (*targets.Trust, error) {
	asked := t.config.TLS
	trust := &targets.Trust{Name: asked.ServerName, Insecure: asked.Insecure}
	if trust.Name == "" {
		trust.Name = u.Hostname()
	}
	if asked.CA == "" {
		return trust, nil
	}
	pem, err := os.ReadFile(asked.CA)
	if err != nil {
		return nil, fmt.Errorf("tls: ca: %w", err)
	}
	trust.CA = string(pem)
	if _, err := tlsconn.ClientConfig(pem, trust.Name, tlsconn.Options{}); err != nil || trust.CA == "" {
		return nil, fmt.Errorf("tls: ca: %s holds no certificate of an authority (PEM)", asked.CA)
	}
	return trust, nil
}

// headers puts variables in their places.
func headers(asked map[string]string) (map[string]string, error) {
	out := map[string]string{}
	var wrong []error
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		out[name] = asked[name]
		variable, ok := strings.CutPrefix(asked[name], fromEnv)
		if !ok {
			continue
		}
		value, set := os.LookupEnv(variable)
		switch {
		case !set:
			wrong = append(wrong, fmt.Errorf("header %s: the environment has no variable %s; set it: `export %s=...`", name, variable, variable))
		case strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }):
			// Whoever finds it later would quote it.
			wrong = append(wrong, fmt.Errorf("header %s: the value of the variable %s holds a control character, such as the end of a line", name, variable))
		}
		out[name] = value
	}
	return out, errors.Join(wrong...)
}

// statusPage is where the target tells how busy it is. The headers, which may be a
// credential, go to no other host than the target's.
func (t *Target) statusPage(u *url.URL, trust *targets.Trust) (*targets.Status, error) {
	if t.config.Status == "" {
		return nil, nil
	}
	page, err := url.Parse(t.config.Status)
	if err != nil || page.Scheme != "http" && page.Scheme != "https" || page.Host == "" {
		return nil, fmt.Errorf("status %q: want a URL of http or https, such as http://127.0.0.1/server-status?auto", t.config.Status)
	}
	s := &targets.Status{URL: t.config.Status, Parse: t.parseStatus}
	if page.Hostname() == u.Hostname() {
		s.Headers = t.reach.Headers
	}
	if page.Scheme == "https" {
		name := page.Hostname()
		if name == u.Hostname() {
			name = trust.Name
		}
		if s.TLS, err = TLS(&targets.Trust{CA: trust.CA, Name: name, Insecure: trust.Insecure}); err != nil {
			return nil, fmt.Errorf("status: %w", err)
		}
	}
	return s, nil
}

// TLS is the configuration of a client that believes as trust says; nil for nil.
func TLS(trust *targets.Trust) (*tls.Config, error) {
	if trust == nil {
		return nil, nil
	}
	c, err := tlsconn.ClientConfig([]byte(trust.CA), trust.Name, tlsconn.Options{})
	if err != nil {
		return nil, err
	}
	c.InsecureSkipVerify = trust.Insecure
	return c, nil
}

// watchable looks whether what is to be watched can be.
func (t *Target) watchable() error {
	pids, err := t.Processes()
	wrong := []error{err}
	for _, pid := range pids {
		wrong = append(wrong, proc.Watchable(pid))
	}
	if len(pids) > 0 {
		_, err := proc.Strangers(t.Processes).Members()
		wrong = append(wrong, err)
	}
	return errors.Join(wrong...)
}

// Processes are those to watch now; nil: none.
func (t *Target) Processes() ([]int, error) {
	if t.config.Unit != "" {
		return proc.UnitProcesses(t.config.Unit)
	}
	return t.config.PIDs, nil
}

// Watched tells whether processes of the target are.
func (t *Target) Watched() bool { return len(t.config.PIDs) > 0 || t.config.Unit != "" }

// Addrs are where clients dial, once Find has resolved them; Keep leaves some out.
func (t *Target) Addrs() []netip.AddrPort { return slices.Clone(t.addrs) }

// Keep leaves only these addresses, for all trials.
func (t *Target) Keep(addrs []netip.AddrPort) { t.addrs = slices.Clone(addrs) }

// Local tells whether every address is one of this machine (in this network namespace).
func (t *Target) Local() (bool, error) {
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false, fmt.Errorf("listing this machine's addresses: %w", err)
	}
	for _, addr := range t.addrs {
		if addr.Addr().IsLoopback() {
			continue
		}
		if !slices.ContainsFunc(own, func(a net.Addr) bool {
			n, ok := a.(*net.IPNet)
			return ok && n.IP.Equal(addr.Addr().AsSlice())
		}) {
			return false, nil
		}
	}
	return true, nil
}

// Loopback tells whether clients can dial every address from any in 127.0.0.0/8.
func (t *Target) Loopback() bool {
	return !slices.ContainsFunc(t.addrs, func(a netip.AddrPort) bool { return !a.Addr().Is4() || !a.Addr().IsLoopback() })
}

// Prepare describes the target; nothing is written, and the site is not used. Find comes
// first.
func (t *Target) Prepare(targets.Site) (*targets.Instance, error) {
	if t.addrs == nil {
		return nil, errors.New("external: it was not looked for")
	}
	reach := t.reach
	in := &targets.Instance{Addrs: t.Addrs(), Config: t.describe(), Reach: &reach, Status: t.status}
	if t.Watched() {
		in.Processes = t.Processes
		in.Graceful, in.Restart = t.reload("graceful"), t.reload("restart")
	}
	return in, nil
}

// reloads are the signals by which known servers reload, by the name of the program.
var reloads = map[string]map[string]syscall.Signal{
	"apache2": {"graceful": syscall.SIGUSR1, "restart": syscall.SIGHUP, "graceful_stop": syscall.SIGWINCH},
	"httpd":   {"graceful": syscall.SIGUSR1, "restart": syscall.SIGHUP, "graceful_stop": syscall.SIGWINCH},
	"nginx":   {"graceful": syscall.SIGHUP, "graceful_stop": syscall.SIGQUIT},
	"haproxy": {"graceful": syscall.SIGUSR2, "graceful_stop": syscall.SIGUSR1},
}

// signals are those that mean the same to every process.
var signals = map[string]syscall.Signal{"stop": syscall.SIGTERM, "kill": syscall.SIGKILL, "pause": syscall.SIGSTOP, "resume": syscall.SIGCONT}

// Signal is what a signal step sends to the first process: of a reload that depends on
// which server it is, and none is started anew here.
func (t *Target) Signal(step string) (syscall.Signal, error) {
	if sig, ok := signals[step]; ok {
		return sig, nil
	}
	pids, err := t.Processes()
	if err != nil {
		return 0, err
	}
	if len(pids) == 0 {
		return 0, errors.New("no process is watched")
	}
	name, err := proc.ProcessName(pids[0])
	if err != nil {
		return 0, fmt.Errorf("looking at process %d: %w", pids[0], err)
	}
	sig, ok := reloads[name][step]
	if !ok {
		return 0, fmt.Errorf("by which signal %s (process %d) does that is not known; stop, kill, pause and resume are", name, pids[0])
	}
	return sig, nil
}

// reload is a signal as an action; zero where there is none.
func (t *Target) reload(step string) targets.Action {
	sig, err := t.Signal(step)
	if err != nil {
		return targets.Action{} // who asks for it learns why from Signal
	}
	return targets.Action{Signal: sig}
}

// describe is what a reader of the record should know. Values of headers are as the
// scenario has them: a variable's is not there.
func (t *Target) describe() string {
	text := "runs already; not started, changed or stopped by wsgauge\nurl " + t.config.URL + "\n"
	for _, a := range t.addrs {
		text += "address " + a.String() + "\n"
	}
	for _, name := range slices.Sorted(maps.Keys(t.config.Headers)) {
		text += "header " + name + ": " + t.config.Headers[name] + "\n"
	}
	if t.reach.TLS != nil {
		switch {
		case t.reach.TLS.Insecure:
			text += "certificate not looked at\n"
		case t.config.TLS.CA != "":
			text += "certificate for " + t.reach.TLS.Name + " by an authority in " + t.config.TLS.CA + "\n"
		default:
			text += "certificate for " + t.reach.TLS.Name + " by an authority of the system\n"
		}
	}
	if t.config.Status != "" {
		text += "status " + t.config.Status + "\n"
	}
	switch {
	case t.config.Unit != "":
		text += "watched: unit " + t.config.Unit + "\n"
	case len(t.config.PIDs) > 0:
		text += fmt.Sprintf("watched: processes %v and their descendants\n", t.config.PIDs)
	default:
		text += "its processes are not watched\n"
	}
	return text
}
