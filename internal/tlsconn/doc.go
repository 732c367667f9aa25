// Package tlsconn runs TLS 1.2 and 1.3 on an event loop: crypto/tls over a
// transport in memory, so that a connection is a value that is given what its
// socket brings and owns neither a goroutine nor a buffer while it is idle.
//
// # Reading and writing
//
// [Conn.Read] and [Conn.Write] have the shape of evloop.Read and evloop.Write:
// one read of the socket a call, evloop.ErrAgain when there is nothing to do
// now, a short count when the socket takes no more. Whoever serves a plain
// socket serves a TLS connection with the same code. Everything that a read of
// the socket brings is delivered by the call that made it, so nothing readable
// ever waits where the loop cannot see it; only the end of the stream can, and
// [Conn.Ended] tells.
//
// A written byte counts as written when the record that holds it has been taken
// by the kernel as a whole: what "accepted by the kernel" means to the figures
// of a plain connection, it means here.
//
// # The handshake
//
// crypto/tls takes up a read again that its transport ended with a temporary
// error, but not a handshake: its state is on the stack of the function that
// runs it. So the handshake runs as a coroutine ([iter.Pull]): from its first
// byte to its last it has a stack of its own, on which it sleeps where the
// transport has run dry. It runs on the loop's thread, within the call that
// brings it bytes, never beside it, and no scheduler decides when. Its stack is
// given back when the handshake is over. [Engine] bounds how many there are.
//
// The other ways were worse: the QUIC interface of crypto/tls is for 1.3 only
// and starts a goroutine itself; a pool of goroutines lets the scheduler decide
// when a handshake goes on, and measures that; running the handshake again from
// its beginning with all bytes so far needs random numbers that repeat, which
// crypto/tls rightly does not allow.
package tlsconn
