package apache

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"wsgauge/scenarios"
	"wsgauge/targets"
)

// mpms are the process models, as `-l` names one that is compiled in.
var mpms = []string{"event", "worker", "prefork"}

// needed lists the modules of a configuration without their "mod_" prefix, in
// the order in which they are to be loaded.
func needed(a scenarios.Apache, mpm string, backends int) []string {
	names := []string{"mpm_" + mpm, "unixd", "authz_core", "proxy", "proxy_http"}
	switch routeOf(a) {
	case "rewrite":
		names = append(names, "rewrite")
	case "legacy":
		names = append(names, "proxy_wstunnel", "rewrite")
	}
	if balanced(a, backends) {
		names = append(names, "slotmem_shm", "proxy_balancer", "lbmethod_"+lbmethod(a))
		if a.Balancer != nil && a.Balancer.Sticky {
			names = append(names, "headers")
		}
	}
	if a.TLS.Frontend {
		names = append(names, "socache_shmcb")
	}
	if a.TLS.Frontend || a.TLS.Backend {
		names = append(names, "ssl")
	}
	if a.Scoreboard {
		names = append(names, "authz_host", "status")
	}
	return names
}

// loadable is where the modules lie that are not compiled in.
type loadable struct {
	dir   string   // empty: nothing is to be loaded
	names []string // without their "mod_" prefix
}

// modules finds those of the named modules that the server has to load.
func (h host) modules(s server, names []string) (loadable, error) {
	var load loadable
	for _, name := range names {
		mpm, isMPM := strings.CutPrefix(name, "mpm_")
		builtIn := slices.Contains(s.static, "mod_"+name)
		if isMPM {
			for _, other := range mpms {
				if slices.Contains(s.static, other) && other != mpm {
					return load, fmt.Errorf("%s has its MPM %s compiled in and cannot run %s (build it with --enable-mpms-shared=all, or name another build by `server:`)", s.path, other, mpm)
				}
			}
			builtIn = slices.Contains(s.static, mpm)
		}
		if !builtIn {
			load.names = append(load.names, name)
		}
	}
	if len(load.names) == 0 {
		return load, nil
	}
	load.dir = h.moduleDir(s)
	for _, name := range load.names {
		where := "not compiled in, and no directory of modules"
		if load.dir != "" {
			if _, err := os.Stat(filepath.Join(load.dir, "mod_"+name+".so")); err == nil {
				continue
			}
			where = "not in " + load.dir
		}
		remedy := h.remedy(name)
		if s.given {
			// A build of the user's own: no package would put a module there.
			remedy = "build it with --enable-" + strings.ReplaceAll(name, "_", "-")
		}
		return load, &targets.MissingError{What: fmt.Sprintf("Apache's mod_%s (%s)", name, where), Remedy: remedy}
	}
	return load, nil
}

// moduleDir finds the directory of loadable modules: the server's own first, as
// a machine may have several servers, then those of the distributions.
func (h host) moduleDir(s server) string {
	bin := filepath.Dir(s.path)
	patterns := []string{filepath.Join(bin, "..", "modules"), filepath.Join(bin, "modules")}
	if s.root != "" {
		patterns = append(patterns, filepath.Join(s.root, "modules"))
	}
	for _, pattern := range append(patterns, h.moduleDirs...) {
		// The only error of Glob is a malformed pattern: nothing there either.
		found, _ := filepath.Glob(filepath.Join(pattern, "mod_*.so"))
		if len(found) > 0 {
			return filepath.Dir(found[0])
		}
	}
	return ""
}

// remedy is the command that installs the server, or the module when one is
// named. Unknown systems get words instead of a wrong command.
func (h host) remedy(module string) string {
	// Without the file nothing is known of the system, which is the last case.
	text, _ := os.ReadFile(h.osRelease)
	var ids []string
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if key == "ID" || key == "ID_LIKE" {
			ids = append(ids, strings.Fields(strings.Trim(value, `"'`))...)
		}
	}
	is := func(names ...string) bool {
		return slices.ContainsFunc(ids, func(id string) bool { return slices.Contains(names, id) })
	}
	switch {
	case is("debian", "ubuntu"):
		if module != "" {
			// The server is there, so the package is installed, and installing it again
			// would change nothing: a file of it was lost.
			return "apt-get install --reinstall apache2-bin"
		}
		return "apt-get install apache2-bin"
	case is("rhel", "fedora", "centos", "rocky", "almalinux", "amzn"):
		if module == "ssl" {
			return "dnf install mod_ssl"
		}
		return "dnf install httpd"
	case is("suse", "opensuse", "sles"):
		if strings.HasPrefix(module, "mpm_") {
			return "zypper install apache2-" + strings.TrimPrefix(module, "mpm_")
		}
		return "zypper install apache2"
	case is("alpine"):
		if module == "ssl" {
			return "apk add apache2-ssl"
		}
		if module == "" || strings.HasPrefix(module, "proxy") || strings.HasPrefix(module, "lbmethod") {
			return "apk add apache2 apache2-proxy"
		}
		return "apk add apache2"
	case is("arch"):
		return "pacman -S apache"
	}
	return "the package of Apache httpd 2.4 that your system has"
}
