// Package command makes a target of any other proxy: from a scenario's `command:`
// entry, whose texts are templates, to a program ready to be started in the
// foreground.
//
// # Templates
//
//   - {listen} {host} {port}: where it is to listen
//   - {backend} {backend_host} {backend_port}: the first backend
//   - {backends}: all of them, with commas between
//   - {dir}: its private directory, where `files` lie and where it is started; it is
//     removed after the trial
//   - {logs}: the trial's directory of logs, which stays
//   - {cert} {key} {ca}: the trial's certificate, its key and its authority, in PEM;
//     {pem}: certificate and key in one file
//
// Other words in braces stay as they are: many configuration files have braces.
//
// # What it has to do
//
// The program has to stay in the foreground, and to end soon after SIGTERM: what is
// there after `stop_grace` is killed. It is ready when an echo comes back through it.
// Its processes are all that descend from it. A file of `files` that begins with #! may
// be executed.
package command

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"wsgauge/scenarios"
	"wsgauge/targets"
	"wsgauge/targets/program"
)

// defaultStopGrace is how long a program may take to end when the scenario does not
// say.
const defaultStopGrace = 10 * time.Second

// Target is a proxy as a scenario describes it.
type Target struct {
	config scenarios.Command
	host   program.Host
}

var _ targets.Target = (*Target)(nil)

// New returns the target for one `command:` entry of a scenario.
func New(config scenarios.Command) *Target {
	return &Target{config: config, host: program.ThisHost()}
}

// Find looks for the programs that the entry names, and asks for the version as it
// says. A *[targets.MissingError] says which program is not there.
func (t *Target) Find() (targets.Version, error) {
	if len(t.config.Argv) == 0 || t.config.Argv[0] == "" {
		return targets.Version{}, errors.New("command: argv names no program (write argv: [program, argument, ...])")
	}
	if _, _, err := t.actions(nil); err != nil {
		return targets.Version{}, err
	}
	path, err := t.program(t.config.Argv[0])
	if err != nil {
		return targets.Version{}, err
	}
	v := targets.Version{Text: filepath.Base(t.config.Argv[0]), Path: path}
	if !inTemplate(path) {
		if v.SHA256, err = program.SHA256(path); err != nil {
			return targets.Version{}, err
		}
	}
	if len(t.config.Version) == 0 {
		return v, nil
	}
	asked, err := t.program(t.config.Version[0])
	if err != nil {
		return targets.Version{}, err
	}
	argv := append([]string{asked}, t.config.Version[1:]...)
	out, err := program.Run(program.Command{Argv: argv})
	if err != nil {
		return targets.Version{}, &targets.MissingError{What: path,
			Why: fmt.Sprintf("cannot be used: `version` (%s): %v%s", strings.Join(argv, " "), err, program.Quoted(out))}
	}
	if line, _, _ := strings.Cut(out, "\n"); line != "" {
		v.Text = strings.TrimSpace(line)
	}
	return v, nil
}

// program finds what argv[0] names. One with a slash is taken as it is; one in the
// instance's directory is not there yet.
func (t *Target) program(name string) (string, error) {
	if inTemplate(name) {
		return name, nil
	}
	missing := &targets.MissingError{What: "the program " + name, Remedy: "install it, or give its path"}
	if strings.Contains(name, "/") {
		path, err := filepath.Abs(name)
		if err != nil {
			return "", fmt.Errorf("looking for the program %s: %w", name, err)
		}
		if _, err := os.Stat(path); err != nil {
			return "", missing
		}
		return path, nil
	}
	path, ok := t.host.Look(name)
	if !ok {
		return "", missing
	}
	return path, nil
}

func inTemplate(name string) bool { return strings.Contains(name, "{") }

