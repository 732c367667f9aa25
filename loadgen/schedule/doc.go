// Package schedule says when messages are due, which connection each goes to and
// how long it is. It is pure arithmetic: a place in the load (message n, connection
// i) and a seed give the answer, and no clock is read. Every agent can therefore
// walk the same load and take its own part of it, and the load is the same however
// many agents share it.
//
// Times are nanoseconds after the start of a step. Results depend on the arguments
// alone, and are the same on every architecture.
package schedule
