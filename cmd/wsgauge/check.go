package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"wsgauge/internal/runner"
	"wsgauge/scenarios"
)

func newCheck(s streams) *cobra.Command {
	var flags scenarioFlags
	var schema bool
	c := &cobra.Command{
		Use:   "check SCENARIO",
		Short: "Validate a scenario and show its plan",
		Long: `check reads a scenario, says what is wrong in it, and shows what a run would do:
trials and time, targets and versions, what is missing here, and which limits are too
low. It starts nothing. With --schema it prints the JSON Schema of scenario files,
which gives editors completion.`,
		Example: "  wsgauge check quickstart\n  wsgauge check --schema > wsgauge.schema.json",
		Args: func(c *cobra.Command, a []string) error {
			if schema {
				return args(cobra.NoArgs)(c, a)
			}
			return args(cobra.ExactArgs(1))(c, a)
		},
		RunE: func(_ *cobra.Command, a []string) error {
			if schema {
				p, err := scenarios.Schema()
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(s.out, strings.TrimSpace(string(p)))
				return err
			}
			return check(s, a[0], flags)
		},
	}
	flags.add(c)
	c.Flags().BoolVar(&schema, "schema", false, "print the JSON Schema of scenario files")
	return c
}

func check(s streams, name string, flags scenarioFlags) error {
	sc, err := flags.load(name)
	if err != nil {
		return err
	}
	if err := enterNetwork(sc, ""); err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	p, err := runner.Check(sc, exe)
	if err != nil {
		return err
	}
	title := sc.Name
	if sc.About != "" {
		title += ": " + sc.About
	}
	fmt.Fprintf(s.out, "%s\n\n", title)
	fmt.Fprintf(s.out, "%s of about %s: %s of %s, about %s in all\n", counted(p.Trials, "trial"), about(p.Each, 100*time.Millisecond),
		counted(sc.Blocks, "block"), counted(len(p.Targets), "target"), about(p.Total, time.Second))
	where := "agents on CPU " + p.Placement.Agents
	if p.Placement.Target != "" { // every target runs already otherwise
		where += ", backend " + backendPlace(p) + ", target on " + p.Placement.Target
	}
	fmt.Fprintf(s.out, "at most %s at once, from %s; %s\n", counted(p.MaxOpen, "connection"), counted(p.Agents, "agent"), where)
	if p.Spread != "" {
		fmt.Fprintln(s.out, p.Spread)
	}
	fmt.Fprintln(s.out)
	w := tabwriter.NewWriter(s.out, 0, 4, 2, ' ', 0)
	if b := p.Backend; b.URL == "" && b.Runtime != "go" {
		fmt.Fprintf(w, "  (backend)\t%s\t%s\n", b.Runtime, b.Version)
	}
	for _, t := range p.Targets {
		fmt.Fprintf(w, "  %s\t%s\t%s\n", t.Name, t.Kind, t.Version)
	}
	for _, t := range p.Skipped {
		why := strings.Join(strings.Fields(t.Reason), " ")
		if t.Remedy != "" {
			why += "; " + t.Remedy
		}
		fmt.Fprintf(w, "  %s\tskipped\t%s\n", t.Name, why)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fatal := false
	for _, l := range p.Shortages {
		kind := "warning"
		if l.Fatal {
			kind, fatal = "too low", true
		}
		fmt.Fprintf(s.out, "\n%s: %s\n", kind, l)
	}
	for _, f := range p.Faults {
		fmt.Fprintf(s.out, "\nimpossible here: %s\n", f)
	}
	switch {
	case len(p.Faults) > 0:
		return errors.New("this machine cannot do what the scenario asks")
	case fatal:
		return errors.New("this machine's limits are too low for the scenario")
	}
	return nil
}

// backendPlace is where the backend is.
func backendPlace(p *runner.Plan) string {
	if p.Backend.URL == "" {
		return "on " + p.Placement.Backend
	}
	var addrs []string
	for _, a := range p.Backend.Addrs {
		addrs = append(addrs, a.String())
	}
	return "at " + strings.Join(addrs, ", ") + ", not ours"
}

// about writes an estimate: hours mean nothing to people once they are many.
func about(d, unit time.Duration) string {
	if d >= 72*time.Hour {
		return fmt.Sprintf("%.0f days", d.Hours()/24)
	}
	return d.Round(unit).String()
}

// counted is a number of things: "1 block", "3 blocks".
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
