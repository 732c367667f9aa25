// Package tunnel is the reference WebSocket proxy, and the target kind for it.
// It stands beside the proxies under test in every run, so it does what a tunnel
// must do and nothing else: it neither rewrites, nor logs, nor looks into frames.
//
// # From connect to tunnel
//
// A connection brings one request. Its head (at most 16 KiB, RFC 9112 without the
// latitude that lets two readers disagree) is sent on as it came, and so is the
// backend's response. Only a 101 that names websocket, in answer to a request
// that asked for it, opens a tunnel; the key and the accept value are the
// endpoints' affair.
//
// What a client sends after its upgrade request is held back, at most 16 KiB of
// it, until the 101 is there. When the backend refuses, it is thrown away: sent
// on, it would be taken for a second request that nobody has looked at
// (CVE-2019-17567).
//
// Every other request is relayed too: with a body of Content-Length or chunks,
// streamed and bounded by its own framing, then the response to its end by RFC
// 9112 section 6.3, then both connections are closed. An upgrade request with a
// body is refused (400), and so are both framings at once; CONNECT and other
// transfer codings are answered with 501.
//
// The proxy's own answers: 400 and 431 for a head that is malformed or too large,
// 502 when the backend refuses, resets or makes no sense, 504 when it stays
// silent, 503 at the limit of tunnels and when descriptors or ports have run out.
// They close the connection gently, so that the client can read them whatever it
// is still sending. A head that does not come in time gets no answer.
//
// # The tunnel
//
// An open tunnel is one allocation of 64 bytes and two descriptors. Bytes pass
// through the loop's shared buffer, one read and one write a wake-up. What the
// other side does not take at once waits in a pooled buffer of at most 64 KiB,
// and until it has been written nothing more is read: TCP's own flow control then
// reaches the sender. FIN is carried across once what came before it has been
// written, RST at once.
//
// # Known faults
//
// An [Injection] makes the tunnel worse by a known measure: it holds chunks back,
// stops for a while, burns processor time, leaks. It is what calibrates the
// harness (docs/methodology.md). Without one nothing of it runs but a comparison
// with nil for each chunk.
//
// # Several processes
//
// A process may open only so many files. [Processes] owns several that share an
// address, and leaves none behind.
package tunnel
