package runner

import (
	"fmt"
	"net/netip"
	"os"

	"wsgauge/internal/certs"
	"wsgauge/loadgen"
	"wsgauge/targets"
)

// loopback is where a server with a configuration of the user's own may listen.
var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// certify makes the trial's certificates, when anything in it speaks TLS. They lie
// in its temporary directory and go with it; the agents get the authority's with
// their assignment.
func (t *trial) certify() error {
	s := t.run.scenario
	if t.target.external() != nil {
		return nil // it has its own
	}
	if !s.Backend.TLS && !s.WSS(t.target.Target) {
		return nil
	}
	dir, err := os.MkdirTemp(t.dir, "tls-")
	if err != nil {
		return fmt.Errorf("a directory for the trial's certificates: %w", err)
	}
	made, err := certs.Make(dir, []netip.Addr{t.site.target, t.site.backend, loopback})
	if err != nil {
		return err
	}
	ca, err := os.ReadFile(made.CA)
	if err != nil {
		return fmt.Errorf("reading the trial's authority: %w", err)
	}
	files := targets.Certificates(made)
	t.files, t.trust = &files, &loadgen.Trust{CA: string(ca)}
	return t.trustRemote()
}
