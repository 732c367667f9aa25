package scenarios

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// flaw says why a text is no value, and what would be one.
type flaw struct{ message, hint string }

func (f *flaw) Error() string { return f.message }

func flawed(hint, format string, args ...any) *flaw {
	return &flaw{fmt.Sprintf(format, args...), hint}
}

var (
	leadingNumber = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?`)
	groupedDigits = regexp.MustCompile(`^[0-9]+([_,' ][0-9]+)+$`)
)

// plainValue is a value that a message can hold without quotes.
var plainValue = regexp.MustCompile(`^[0-9A-Za-z.+/%_-]{1,40}$`)

func shown(text string) string {
	if plainValue.MatchString(text) {
		return text
	}
	return brief(text)
}

// splitNumber takes the number off the front of a text.
func splitNumber(text string) (number, rest string, err *flaw) {
	number = leadingNumber.FindString(text)
	rest = text[len(number):]
	switch {
	case strings.HasPrefix(text, "-"):
		return "", "", flawed("", "%s is negative", shown(text))
	case number == "":
		return "", "", flawed("", "%s is no number", shown(text))
	case strings.HasPrefix(rest, " "):
		return "", "", flawed("write number and unit without a space", "%s holds a space", shown(text))
	}
	return number, rest, nil
}

// parseCount reads a number of things: digits alone, which every reader of YAML
// takes for the same number.
func parseCount(text string) (int64, *flaw) {
	n, err := strconv.ParseUint(text, 10, 63)
	switch {
	case groupedDigits.MatchString(text):
		return 0, flawed("write its digits alone", "%s is no whole number", shown(text))
	case strings.HasPrefix(text, "-"):
		return 0, flawed("", "%s is negative", shown(text))
	case err != nil && errorsIsRange(err):
		return 0, flawed("", "%s is too large", shown(text))
	case err != nil:
		return 0, flawed("it is a number of things: digits alone, no unit", "%s is no whole number", shown(text))
	case len(text) > 1 && text[0] == '0':
		return 0, flawed("write it without the leading 0", "%s could be meant as an octal number", shown(text))
	}
	return int64(n), nil
}

func errorsIsRange(err error) bool { return strings.HasSuffix(err.Error(), strconv.ErrRange.Error()) }

var sizeUnits = map[string]float64{"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}

// parseSize reads a number of bytes such as 128B, 64KiB or 1.5MiB.
func parseSize(text string) (int64, *flaw) {
	const units = "units are B, KiB, MiB, GiB"
	number, unit, err := splitNumber(text)
	if err != nil {
		return 0, &flaw{err.message, orHint(err.hint, "write a size such as 128B or 64KiB")}
	}
	factor, known := sizeUnits[unit]
	if !known {
		meant := map[string]string{"K": "KiB", "M": "MiB", "G": "GiB"}[strings.ToUpper(strings.TrimRight(unit, "bB"))]
		switch {
		case unit == "":
			return 0, flawed("write "+text+"B; "+units, "%s has no unit", shown(text))
		case meant != "":
			return 0, flawed("write "+number+meant+"; "+units, "%s has no unit of this file: sizes are powers of 1024", shown(text))
		}
		return 0, flawed(units, "%s has the unknown unit %s", shown(text), brief(unit))
	}
	n, convErr := strconv.ParseFloat(number, 64)
	bytes := n * factor
	switch {
	case convErr != nil || bytes >= 1<<53:
		return 0, flawed("", "%s is too large", shown(text))
	case bytes != math.Trunc(bytes):
		return 0, flawed("", "%s is no whole number of bytes", shown(text))
	}
	return int64(bytes), nil
}

var durationUnits = map[string]time.Duration{
	"ns": time.Nanosecond, "us": time.Microsecond, "µs": time.Microsecond, "ms": time.Millisecond,
	"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour,
}

// longest is the most that any duration of a scenario may be.
const longest = 366 * 24 * time.Hour

var unitLetters = regexp.MustCompile(`^[^0-9.]+`)

// parseDuration reads Go's durations, and days: 50ms, 1m30s, 1.5h, 7d.
func parseDuration(text string) (time.Duration, *flaw) {
	const example = "write a duration such as 50ms, 1m30s, 2h or 7d"
	total := 0.0
	exact := time.Duration(0)
	for rest := text; ; {
		number, after, err := splitNumber(rest)
		if err != nil {
			if rest != text {
				return 0, flawed(example, "%s is no duration", shown(text))
			}
			return 0, &flaw{err.message, orHint(err.hint, example)}
		}
		unit := unitLetters.FindString(after)
		scale, known := durationUnits[unit]
		if !known {
			if unit == "" {
				return 0, flawed("write "+text+"s or "+text+"ms; units are ns, us, ms, s, m, h, d", "%s has no unit", shown(text))
			}
			return 0, flawed(durationHint(unit), "%s has the unknown unit %s", shown(text), brief(unit))
		}
		n, convErr := strconv.ParseFloat(number, 64)
		if total += n * float64(scale); convErr != nil || total > float64(longest) {
			return 0, flawed("at most 366d", "%s is too long", shown(text))
		}
		whole, fraction := math.Modf(n)
		exact += time.Duration(whole)*scale + time.Duration(math.Round(fraction*float64(scale)))
		if rest = after[len(unit):]; rest == "" {
			return exact, nil
		}
	}
}

func durationHint(unit string) string {
	for _, long := range []struct{ prefix, unit string }{{"milli", "ms"}, {"msec", "ms"}, {"micro", "us"}, {"sec", "s"}, {"min", "m"}, {"hour", "h"}, {"hr", "h"}, {"day", "d"}} {
		if strings.HasPrefix(strings.ToLower(unit), long.prefix) {
			return "did you mean " + long.unit + "?"
		}
	}
	return "units are ns, us, ms, s, m, h, d"
}

var rateUnits = map[string]float64{"/s": 1, "/min": 1.0 / 60, "/h": 1.0 / 3600}

// parseRate reads a number of things by time, such as 2000/s, and returns it by the
// second.
func parseRate(text string) (float64, *flaw) {
	const units = "units are /s, /min, /h"
	number, unit, err := splitNumber(text)
	if err != nil {
		return 0, &flaw{err.message, orHint(err.hint, "write a rate such as 3000/s")}
	}
	factor, known := rateUnits[unit]
	if !known {
		if unit == "" {
			return 0, flawed("write "+text+"/s; "+units, "%s has no unit", shown(text))
		}
		hint := units
		if best, ok := nearest(unit, slices.Sorted(maps.Keys(rateUnits))); ok && strings.HasPrefix(unit, "/") {
			hint = "did you mean " + best + "? " + units
		}
		return 0, flawed(hint, "%s has the unknown unit %s", shown(text), brief(unit))
	}
	n, convErr := strconv.ParseFloat(number, 64)
	if convErr != nil {
		return 0, flawed("", "%s is too large", shown(text))
	}
	return n * factor, nil
}

func orHint(hint, otherwise string) string {
	if hint != "" {
		return hint
	}
	return otherwise
}
