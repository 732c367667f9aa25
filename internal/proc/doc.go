// Package proc starts, bounds, places, watches and ends the processes of a run,
// and measures what they and the machine use. Linux only.
//
// # Nothing is left behind
//
// A [Keeper] owns everything that could outlive the run: children and temporary
// directories. Three things together find every process that descends from it:
//
//   - its process group (each child gets one of its own),
//   - its place in the process tree, remembered from one look to the next, and
//   - a random mark in its environment ([Keeper.Marker]), which daemons keep that
//     have left both group and tree.
//
// The controller makes itself a child subreaper (prctl(2)), so that orphans come
// to it rather than to init, and collects them without touching the children
// that os/exec waits for. For the controller's own sudden death there is the
// guard: a process in a session of its own, told of every child and directory
// through a socket, which cleans when that socket ends without a goodbye.
//
// A pid alone names no process: it is always checked against the start time in
// /proc/PID/stat before a signal is sent.
//
// # Hidden verbs
//
// The executable given to [NewKeeper] has to answer to two verbs: `guard` calls
// [Guard] with standard input, `launch` calls [Launch] with the arguments that
// follow it.
//
// # Measuring
//
// A [Prober] follows one group of processes and sums what its live members use
// and its ended members used. [Sockets] counts TCP sockets by state, [Machine]
// tells what the machine as a whole was doing, [Lateness] how late an idle thread
// wakes. A figure that could not be read is -1, never 0.
package proc
