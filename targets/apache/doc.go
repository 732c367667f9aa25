// Package apache makes a target of an Apache httpd: from a scenario's `apache:`
// entry to a server ready to be started in the foreground.
//
// # What it finds
//
// The server is the scenario's `server:`, else apache2 or httpd on the PATH and
// in the usual directories. It is asked itself for its version, its compiled-in
// root and its compiled-in modules; the directory of loadable modules is looked
// for beside the server, under its root, and where distributions put it. A
// server older than 2.4.48 is refused: mod_proxy_http does not serve ws:// there.
//
// # What it writes
//
// One complete configuration, apache.conf, in the instance's private directory.
// The system's configuration is neither read nor touched, and everything the
// server writes (process id, lock files) lies in the same directory, its error
// log apart, which lies with the trial's records. Only the modules needed are
// loaded; there is no access log. The server then reads the file with -t, so a
// mistake in `extra:` comes back in Apache's own words before anything starts.
//
// # Defaults
//
// A key that the scenario leaves out is what httpd does when the directive is
// absent, with these exceptions:
//
//   - timeout: 300 s, as in Debian's and the project's sample configuration,
//     where httpd compiles in 60. A tunnel that is silent for that long is ended,
//     and a hold step of a few minutes should measure tunnels, not this.
//   - server_limit and thread_limit are raised to what the other keys need, never
//     lowered. When the scenario sets them and they are too small, they stay, and
//     the server serves fewer than asked, as it would in production.
//   - max_request_workers: 400 on event and worker, lowered to a whole number of
//     children; 256 on prefork.
//   - threads_per_child: 25, or when max_request_workers is no multiple of 25, the
//     divisor between 16 and 64 nearest to it.
//   - start: full starts every child beforehand and sets the spare limits so that
//     none is retired. start: stock leaves the spawning to the MPM.
//
// # Threads and processes
//
// A child of event or worker has threads_per_child worker threads, a listener and
// its main thread; a child of prefork has one thread. A tunnel holds one worker
// thread, on prefork one process, for its whole life.
//
// Near max_request_workers an event server of several children may leave a few
// threads unused: the upgrade waits, with AH00484 in the log. Seen on 2.4.71 in
// 7 of 12 trials that filled four children of 25 threads one tunnel after
// another: it stalled at 97 to 99 of 100. The likely reason, read in the source
// and not proved, is a child that stopped accepting while its last idle thread
// was reserved. One child fills to the last thread; worker (12 of 12 trials) and
// prefork fill as well.
//
// # Several backends
//
// With one backend the route is a plain ProxyPass. With several it is a balancer
// by busyness, which counts live tunnels, so that they spread evenly also after
// reconnects. The balancer's state is shared memory: httpd removes it when it
// is ended by SIGTERM, and leaves some kilobytes in /dev/shm when it is killed.
//
// # Starting and stopping
//
// The server has to lead a process group of its own: prefork's parent passes
// SIGTERM to its whole group, whoever else is in it. SIGTERM with tunnels open
// takes event and worker ten seconds.
package apache
