package scenarios

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"50ms": 50 * time.Millisecond, "1m30s": 90 * time.Second, "2h": 2 * time.Hour, "7d": 7 * 24 * time.Hour, "1d12h": 36 * time.Hour,
		"0.1s": 100 * time.Millisecond, "1.5h": 90 * time.Minute, "0s": 0, "3µs": 3 * time.Microsecond, "366d": longest, "104d1ns": 104*24*time.Hour + 1,
	} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("%s is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "s", "5", "-5s", "+5s", ".5s", "5.s", "5 s", "5s ", "1e3s", "5s5", "367d", "99999999999999999999h", "5S", "∞"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
	// What Go prints is read as what it was.
	rapid.Check(t, func(r *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(100*24*time.Hour)).Draw(r, "d"))
		if got, err := parseDuration(d.String()); err != nil || got != d {
			r.Fatalf("%v is %v, %v", d, got, err)
		}
	})
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{"0B": 0, "128B": 128, "64KiB": 64 << 10, "1.5MiB": 3 << 19, "2GiB": 2 << 30} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%s is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "B", "128", "-1B", "1.5B", "128b", "1kB", "1KB", "1K", "1 KiB", "1TiB", "0x10B", "9007199254740992B", "1e3B"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestRates(t *testing.T) {
	for text, want := range map[string]float64{"3000/s": 3000, "0.5/s": 0.5, "90/min": 1.5, "7200/h": 2, "0/s": 0} {
		if got, err := parseRate(text); err != nil || got != want {
			t.Errorf("%s is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "/s", "3000", "-1/s", "1/ms", "1/m", "3k/s", "3000/sec", "1 /s", "Inf/s", "NaN/s"} {
		if got, err := parseRate(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestCounts(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "300": 300, "9223372036854775807": 1<<63 - 1} {
		if got, err := parseCount(text); err != nil || got != want {
			t.Errorf("%s is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-1", "+1", "1.0", "1e3", "0x10", "010", "1_000", "1 000", "1,000", "9223372036854775808", "٣"} {
		if got, err := parseCount(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}
