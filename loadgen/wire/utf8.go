package wire

import "unicode/utf8"

// utf8State is where a stream of UTF-8 stands between two bytes: the syntax of RFC
// 3629 section 4 as states, one for each rest of a character that can still follow.
type utf8State uint8

const (
	utf8Start   utf8State = iota // a whole character
	utf8Tail1                    // 80-BF
	utf8Tail2                    // 80-BF 80-BF
	utf8Tail3                    // 80-BF 80-BF 80-BF
	utf8AfterE0                  // A0-BF 80-BF: shorter forms are not UTF-8
	utf8AfterED                  // 80-9F 80-BF: surrogates are not UTF-8
	utf8AfterF0                  // 90-BF 80-BF 80-BF
	utf8AfterF4                  // 80-8F 80-BF 80-BF: U+10FFFF is the last character
)

// next reads p and tells whether the stream can still be UTF-8; with last, whether
// it is and ends with a whole character. A stream that cannot is not read further.
func (u *utf8State) next(p []byte, last bool) bool {
	for len(p) > 0 && *u != utf8Start {
		if !u.step(p[0]) {
			return false
		}
		p = p[1:]
	}
	tail := wholeCharacters(p)
	if !utf8.Valid(p[:tail]) {
		return false
	}
	for _, b := range p[tail:] {
		if !u.step(b) {
			return false
		}
	}
	return !last || *u == utf8Start
}

// wholeCharacters returns the length of p without a character that is cut at its end.
func wholeCharacters(p []byte) int {
	for n := len(p) - 1; n >= 0 && n > len(p)-utf8.UTFMax; n-- {
		if utf8.RuneStart(p[n]) {
			if utf8.FullRune(p[n:]) {
				break
			}
			return n
		}
	}
	return len(p)
}

// step reads one byte.
func (u *utf8State) step(b byte) bool {
	low, high, then := byte(0x80), byte(0xBF), utf8Start
	switch *u {
	case utf8Start:
		return u.lead(b)
	case utf8Tail2:
		then = utf8Tail1
	case utf8Tail3:
		then = utf8Tail2
	case utf8AfterE0:
		low, then = 0xA0, utf8Tail1
	case utf8AfterED:
		high, then = 0x9F, utf8Tail1
	case utf8AfterF0:
		low, then = 0x90, utf8Tail2
	case utf8AfterF4:
		high, then = 0x8F, utf8Tail2
	}
	*u = then
	return b >= low && b <= high
}

// lead reads the first byte of a character.
func (u *utf8State) lead(b byte) bool {
	switch {
	case b < 0x80:
	case b < 0xC2, b > 0xF4: // tails; C0, C1 and F5 to FF are in no character
		return false
	case b < 0xE0:
		*u = utf8Tail1
	case b == 0xE0:
		*u = utf8AfterE0
	case b == 0xED:
		*u = utf8AfterED
	case b < 0xF0:
		*u = utf8Tail2
	case b == 0xF0:
		*u = utf8AfterF0
	case b == 0xF4:
		*u = utf8AfterF4
	default:
		*u = utf8Tail3
	}
	return true
}
