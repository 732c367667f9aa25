// Package echo is the echo backend: a WebSocket server (RFC 6455) that sends
// every message back, for many thousands of connections on one or a few event
// loops. It shares a processor with the load generator, so a message costs one
// read and one write, no copy and no allocation, and an idle connection costs a
// small struct and no buffer.
//
// It is written on github.com/gobwas/ws, not on the generator's own frame
// machine, so that one bug cannot hide on both ends.
//
// # What it answers
//
//   - A valid opening handshake (section 4.2): 101, whatever the path. When the
//     client offers subprotocols, the first one is chosen. No extension is ever
//     agreed to. A wrong Sec-WebSocket-Version: 426 with the right one; HTTP/1.0:
//     505; a method other than GET: 405; anything else that is not valid, a
//     Sec-WebSocket-Key without its Upgrade header included (a proxy has dropped
//     it): 400.
//   - A valid handshake with the header X-Refuse: STATUS: that status (200 to 599) in
//     place of the 101; after a 2xx the connection stays open for the next request.
//   - Any other GET or HEAD: 200 with a short text, and the connection stays open
//     for the next request. Other methods: 405. A request with a body: 400.
//   - A request head over 8 KiB: 431. No head holds more than that. One that is not
//     whole 10 s after its first byte ends its connection.
//   - Text and binary messages: the same frames, unmasked, with the same
//     fragmentation. A frame of at most 4 KiB is echoed when it is whole; a
//     larger one as it arrives, its own length in its header from the start.
//   - Ping: a pong with the same payload. Pong: nothing.
//   - An order (package order: a binary message in one frame that begins with
//     [order.Magic]): it is done, and answered by a message of its own.
//   - Close: a Close with the same code and no reason, and then the end of the
//     connection (section 7.1.1: the server ends it first).
//   - A broken rule: a Close with 1002, 1007 (text that is not UTF-8) or 1009 (a
//     message over the bound), then FIN; what the client still sends is thrown
//     away for a while, so that no RST overtakes the Close. A text frame of more
//     than 4 KiB that turns out invalid after its beginning has been echoed gets
//     the FIN alone: no Close can stand inside a frame.
//   - FIN without a Close: what was received is answered, and the connection
//     closed.
//
// It sends nothing unasked: no pings, no compression, no idle limit. A connection
// may rest between requests for as long as it likes.
//
// # What can be ordered
//
// A client may order one thing at a time for its connection, and stop it. It needs no
// right and no path of its own, so that nothing on the way has to know.
//
//   - push: messages on a schedule, with when they were due in them. Where client and
//     backend read the same clock (boot id and time namespace are compared) the
//     schedule has a common start; else it begins so long after the order came. What
//     cannot be written waits, unmade, up to 16 MiB and 4,096 messages; more is
//     skipped and counted. The answer to the order comes at once, another when
//     everything is sent.
//   - join: the connection becomes a member of a group. What a member sends is
//     gathered, up to 1 MiB, and goes whole to every member, the sender too, of this
//     server and all its loops.
//   - ping: a ping once a period, each with the round trip of the one before; the
//     answer to the stop has the last.
//
// A connection that has ordered still gets its messages echoed (but for a member),
// its pings and its Close answered, and frames of the two never mix.
//
// # Bounds
//
// While the kernel takes no more for a client that does not read, the server
// reads nothing more from it, and holds at most 64 KiB and one Close frame for
// it. A frame or head that is not whole holds at most 8 KiB. The two never meet
// in more than one buffer each, and both go back to the loop's pool at once.
//
// Orders add to that: a piece of 64 KiB of what is pushed, whatever the message's
// length; 64 answers; frames of broadcasts, which all members share, up to 4 MiB and
// 4,096 of them for one that does not keep up (it misses the others); 64 MiB for all
// messages that a loop gathers, after which a sender gets a Close with 1013; and 64
// MiB on their way to other loops.
package echo
