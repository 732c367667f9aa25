// Package targets knows the systems under test. Each kind lives in a package of
// its own and turns its part of a scenario into an [Instance]: what to start,
// where it will listen, which files describe it. Starting, watching and stopping
// is internal/proc's work, and the order of things the runner's.
package targets

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"syscall"
	"time"
)

// OutputFile is the name, in the trial's log directory, of the file that takes an
// instance's standard output and standard error.
const OutputFile = "target.log"

// Site is where an instance is to stand.
type Site struct {
	Listen   netip.AddrPort   // where clients will dial
	Backends []netip.AddrPort // where the echo servers listen
	Sources  []netip.Addr     // local addresses to dial them from, for targets that can choose
	Probe    netip.Addr       // where the runner's own questions come from; zero: anywhere
	// Dir is the instance's private temporary directory: empty, owned by us,
	// removed with everything in it after the trial.
	Dir string
	// LogDir is the trial's place in the run directory; it stays.
	LogDir string
	// Executable is the running wsgauge, for targets that are parts of it.
	Executable string
	// Certificates are the trial's own; nil when no leg of it speaks TLS.
	Certificates *Certificates
	// Opened is the most connections the scenario opens at once.
	Opened int
}

// Certificates are PEM files for every address of a trial.
type Certificates struct {
	CA   string // the authority's certificate
	Cert string // that of whoever listens
	Key  string // its private key
}

// Instance is a target made ready to start.
type Instance struct {
	Addrs  []netip.AddrPort // where clients dial
	Argv   []string         // empty: there is nothing to start (direct)
	Env    []string         // additions to the controller's environment
	Dir    string           // working directory; empty: Site.Dir
	Config string           // the configuration as generated, for people
	// ErrorLog is the file that the target reports to; its new lines are
	// collected by Codes.
	ErrorLog string
	// Code names the kind of a log line ("AH00484"), "" for one without a code.
	Code func(line string) string
	// Settled tells, from the number of processes and threads (the root included),
	// whether everything that is to be started beforehand stands; nil: at once.
	Settled func(processes, threads int) bool
	// StopGrace is how long the target may take to end after SIGTERM.
	StopGrace time.Duration
	// Graceful and Restart are what makes it reload. A zero [Action] of Restart ends it
	// and starts it anew.
	Graceful, Restart Action
	// GracefulStop is the signal upon which it takes nothing new and ends with its last
	// tunnel. Zero: it knows none.
	GracefulStop Action
	// Status is where it tells how busy it is; nil: nowhere.
	Status *Status
	// Reach is how clients talk to one that runs already; nil: it is started for the
	// trial, which chooses.
	Reach *Reach
	// Processes are those to watch of one that runs already, at this moment; nil: none
	// are, and what the target uses is not known.
	Processes func() ([]int, error)
}

// Reach is how clients talk to an instance that nobody starts.
type Reach struct {
	Host    string            // the Host header
	Path    string            // of requests that name none, with the query
	Headers map[string]string // of every request; they may be secret
	TLS     *Trust            // nil: ws
}

// Trust is whom clients of an instance believe.
type Trust struct {
	CA       string // authorities, PEM; empty: the system's
	Name     string // that the certificate must be for
	Insecure bool   // it is not looked at
}

// Action makes a running target reload: a signal to its first process, or a command.
// Zero: there is no such thing.
type Action struct {
	Signal syscall.Signal
	Argv   []string
}

// Status is a page of the target itself about its workers.
type Status struct {
	URL   string
	Parse func(page []byte) (Workers, error)
	// TLS is whom to believe where the URL is https; nil: the system's authorities.
	TLS     *tls.Config
	Headers map[string]string // of every request; they may be secret
}

// Workers is what a target says of its own workers. A negative number is not known.
type Workers struct {
	Busy     int // serve something, a tunnel for example
	Idle     int
	Closing  int // wait for clients to end
	Graceful int // belong to a generation that is to end
	Free     int // places in which no process has been started
}

// Version is what an installed target says of itself.
type Version struct {
	Text   string // "Apache/2.4.71 (Debian)"
	Path   string
	SHA256 string
}

// Target is one entry of a scenario's targets.
type Target interface {
	// Find looks for what the target needs on this machine. A *MissingError says
	// what is not there.
	Find() (Version, error)
	// Prepare writes the instance's files and says how to start it. Nothing is
	// started.
	Prepare(Site) (*Instance, error)
}

// MissingError says that a target cannot run here, and what would mend it.
type MissingError struct {
	What   string // "Apache httpd", "Apache's mod_proxy"
	Why    string // "cannot be used: ..."; empty: it was not found
	Remedy string // "apt-get install apache2-bin"; empty: none is known
}

// Reason says what is missing, without the remedy.
func (e *MissingError) Reason() string {
	if e.Why == "" {
		return e.What + " was not found"
	}
	return e.What + " " + e.Why
}

// Error names what is missing and the remedy.
func (e *MissingError) Error() string {
	if e.Remedy == "" {
		return e.Reason()
	}
	return fmt.Sprintf("%s (to mend it: %s)", e.Reason(), e.Remedy)
}

// Zero tells whether there is no such thing.
func (a Action) Zero() bool { return a.Signal == 0 && len(a.Argv) == 0 }
