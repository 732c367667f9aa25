package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"wsgauge/internal/proc"
	"wsgauge/internal/runner"
	"wsgauge/report"
	"wsgauge/report/claim"
	"wsgauge/report/table"
	"wsgauge/report/verdict"
	"wsgauge/results"
	"wsgauge/scenarios"
)

// scenarioFlags are the flags of every verb that takes a scenario.
type scenarioFlags struct {
	targets []string
	blocks  int
	agents  int
	seed    uint64
	set     []string
	disrupt bool
	given   func(flag string) bool
}

func (f *scenarioFlags) add(c *cobra.Command) {
	c.Flags().StringSliceVar(&f.targets, "targets", nil, "run only these targets, `a,b`")
	c.Flags().IntVar(&f.blocks, "blocks", 0, "trials of each target (default: the scenario's)")
	c.Flags().IntVar(&f.agents, "agents", 0, "generator processes (default: the scenario's)")
	c.Flags().Uint64Var(&f.seed, "seed", 0, "seed of orders and schedules (default: the scenario's)")
	c.Flags().StringArrayVar(&f.set, "set", nil, "give a param of the scenario a value, `name=value`; may be repeated")
	c.Flags().BoolVar(&f.disrupt, "allow-disruptive", false, "permit steps that disturb a proxy or backend of another machine")
	f.given = c.Flags().Changed
}

func (f *scenarioFlags) load(name string) (*scenarios.Scenario, error) {
	o := scenarios.Options{Targets: f.targets, Blocks: f.blocks, Agents: f.agents, Set: map[string]string{}, AllowDisruptive: f.disrupt}
	for flag, n := range map[string]int{"blocks": f.blocks, "agents": f.agents} {
		if f.given(flag) && n < 1 {
			return nil, usage(fmt.Errorf("--%s %d: give 1 or more, or leave the flag out for the scenario's own number", flag, n))
		}
	}
	if f.given("targets") && len(f.targets) == 0 {
		return nil, usage(errors.New("--targets: name at least one target, or leave the flag out for all"))
	}
	if f.given("seed") {
		o.Seed = &f.seed
	}
	for _, pair := range f.set {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return nil, usage(fmt.Errorf("--set %s: want name=value", pair))
		}
		o.Set[key] = value
	}
	s, err := scenarios.Load(name, o)
	if err != nil {
		return nil, usage(err)
	}
	return s, nil
}

type runOptions struct {
	scenario   scenarioFlags
	out        string
	json       bool
	requireAll bool
	nats       string
	realtime   string
	maxSteal   string
	sources    []string
}

func newRun(s streams) *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run SCENARIO",
		Short: "Run a scenario and leave records and a report",
		Long: `run starts what a scenario names, drives its load, and leaves a directory with the
records of the run and a report. SCENARIO is a file, or the name of a shipped one
(see "wsgauge scenarios").

Exit codes: 0 passed; 1 error; 2 usage or invalid scenario; 3 an expectation failed;
4 an expectation's figure was invalid in every trial of a target; 5 no valid trial;
130 interrupted (what was measured is saved).`,
		Example: `  wsgauge run quickstart
  wsgauge run quickstart --targets direct,tunnel --blocks 1
  wsgauge run my.yaml --set n=500 --json`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, a []string) error { return runScenario(c.Context(), s, a[0], o) },
	}
	o.scenario.add(c)
	c.Flags().StringVar(&o.out, "out", "", "the run's directory (default: results/<UTC time>-<scenario>)")
	c.Flags().BoolVar(&o.json, "json", false, "print the lines of trials.jsonl on stdout, all else on stderr")
	c.Flags().BoolVar(&o.requireAll, "require-all", false, "fail when a target cannot run here, instead of skipping it")
	c.Flags().StringVar(&o.nats, "nats", "", "`URL` of a NATS cluster to use (default: an embedded server on loopback)")
	addMaxSteal(c, &o.maxSteal)
	c.Flags().StringVar(&o.realtime, "realtime", "", "share of a CPU up to which the loops of agents and backend have real-time\n"+
		"priority where that is permitted, `AGENTS,BACKEND`; 0,0 turns it off\n(default: as docs/methodology.md says)")
	c.Flags().StringSliceVar(&o.sources, "source", nil, "addresses of this machine that clients of external targets dial from, in turn,\n"+
		"`ADDR,ADDR` (default: the kernel's choice, or loopback addresses of the run's own)")
	return c
}

// addresses reads the values of --source.
func addresses(list []string) (out []netip.Addr, err error) {
	for _, text := range list {
		a, err := netip.ParseAddr(strings.TrimSpace(text))
		if err != nil {
			return nil, usage(fmt.Errorf("--source %s: want an address, such as 192.0.2.7", text))
		}
		out = append(out, a.Unmap())
	}
	return out, nil
}

// envMaxSteal is the default of --max-steal.
const envMaxSteal = "WSGAUGE_MAX_STEAL"

