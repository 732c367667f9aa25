package tunnel

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"wsgauge/scenarios"
	"wsgauge/targets"
)

// stopGrace is ample: the process closes its sockets and ends.
const stopGrace = 5 * time.Second

// Target is the reference tunnel as a scenario asks for it: a child process of
// the same program.
type Target struct{ config scenarios.Tunnel }

var _ targets.Target = (*Target)(nil)

// New returns the target for one `tunnel` entry of a scenario.
func New(config scenarios.Tunnel) *Target { return &Target{config: config} }

// Find describes the running program, which is the tunnel too.
func (t *Target) Find() (targets.Version, error) {
	path, err := os.Executable()
	if err != nil {
		return targets.Version{}, fmt.Errorf("tunnel: finding the running program: %w", err)
	}
	file, err := os.Open(path)
	if err != nil {
		return targets.Version{}, fmt.Errorf("tunnel: reading the running program to identify it: %w", err)
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return targets.Version{}, fmt.Errorf("tunnel: reading the running program to identify it: %w", err)
	}
	return targets.Version{
		Text: "wsgauge tunnel, " + runtime.Version(), Path: path,
		SHA256: hex.EncodeToString(sum.Sum(nil)),
	}, nil
}

// Prepare gives the command that starts the tunnel; it needs no files.
func (t *Target) Prepare(site targets.Site) (*targets.Instance, error) {
	switch {
	case site.Executable == "":
		return nil, errors.New("tunnel: the path of the program to start is not known")
	case !site.Listen.IsValid() || site.Listen.Port() == 0:
		return nil, fmt.Errorf("tunnel: %v is no address with a port to listen on", site.Listen)
	case len(site.Backends) == 0:
		return nil, errors.New("tunnel: there is no backend to lead to; start one first")
	}
	var backends []string
	for _, b := range site.Backends {
		backends = append(backends, b.String())
	}
	args := []string{"tunnel", "--listen", site.Listen.String(), "--backend", strings.Join(backends, ",")}
	// With one source there are ports enough on the kernel's own choice.
	if len(site.Sources) > 1 {
		var sources []string
		for _, s := range site.Sources {
			sources = append(sources, s.String())
		}
		args = append(args, "--source", strings.Join(sources, ","))
	}
	if n := t.config.MaxTunnels; n > 0 {
		args = append(args, "--max-tunnels", strconv.Itoa(n))
	}
	if d := t.config.IdleTimeout; d > 0 {
		args = append(args, "--idle-timeout", d.String())
	}
	tls, files := t.config.TLS, site.Certificates
	if (tls.Frontend || tls.Backend) && files == nil {
		return nil, errors.New("tunnel: a leg is to speak TLS, and there are no certificates")
	}
	if tls.Frontend {
		args = append(args, "--tls-cert", files.Cert, "--tls-key", files.Key)
	}
	if tls.Backend {
		args = append(args, "--backend-tls-ca", files.CA)
	}
	if tls.Min != "" && (tls.Frontend || tls.Backend) {
		args = append(args, "--tls-versions", tls.Min+"-"+tls.Max)
	}
	if text := injection(t.config.Inject).String(); text != "" {
		args = append(args, "--inject", text)
	}
	in := &targets.Instance{
		Addrs:     []netip.AddrPort{site.Listen},
		StopGrace: stopGrace,
	}
	if n := t.config.Processes; n > 1 {
		args = append(args, "--processes", strconv.Itoa(n))
		in.Settled = func(processes, _ int) bool { return processes == n+1 }
	}
	in.Argv = append([]string{site.Executable}, args...)
	in.Config = "wsgauge " + strings.Join(args, " ") + "\n"
	return in, nil
}
