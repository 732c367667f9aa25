package tlsconn

import "fmt"

// Cause is why TLS ended a connection.
type Cause uint8

// The causes of an [Error].
const (
	Broken    Cause = iota // what came is not TLS, not authentic, or not trusted
	Refused                // the peer sent an alert
	Truncated              // the stream ended within the handshake or a record
	Crowded                // the engine's bound on handshakes
)

var causes = [...]string{"broken", "refused by the peer", "cut off", "crowded"}

// Error is the end of a connection by TLS itself.
type Error struct {
	Handshake bool // before the handshake was over
	Cause     Cause
	Err       error
}

// Error says in which phase what went wrong.
func (e *Error) Error() string {
	phase := "connection"
	if e.Handshake {
		phase = "handshake"
	}
	return fmt.Sprintf("tls %s %s: %v", phase, causes[e.Cause], e.Err)
}

// Unwrap returns the error of crypto/tls.
func (e *Error) Unwrap() error { return e.Err }
