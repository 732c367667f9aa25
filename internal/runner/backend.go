package runner

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"wsgauge/echo"
	"wsgauge/echo/node"
	"wsgauge/echo/python"
	"wsgauge/echo/script"
	"wsgauge/internal/proc"
	"wsgauge/results"
)

// backend is the echo server of a run, as it was found. Neither of the two is set for
// wsgauge's own.
type backend struct {
	script *script.Script // of another runtime
	remote *remote        // runs already
}

// findWithin bounds the search for a backend: interpreters are asked, names resolved.
const findWithin = 30 * time.Second

// findBackend looks for what the scenario's backend needs here.
func (r *run) findBackend() error {
	ctx, cancel := context.WithTimeout(context.Background(), findWithin)
	defer cancel()
	b := r.scenario.Backend
	var err error
	if b.External != "" {
		r.backend.remote, err = locate(ctx, b.External)
	} else {
		r.backend.script, err = findScript(ctx, b.Runtime)
	}
	if err != nil {
		return fmt.Errorf("backend: %w", err)
	}
	return nil
}

// findScript finds a runtime by its name; nil for wsgauge's own.
func findScript(ctx context.Context, runtime string) (*script.Script, error) {
	switch runtime {
	case "", "go":
		return nil, nil
	case "node":
		return node.Find(ctx)
	case "python":
		return python.Find(ctx)
	}
	return nil, fmt.Errorf("there is none of the runtime %q; give go, node or python", runtime)
}

// backendInfo is the backend for the record. Sum is the hash of our own executable.
func (r *run) backendInfo(sum string) *results.BackendInfo {
	switch b := r.backend; {
	case b.remote != nil:
		return &results.BackendInfo{URL: r.scenario.Backend.External, Addrs: b.remote.addrs}
	case b.script != nil:
		return &results.BackendInfo{Runtime: b.script.Runtime, Version: b.script.Version, Path: b.script.Path,
			SHA256: b.script.SHA256, Instances: r.spread.backends, TLS: r.scenario.Backend.TLS}
	}
	return &results.BackendInfo{Runtime: "go", Version: "wsgauge " + r.Version, Path: r.Executable,
		SHA256: sum, Instances: r.spread.backends, TLS: r.scenario.Backend.TLS}
}

// startBackend starts a backend on a port that is free, or with one that runs already
// notes where.
func (t *trial) startBackend(ctx context.Context, index int) error {
	if b := t.run.backend.remote; b != nil {
		t.addrs = append(t.addrs, b.addrs[index])
		return nil
	}
	return t.run.onFreePort(t.site.backend, func(addr netip.AddrPort) error {
		child, err := t.launchBackend(ctx, index, addr)
		if err == nil {
			t.backends, t.addrs = append(t.backends, child), append(t.addrs, addr)
		}
		return err
	})
}

// launchBackend starts a backend on an address and proves it ready.
func (t *trial) launchBackend(ctx context.Context, index int, addr netip.AddrPort) (*proc.Child, error) {
	r := t.run
	spec := proc.Spec{Name: "backend", Output: filepath.Join(t.logDir, "backend.log"), CPUs: t.cpus().backend}
	if r.spread.backends > 1 {
		spec.Name = fmt.Sprintf("backend %d", index)
	}
	if r.backend.script == nil { // others could not keep it short, nor be told to
		t.cpus().prompt(&spec, r.record.Placement.AgentsNice)
	}
	r.raiseFiles(&spec)
	var err error
	if spec.Argv, err = t.backendCommand(addr); err != nil {
		return nil, err
	}
	child, err := r.keeper.Start(spec)
	if err != nil {
		return nil, err
	}
	if err := t.ready(ctx, child, addr, r.scenario.Backend.TLS, readyWithin); err != nil {
		return nil, errors.Join(err, child.Stop(context.WithoutCancel(ctx), time.Second))
	}
	return child, nil
}

// backendCommand is what starts a backend on addr.
func (t *trial) backendCommand(addr netip.AddrPort) ([]string, error) {
	r := t.run
	cert, key := "", ""
	if r.scenario.Backend.TLS {
		cert, key = t.files.Cert, t.files.Key
	}
	if s := r.backend.script; s != nil {
		dir := filepath.Join(t.dir, "backend")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("a directory for the backend's script: %w", err)
		}
		path, err := s.Write(dir)
		if err != nil {
			return nil, err
		}
		return s.Command(path, addr, echo.DefaultMaxMessage, cert, key), nil
	}
	argv := []string{r.Executable, "echo", "--listen", addr.String()}
	if _, share := t.cpus().realtime(r.spread.agents*r.scenario.Agents.Workers, r.spread.backends); share > 0 {
		argv = append(argv, "--realtime", strconv.FormatFloat(share, 'g', 3, 64))
	}
	if cert != "" {
		argv = append(argv, "--tls-cert", cert, "--tls-key", key)
	}
	return argv, nil
}

// InstalledBackend is a backend's runtime and whether it can be used here.
type InstalledBackend struct {
	Runtime string
	Version string
	Path    string
	Missing *script.MissingError // nil: it can
}

// Backends lists every runtime of a backend. Executable and version are this wsgauge's.
func Backends(ctx context.Context, executable, version string) ([]InstalledBackend, error) {
	out := []InstalledBackend{{Runtime: "go", Version: "wsgauge " + version, Path: executable}}
	for _, runtime := range []string{"node", "python"} {
		b := InstalledBackend{Runtime: runtime}
		s, err := findScript(ctx, runtime)
		switch {
		case errors.As(err, &b.Missing):
		case err != nil:
			return nil, err
		default:
			b.Version, b.Path = s.Version, s.Path
		}
		out = append(out, b)
	}
	return out, nil
}

// spreadBackends is how many backends share the connections.
func (r *run) spreadBackends() {
	if r.backend.remote != nil {
		r.spread.backends = len(r.backend.remote.addrs)
	}
}

// path is the path of connects that name none: that of a backend which runs already, or
// the root.
func (t *trial) path() string {
	if b := t.run.backend.remote; b != nil {
		return b.path
	}
	return "/"
}

// direct tells whether clients connect to the backend itself.
func (t *trial) direct() bool { return t.target.Direct }
