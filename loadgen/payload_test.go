package loadgen

import (
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func drawMessage(t *rapid.T) (p []byte, id identity, text bool) {
	id = identity{rapid.Uint32().Draw(t, "seq"), rapid.Uint32().Draw(t, "conn"), rapid.Int64().Draw(t, "intended")}
	text = rapid.Bool().Draw(t, "text")
	p = make([]byte, rapid.OneOf(rapid.IntRange(0, 60), rapid.IntRange(60, 3*fillerPeriod)).Draw(t, "size"))
	testFiller.fill(p, id, text)
	return p, id, text
}

var testFiller = newFiller(1)

// gather feeds p in pieces.
func gather(t *rapid.T, p []byte, text bool) *assembly {
	a := &assembly{text: text}
	for len(p) > 0 {
		n := rapid.IntRange(1, len(p)).Draw(t, "piece")
		a.add(p[:n])
		p = p[n:]
	}
	return a
}

// right is the check of answered, for one message.
func right(a *assembly, id identity, size int) bool {
	if a.length != size {
		return false
	}
	if a.short() {
		return a.isShort(testFiller, id)
	}
	got, sound := a.identity()
	return sound && got == id
}

func TestPayloadIsKnownAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, id, text := drawMessage(t)
		if text && !utf8.Valid(p) {
			t.Fatal("a text message must be UTF-8")
		}
		if a := gather(t, p, text); !right(a, id, len(p)) {
			t.Fatalf("a message of %d bytes was not known again", len(p))
		}
	})
}

func TestPayloadCorruptionIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, id, text := drawMessage(t)
		if len(p) == 0 {
			t.Skip("nothing to corrupt")
		}
		at := rapid.IntRange(0, len(p)-1).Draw(t, "at")
		flip := byte(rapid.IntRange(1, 255).Draw(t, "flip"))
		p[at] ^= flip
		if text && at < textHeader && flip == 0x20 && len(p) >= textHeader {
			t.Skip("the other case of the same hexadecimal digit says the same")
		}
		if a := gather(t, p, text); right(a, id, len(p)) {
			t.Fatalf("a flip at %d of %d was not found", at, len(p))
		}
	})
}

func TestPayloadOfAnotherIsNotOurs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, id, text := drawMessage(t)
		other := id
		other.seq++
		if text && len(p) < 8 || len(p) < 4 {
			t.Skip("too short to hold its whole sequence number")
		}
		if a := gather(t, p, text); right(a, other, len(p)) {
			t.Fatal("a message was taken for the next one")
		}
	})
}
