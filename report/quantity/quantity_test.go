package quantity

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		v    float64
		unit string
		want string
	}{
		{41_200_000, "ns", "41.2 ms"}, {5e9, "ns", "5 s"}, {999, "ns", "999 ns"}, {999_600, "ns", "1 ms"}, {118_432, "ns", "118 µs"},
		{90e9, "ns", "1.5 min"}, {7 * 86400e9, "ns", "7 d"}, {0, "ns", "0 ns"}, {-1500, "ns", "-1.5 µs"},
		{46.2, "us", "46.2 µs"}, {0.1, "s", "100 ms"}, {3000, "/s", "3000/s"}, {12345.6, "/s", "12,346/s"}, {97.25, "%", "97.2%"},
		{40960, "B", "40 KiB"}, {1023, "B", "1023 B"}, {9e6, "B", "8.58 MiB"}, {3 << 40, "B", "3 TiB"},
		{300, "", "300"}, {9000, "", "9000"}, {1234567, "", "1,234,567"}, {0.012345, "", "0.0123"}, {9.999, "", "10"}, {99.96, "", "100"},
		{1.449, "×", "1.45×"}, {1e-9, "", "1e-09"}, {math.NaN(), "ns", "–"}, {math.Inf(1), "", "–"}, {5, "widgets", "5 widgets"},
	} {
		if got := Format(c.v, c.unit); got != c.want {
			t.Errorf("Format(%v, %q) = %q, want %q", c.v, c.unit, got, c.want)
		}
	}
	if got := AtLeast(5e9, "ns"); got != "≥ 5 s" {
		t.Error(got)
	}
}

// Three significant digits, whatever the size, and never much to read.
func TestFormatIsShort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := math.Exp(rapid.Float64Range(0, 40).Draw(t, "log of ns"))
		got := Format(v, "ns")
		digits := strings.Trim(strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return r
			}
			return -1
		}, got), "0")
		if v < 86400e9*1000 && (len(digits) > 3 || len([]rune(got)) > 9) {
			t.Fatalf("%v ns is %q", v, got)
		}
	})
}
