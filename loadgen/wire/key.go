package wire

import (
	"crypto/sha1"
	"encoding/base64"
)

// Key is the value of Sec-WebSocket-Key: "a nonce consisting of a randomly selected
// 16-byte value that has been base64-encoded" (RFC 6455 section 4.1).
type Key [24]byte

// NewKey returns the key of 16 random bytes, which "MUST be selected randomly for each
// connection" (section 4.1).
func NewKey(random [16]byte) (k Key) {
	base64.StdEncoding.Encode(k[:], random[:])
	return k
}

// Accept returns the Sec-WebSocket-Accept that proves that the server has read k: the
// base64 of the SHA-1 of k and a fixed identifier (section 4.2.2, step 5).
func (k Key) Accept() (accept [28]byte) {
	const identifier = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	var text [len(k) + len(identifier)]byte
	copy(text[copy(text[:], k[:]):], identifier)
	sum := sha1.Sum(text[:])
	base64.StdEncoding.Encode(accept[:], sum[:])
	return accept
}
