// Package wire is the client's side of the WebSocket protocol (RFC 6455) as bytes in
// and events out. It opens no sockets, starts no goroutines and reads no clock.
//
// A connection's life in calls:
//
//	request = AppendRequest(request, &r, key)  // written to the server
//	rest, done, err := head.Feed(read)         // until done
//	err = head.Check(key, r.Subprotocol)       // then the Head is dropped
//	err = frames.Feed(rest, limit, sink)       // a first frame may come with the 101
//	err = frames.Feed(read, limit, sink)       // and so on, in pieces of any size
//	frame = AppendFrame(frame, Text, true, mask, payload)
//
// Both parsers take bytes cut at any place: what they report, and the byte at which
// they refuse, does not depend on the cuts. What a peer claims is checked against a
// bound before anything is allocated for it.
//
// No extension is ever offered, so that reserved bits must be zero.
package wire
