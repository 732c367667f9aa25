package wire

import "strings"

// The character classes of HTTP/1.1's heads (RFC 7230 sections 3.2 and 3.2.6).

// isToken: token = 1*tchar.
func isToken(s string) bool { return s != "" && all(s, inToken) }

func inToken(b byte) bool {
	switch {
	case b >= '0' && b <= '9', b >= 'A' && b <= 'Z', b >= 'a' && b <= 'z':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0
}

// inValue: VCHAR, obs-text, SP and HTAB, what field values and reason phrases hold.
func inValue(b byte) bool { return b == '\t' || b >= ' ' && b != 0x7f }

// inTarget: printable ASCII without the space, what a request target is written in.
func inTarget(b byte) bool { return b > ' ' && b < 0x7f }

func all(s string, in func(byte) bool) bool {
	for i := range len(s) {
		if !in(s[i]) {
			return false
		}
	}
	return true
}

// trim removes OWS, which is SP and HTAB.
func trim(s string) string { return strings.Trim(s, " \t") }

// equalFold compares ASCII without regard to case. strings.EqualFold would take the
// Kelvin sign for a k, which the standard's "ASCII case-insensitive" does not.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(b byte) byte {
	if b >= 'A' && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}

// hasToken tells whether a comma-separated list holds the token, in any case.
func hasToken(list, token string) bool {
	for element := range strings.SplitSeq(list, ",") {
		if equalFold(trim(element), token) {
			return true
		}
	}
	return false
}

func inDigit(b byte) bool { return b >= '0' && b <= '9' }
