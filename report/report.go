// Package report makes what people look at from a run's directory: the page and the
// plots. Its parts can be used alone:
//
//	quantity    numbers with units
//	shift       how much later answers come than through another target
//	calibration whether what was injected is what was measured
//	aggregate   one figure over the trials of a target; targets side by side
//	formula     references to figures, operators, values with units
//	verdict     expectations judged, and the exit code
//	claim       what guides claim, decided by rules; the table of claims
//	table       the terminal's summary
//	plot        charts and their data
//	html        the page
//
// All of it works on the records alone ([wsgauge/results]), so that a report can be
// made again at any time, also of a run that was interrupted.
package report

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"wsgauge/report/claim"
	"wsgauge/report/html"
	"wsgauge/report/plot"
	"wsgauge/report/verdict"
	"wsgauge/results"
)

// File is the page's name in the run directory.
const File = "report.html"

// plotsDir holds the plots as files.
const plotsDir = "plots"

// Make makes report.html and plots/ of a run directory from its records, and
// replaces those that are there. A run without verdicts, such as one that was
// interrupted, is judged for the page; its records stay as they are.
func Make(dir string) error {
	d, err := results.Open(dir)
	if err != nil {
		return err
	}
	if len(d.Run.Verdicts) == 0 {
		d.Run.Verdicts = append(verdict.Evaluate(d), claim.Verdicts(d)...)
	}
	charts, problems := plot.Charts(d)
	if err := plot.WriteFiles(filepath.Join(dir, plotsDir), charts); err != nil {
		return fmt.Errorf("making the report of %s: %w", dir, err)
	}
	var page bytes.Buffer
	if err := html.Write(&page, d, charts, problems); err != nil {
		return fmt.Errorf("making the report of %s: %w", dir, err)
	}
	if err := os.WriteFile(filepath.Join(dir, File), page.Bytes(), 0o644); err != nil {
		return fmt.Errorf("making the report of %s: %w", dir, err)
	}
	return nil
}
