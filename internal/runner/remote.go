package runner

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"wsgauge/echo"
	"wsgauge/internal/tlsconn"
)

// remote is a backend that somebody else runs.
type remote struct {
	host  string // the Host header: name and port, or address and port
	name  string // whom its certificate is for
	path  string // with the query
	tls   bool
	addrs []netip.AddrPort
}

// mostAddresses bounds what a name may resolve to.
const mostAddresses = 64

// locate finds the addresses of a backend by its URL. Where a name has addresses of
// both families, those of IPv4 are taken: localhost mostly is served by one alone.
func locate(ctx context.Context, text string) (*remote, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("external: %w", err)
	}
	if u.Scheme != "ws" && u.Scheme != "wss" || u.Hostname() == "" || u.User != nil {
		return nil, fmt.Errorf("external: %s is no URL of a WebSocket server; give one such as ws://127.0.0.1:9001/path", u.Redacted())
	}
	port, err := strconv.ParseUint(cmp.Or(u.Port(), map[string]string{"ws": "80", "wss": "443"}[u.Scheme]), 10, 16)
	if err != nil || port == 0 {
		return nil, fmt.Errorf("external: %s has no port between 1 and 65535", u.Redacted())
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		return nil, fmt.Errorf("external: finding the address of %s: %w", u.Hostname(), err)
	}
	b := &remote{host: u.Host, name: u.Hostname(), path: cmp.Or(u.RequestURI(), "/"), tls: u.Scheme == "wss"}
	for _, v4 := range []bool{true, false} {
		for _, a := range found {
			if a = a.Unmap(); a.Is4() == v4 {
				b.addrs = append(b.addrs, netip.AddrPortFrom(a, uint16(port)))
			}
		}
		if len(b.addrs) > 0 {
			break
		}
	}
	slices.SortFunc(b.addrs, netip.AddrPort.Compare)
	b.addrs = slices.Compact(b.addrs)
	if n := len(b.addrs); n == 0 || n > mostAddresses {
		return nil, fmt.Errorf("external: %s has %d addresses, 1 to %d can be used", u.Hostname(), n, mostAddresses)
	}
	return b, nil
}

// loopback tells whether all of it is on this machine, as far as addresses say.
func (b *remote) loopback() bool {
	return !slices.ContainsFunc(b.addrs, func(a netip.AddrPort) bool { return !a.Addr().IsLoopback() || !a.Addr().Is4() })
}

// probeWithin bounds the proof that a backend which runs already echoes.
const probeWithin = 20 * time.Second

// fault tells what keeps it from echoing now; empty: nothing.
func (b *remote) fault() string {
	ctx, cancel := context.WithTimeoutCause(context.Background(), probeWithin, fmt.Errorf("not all of its addresses answered within %v", probeWithin))
	defer cancel()
	config, err := b.trust()
	if err != nil {
		return "backend: external: " + err.Error()
	}
	for _, addr := range b.addrs {
		one, done := context.WithTimeout(ctx, 5*time.Second)
		err := echo.ProbeTLS(one, addr, b.host, b.path, netip.Addr{}, config)
		done()
		if err != nil {
			return fmt.Sprintf("backend: external: it does not echo: %v; start it first, or see what the URL leads to", err)
		}
	}
	return ""
}

// trust is how clients connect to it; nil: by ws.
func (b *remote) trust() (*tls.Config, error) {
	if !b.tls {
		return nil, nil
	}
	ca, err := systemAuthorities()
	if err != nil {
		return nil, err
	}
	return tlsconn.ClientConfig(ca, b.name, tlsconn.Options{})
}

// systemAuthorities are the certificates that programs of this machine trust, PEM:
// those of SSL_CERT_FILE, or of the file that the distributions have.
func systemAuthorities() ([]byte, error) {
	files := []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"}
	if own := os.Getenv("SSL_CERT_FILE"); own != "" {
		files = []string{own}
	}
	var errs []error
	for _, file := range files {
		pem, err := os.ReadFile(file)
		if err == nil {
			return pem, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("no authorities to judge its certificate by; SSL_CERT_FILE names a file of them: %w", errors.Join(errs...))
}

// trustRemote adds the machine's authorities to those of the trial, for whoever
// connects to a backend that runs already by wss.
func (t *trial) trustRemote() error {
	if b := t.run.backend.remote; b == nil || !b.tls {
		return nil
	}
	more, err := systemAuthorities()
	if err != nil {
		return err
	}
	both := strings.TrimSpace(t.trust.CA) + "\n" + string(more)
	if err := os.WriteFile(t.files.CA, []byte(both), 0o600); err != nil {
		return fmt.Errorf("adding the machine's authorities to the trial's: %w", err)
	}
	if t.direct() {
		t.trust.CA = both
	}
	return nil
}

// placeRemote leaves the choice of a source address to the kernel where a backend runs
// elsewhere: from loopback there is no way to it.
func (t *trial) placeRemote() {
	if b := t.run.backend.remote; b == nil || b.loopback() {
		return
	}
	t.site.onward = nil
	if t.direct() {
		t.site.sources = nil
	}
}

// ours leaves out the back leg where it leads to a backend that runs already: that may
// have other clients, for which nobody can wait.
func (t *trial) ours(leg func(local, remote netip.AddrPort) string) func(local, remote netip.AddrPort) string {
	if t.run.backend.remote == nil {
		return leg
	}
	return func(local, remote netip.AddrPort) string {
		if name := leg(local, remote); name != "back" {
			return name
		}
		return ""
	}
}

// remoteLeg names the side of the target that a socket serves by the connecting end:
// that of a backend elsewhere may be out of sight, and has others' connections.
func (t *trial) remoteLeg(local, to netip.AddrPort) string {
	switch {
	case t.direct() && slices.Contains(t.addrs, to):
		return "front"
	case slices.Contains(t.instance.Addrs, local) && !t.direct():
		return "front"
	case slices.Contains(t.addrs, to):
		return "back"
	}
	return ""
}
