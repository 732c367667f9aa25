package program

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"wsgauge/internal/certs"
	"wsgauge/targets"
)

// Rehearse has a target prepare an instance before a run starts anything, so that a
// mistake in a user's own text is found then. The addresses and directories of a trial
// are not there yet: others stand for them, and are gone afterwards.
func Rehearse(prepare func(targets.Site) (*targets.Instance, error)) error {
	dir, err := os.MkdirTemp("", "wsgauge-check-")
	if err != nil {
		return fmt.Errorf("a directory to check a configuration in: %w", err)
	}
	err = rehearse(dir, prepare)
	return errors.Join(err, os.RemoveAll(dir))
}

func rehearse(dir string, prepare func(targets.Site) (*targets.Instance, error)) error {
	site := targets.Site{Dir: filepath.Join(dir, "target"), LogDir: filepath.Join(dir, "logs"),
		Backends: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:9")}}
	for _, d := range []string{site.Dir, site.LogDir} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return fmt.Errorf("a directory to check a configuration in: %w", err)
		}
	}
	// nginx binds to where it is to listen when it checks.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("a port to check a configuration with: %w", err)
	}
	site.Listen = l.Addr().(*net.TCPAddr).AddrPort()
	if err := l.Close(); err != nil {
		return fmt.Errorf("a port to check a configuration with: %w", err)
	}
	made, err := certs.Make(dir, []netip.Addr{site.Listen.Addr()})
	if err != nil {
		return err
	}
	files := targets.Certificates(made)
	site.Certificates = &files
	_, err = prepare(site)
	return err
}
