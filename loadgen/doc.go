// Package loadgen is the load generator: an agent process with one or more
// workers, each an event loop that owns its connections.
//
// A message's way through it: a schedule says when it is due and on which
// connection (sending.go); the worker makes the first attempt to write it, or
// queues it behind what the socket has not taken yet (conn.go); the answer comes
// through the frame machine (package wire), is matched with what was sent
// (answering.go, payload.go), and its times go into the recorder of the step that has its
// group (running.go, recorder.go). Once a second the agent takes the recorders of each
// step, merges them and reports (execution.go).
//
// The load is open loop: nothing that the target does changes when a message is
// due. A worker that falls behind says so by its send lag.
//
// Other kinds of load have files of their own: closedloop.go; pushing.go and
// broadcasting.go, where messages have no answers and the backend is asked to do
// something (asking.go, and package order); life.go for connections that begin anew.
// Requests over HTTP go by connections of their own (requesting.go, caller.go). Clients
// that offend against the protocol are in hostile.go.
// A message of more than 64 KiB is made as the socket takes it (stream.go, queue.go).
package loadgen
