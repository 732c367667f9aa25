package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"wsgauge/internal/runner"
	"wsgauge/scenarios"
	"wsgauge/targets"
)

func newScenarios(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "scenarios",
		Short: "List the shipped scenarios",
		Args:  args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			w := tabwriter.NewWriter(s.out, 0, 4, 2, ' ', 0)
			for _, i := range scenarios.Shipped() {
				fmt.Fprintf(w, "%s\t%s\n", i.Name, i.About)
			}
			return w.Flush()
		},
	}
}

func newTargets(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "targets",
		Short: "List what can be measured and what is installed here",
		Args:  args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			w := tabwriter.NewWriter(s.out, 0, 4, 2, ' ', 0)
			for _, k := range runner.Kinds() {
				version, err := k.Target.Find()
				var missing *targets.MissingError
				switch {
				case errors.As(err, &missing):
					fmt.Fprintf(w, "%s\t%s\t%s\n", k.Name, state(missing), missing.Remedy)
				case err != nil:
					fmt.Fprintf(w, "%s\terror\t%v\n", k.Name, err)
				default:
					fmt.Fprintf(w, "%s\t%s\t%s\n", k.Name, version.Text, version.Path)
				}
			}
			if err := w.Flush(); err != nil {
				return err
			}
			fmt.Fprintln(s.out, "\nBackends, the echo servers behind them:")
			return listBackends(c.Context(), s)
		},
	}
}

// state is in a cell of the table what m says: a server that is there and cannot be
// used has more to say than one that was not found.
func state(m *targets.MissingError) string {
	if m.Why == "" {
		return "not installed"
	}
	return strings.Join(strings.Fields(m.Reason()), " ")
}

// listBackends is the table of backends.
func listBackends(ctx context.Context, s streams) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	list, err := runner.Backends(ctx, exe, versionText())
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(s.out, 0, 4, 2, ' ', 0)
	for _, b := range list {
		if b.Missing != nil {
			fmt.Fprintf(w, "%s\tnot installed\t%s\n", b.Runtime, b.Missing.Remedy)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", b.Runtime, b.Version, b.Path)
	}
	return w.Flush()
}
