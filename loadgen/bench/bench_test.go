package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		of   []float64
		want float64
	}{{[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 9, 2}, 3}} {
		if got := median(c.of); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.of, got, c.want)
		}
	}
}

// TestRatioIsOfRounds: the ratio is taken round by round, not of two medians that may
// come from different ones.
func TestRatioIsOfRounds(t *testing.T) {
	var tab table
	tab.ratio("a / b", []float64{2, 30, 8}, []float64{1, 10, 2}, "")
	if got := strings.Join(tab.lines[0], "|"); got != "a / b|3|2 … 4|" {
		t.Errorf("%q", got)
	}
}

func TestShellTimes(t *testing.T) {
	if d, err := shellTimes("0m1.250s 1m0.050000s"); err != nil || d != 61300*time.Millisecond {
		t.Errorf("%v, %v", d, err)
	}
	for _, bad := range []string{"", "0m1.2s", "0m1.2s x"} {
		if _, err := shellTimes(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// TestCounted reads what the other tools say, and refuses a count that does not add up.
func TestCounted(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	write := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(out, "120 120\n")
	if n, err := k6Counted(out); n != 120 || err != nil {
		t.Errorf("k6: %d, %v", n, err)
	}
	write(out, "120 119\n")
	if _, err := k6Counted(out); err == nil {
		t.Error("k6: an unanswered message was taken for answered")
	}
	write(out+".log", "Total data sent:     10.1 MiB (10590000 bytes)\nTotal data received: 6.3 MiB (6600000 bytes)\n")
	if n, err := tcpkaliCounted(out); n != 100000 || err != nil {
		t.Errorf("tcpkali: %d, %v", n, err)
	}
	write(out+".log", "Usage: tcpkali\n")
	if _, err := tcpkaliCounted(out); err == nil {
		t.Error("tcpkali: a usage text was taken for a result")
	}
}

func TestUsageErrors(t *testing.T) {
	for _, args := range [][]string{{}, {"nothing"}, {"-rounds", "0", "memory"}, {"-wsgauge", "/nonexistent", "memory"}} {
		if err := run(t.Context(), args, &strings.Builder{}); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}
