// Package evloop is the event loop under the load generator, the echo backend
// and the reference tunnel: one locked OS thread, one epoll instance, timers
// with nanosecond resolution, and non-blocking TCP sockets. It knows nothing of
// WebSocket or HTTP.
//
// # Goals
//
// The cost of a message should be the kernel's cost. Non-blocking system calls
// are made raw, without handing the thread to Go's scheduler, since they return
// at once; so are waits of up to 20 ms, and the loop gives its thread away
// only when one has brought nothing. Readiness is level-triggered: one read a
// wake-up suffices, and what is left over is reported again.
//
// An idle descriptor costs one table entry (24 bytes, in pages of 256) here, and no
// goroutine.
//
// # Threads
//
// Everything but [Loop.Post] and [Loop.Stop] belongs to the thread that runs
// the loop (and to the goroutine that made the loop, until it calls [Loop.Run]).
// Handlers must not block.
package evloop
