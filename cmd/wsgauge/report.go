package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"wsgauge/report"
	"wsgauge/report/table"
	"wsgauge/results"
)

func newReport(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "report RUN...",
		Short: "Make the report of a run again from its records",
		Long: `report makes report.html and plots/ of each run directory again from its records
alone, and prints the summary.`,
		Example: "  wsgauge report results/20261125T120000Z-quickstart",
		Args:    args(cobra.MinimumNArgs(1)),
		RunE: func(_ *cobra.Command, dirs []string) error {
			for _, dir := range dirs {
				data, err := results.Open(dir)
				if err != nil {
					return err
				}
				if err := report.Make(dir); err != nil {
					return err
				}
				if len(dirs) > 1 {
					fmt.Fprintf(s.out, "== %s\n", filepath.Base(filepath.Clean(dir)))
				}
				if err := table.Write(s.out, data, dir); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