// Prepare writes the files. Besides the errors of [Target.Find] it returns names that
// lead out of the directory, and templates that cannot be filled.
func (t *Target) Prepare(site targets.Site) (*targets.Instance, error) {
	site, err := program.Place(site)
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", strings.Join(t.config.Argv, " "), err)
	}
	f := &filler{words: words(site)}
	if site.Certificates != nil {
		f.pem = filepath.Join(site.Dir, "wsgauge-front.pem")
	}
	written, err := t.writeFiles(f, site)
	if err != nil {
		return nil, err
	}
	argv, err := t.argv(f, t.config.Argv)
	if err != nil {
		return nil, err
	}
	graceful, restart, err := t.actions(f)
	if err != nil {
		return nil, err
	}
	log := filepath.Join(site.LogDir, targets.OutputFile)
	if name := f.fill(t.config.ErrorLog); name != "" {
		log = name
		if !filepath.IsAbs(log) {
			log = filepath.Join(site.Dir, log)
		}
	}
	if f.err != nil {
		return nil, f.err
	}
	if f.pemUsed {
		if err := program.PEM(f.pem, *site.Certificates); err != nil {
			return nil, err
		}
	}
	i := &targets.Instance{
		Addrs:     []netip.AddrPort{site.Listen},
		Argv:      argv,
		Env:       program.Environment(site),
		Dir:       site.Dir,
		Config:    "# " + strings.Join(argv, " ") + "\n" + written,
		ErrorLog:  log,
		Code:      codes.Of,
		StopGrace: t.config.StopGrace,
		Graceful:  graceful,
		Restart:   restart,
	}
	if i.StopGrace == 0 {
		i.StopGrace = defaultStopGrace
	}
	return i, nil
}

// codes: nothing is known of its messages but what the system says in them.
var codes program.Kinds

// writeFiles writes the files into the directory and returns all their text.
func (t *Target) writeFiles(f *filler, site targets.Site) (string, error) {
	var all strings.Builder
	for _, name := range slices.Sorted(maps.Keys(t.config.Files)) {
		if !filepath.IsLocal(name) || filepath.Clean(name) == "." {
			return "", fmt.Errorf("`files`: %q leads out of the directory {dir} (give a name in it)", name)
		}
		text := f.fill(t.config.Files[name])
		path := filepath.Join(site.Dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return "", fmt.Errorf("`files`: a directory for %s: %w", name, err)
		}
		mode := os.FileMode(0o644)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		if err := program.Write(path, text, mode); err != nil {
			return "", err
		}
		fmt.Fprintf(&all, "\n# %s\n%s", path, text)
	}
	return all.String(), f.err
}

// argv is a command, filled in, with the path of its program.
func (t *Target) argv(f *filler, template []string) ([]string, error) {
	argv := slices.Clone(template)
	if f != nil {
		for i := range argv {
			argv[i] = f.fill(argv[i])
		}
		if f.err != nil {
			return nil, f.err
		}
		if inTemplate(template[0]) { // one that the files have brought
			return argv, nil
		}
	}
	var err error
	argv[0], err = t.program(argv[0])
	return argv, err
}

// actions are graceful and restart; with a nil filler only what is wrong with them.
func (t *Target) actions(f *filler) (graceful, restart targets.Action, err error) {
	for _, a := range []struct {
		name string
		from scenarios.Action
		to   *targets.Action
	}{{"graceful", t.config.Graceful, &graceful}, {"restart", t.config.Restart, &restart}} {
		if a.from.Signal != "" {
			var ok bool
			if a.to.Signal, ok = signals[strings.TrimPrefix(strings.ToUpper(a.from.Signal), "SIG")]; !ok {
				return graceful, restart, fmt.Errorf("%s: signal %q is not known (%s are)", a.name, a.from.Signal,
					strings.Join(slices.Sorted(maps.Keys(signals)), ", "))
			}
		}
		if len(a.from.Argv) > 0 {
			if a.to.Argv, err = t.argv(f, a.from.Argv); err != nil {
				return graceful, restart, fmt.Errorf("%s: %w", a.name, err)
			}
		}
	}
	return graceful, restart, nil
}

// signals are those that programs reload by.
var signals = map[string]syscall.Signal{
	"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT, "TERM": syscall.SIGTERM,
	"USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "WINCH": syscall.SIGWINCH,
}