// addMaxSteal adds the flag to a verb that runs trials.
func addMaxSteal(c *cobra.Command, place *string) {
	c.Flags().StringVar(place, "max-steal", "", "share of the machine's time that the hypervisor may take before a trial is invalid,\n"+
		"`SHARE` such as 10% (default: $"+envMaxSteal+", else 5%); it stands in run.json")
}

// maxSteal reads the flag's value, or else the variable's; 0 for neither.
func maxSteal(flag string) (float64, error) {
	name, text := "--max-steal", flag
	if text == "" {
		name, text = envMaxSteal, os.Getenv(envMaxSteal)
	}
	if text == "" {
		return 0, nil
	}
	number, percent := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(number, 64)
	if !percent || err != nil || !(v > 0 && v <= 100) {
		return 0, usage(fmt.Errorf("%s %s: want a share of the machine's time, more than 0%% and at most 100%%, as in 10%%", name, text))
	}
	return v / 100, nil
}

// realtimeShares reads the flag's value; nil for none.
func realtimeShares(text string) (*runner.Realtime, error) {
	if text == "" {
		return nil, nil
	}
	agents, backend, two := strings.Cut(text, ",")
	var r runner.Realtime
	for _, v := range []struct {
		text  string
		place *float64
	}{{agents, &r.Agents}, {backend, &r.Backend}} {
		var err error
		if *v.place, err = strconv.ParseFloat(strings.TrimSpace(v.text), 64); !two || err != nil || !(*v.place >= 0 && *v.place <= 1) {
			return nil, usage(fmt.Errorf("--realtime %s: want two shares from 0 to 1, as in 0.5,0.4", text))
		}
	}
	return &r, nil
}

func runScenario(ctx context.Context, s streams, name string, o runOptions) error {
	sc, err := o.scenario.load(name)
	if err != nil {
		return err
	}
	if err := enterNetwork(sc, o.nats); err != nil {
		return err
	}
	realtime, err := realtimeShares(o.realtime)
	if err != nil {
		return err
	}
	steal, err := maxSteal(o.maxSteal)
	if err != nil {
		return err
	}
	sources, err := addresses(o.sources)
	if err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this executable, which is to start its parts: %w", err)
	}
	if o.out == "" {
		o.out = filepath.Join("results", time.Now().UTC().Format("20060102T150405Z")+"-"+sc.Name)
	}
	talk := s.out
	if o.json {
		talk = s.err
	}
	// Who closes standard output early (run ... | head) loses what is printed there,
	// and nothing else: without this, the next line would end the process.
	closed := make(chan os.Signal, 1)
	signal.Notify(closed, syscall.SIGPIPE)
	defer signal.Stop(closed)
	watcher := newProgress(talk)
	if o.json {
		watcher.records = s.out
	}
	record, runErr := runner.Run(ctx, runner.Options{Scenario: sc, Out: o.out, Executable: exe,
		Version: versionText(), Command: os.Args, NATS: o.nats, RequireAll: o.requireAll, Realtime: realtime, MaxSteal: steal, Sources: sources, Watcher: watcher})
	watcher.end()
	if record == nil {
		if ctx.Err() != nil {
			return &codedError{exitInterrupted, errors.New("interrupted before anything was started")}
		}
		return runErr
	}
	data, err := conclude(o.out)
	err = errors.Join(runErr, err, watcher.failed)
	if data != nil {
		err = errors.Join(err, unlessClosed(table.Write(talk, data, o.out)))
	}
	return ending(ctx, record, data, err)
}

// enterNetwork begins the command anew in the network namespace that a scenario asks for,
// where it returns nil, as it does when none is asked for.
func enterNetwork(sc *scenarios.Scenario, nats string) error {
	if sc.Netns == nil {
		return nil
	}
	if nats != "" {
		return usage(fmt.Errorf("--nats: scenario %s has a network namespace of its own, from which no other bus can be reached; leave the flag out", sc.Name))
	}
	if err := proc.EnterNetwork(sc.Netns.PortRange()); err != nil {
		return fmt.Errorf("scenario %s: netns: %w", sc.Name, err)
	}
	return nil
}

// ending is the exit code of a run that has left a record. An interruption comes
// first, also one that came after the last trial: whoever waits for the end of the
// command must not take it for a pass.
func ending(ctx context.Context, record *results.Run, data *results.RunData, err error) error {
	switch {
	case record.Status == "interrupted" || ctx.Err() != nil:
		return &codedError{exitInterrupted, err}
	case err != nil:
		return err
	}
	if code := verdict.ExitCode(data); code != exitOK {
		return &codedError{code, nil}
	}
	return nil
}

// unlessClosed passes on an error of writing, but for that of a reader who has
// left.
func unlessClosed(err error) error {
	if errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}

// conclude evaluates what the run was expected to show and makes its report.
func conclude(dir string) (*results.RunData, error) {
	data, err := results.Open(dir)
	if err != nil {
		return nil, err
	}
	data.Run.Verdicts = append(verdict.Evaluate(data), claim.Verdicts(data)...)
	if err := results.WriteRun(dir, data.Run); err != nil {
		return nil, err
	}
	return data, report.Make(dir)
}
