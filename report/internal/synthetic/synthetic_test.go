package synthetic

import (
	"testing"

	"wsgauge/results"
)

// The generator's runs are whole, and the same each time.
func TestWrite(t *testing.T) {
	var before []results.Trial
	for range 2 {
		dir := t.TempDir()
		if err := Write(dir, Options{Blocks: 2, Targets: 5}); err != nil {
			t.Fatal(err)
		}
		d, err := results.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Problems) > 0 || len(d.Trials) != 10 || len(d.Intervals) != 10*3*3 {
			t.Fatalf("problems %v, %d trials, %d intervals", d.Problems, len(d.Trials), len(d.Intervals))
		}
		if before != nil && *before[3].ResponseTime.P99 != *d.Trials[3].ResponseTime.P99 {
			t.Error("the same options gave other figures")
		}
		before = d.Trials
	}
}
