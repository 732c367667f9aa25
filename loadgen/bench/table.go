package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// table is lines of cells under a head, printed with their columns in line.
type table struct{ lines [][]string }

func (t *table) add(cells ...string) { t.lines = append(t.lines, cells) }

func (t *table) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	for _, cells := range t.lines {
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}

// median of some figures, which are at least one; of two in the middle, their mean.
func median(figures []float64) float64 {
	sorted := slices.Sorted(slices.Values(figures))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// spread writes the least and the greatest of some figures.
func spread(figures []float64, format string) string {
	return fmt.Sprintf(format+" … "+format, slices.Min(figures), slices.Max(figures))
}
