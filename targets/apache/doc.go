// Package apache makes a target of an Apache httpd: from a scenario's `apache:`
// entry to a server ready to be started in the foreground.
//
// # What it finds
//
// The server is the scenario's `server:`, else apache2 or httpd on the PATH and
// in the usual directories. It is asked itself for its version, its compiled-in
// root and its compiled-in modules; the directory of loadable modules is looked
// for beside the server, under its root, and where distributions put it. A server
// that is too old for the scenario's keys is refused with the version that has them:
// 2.4.48 as a rule, since mod_proxy_http serves ws:// only from there on; 2.4.47 for
// route: upgrade, 2.4.10 for legacy, and 2.4.37 for TLS. A module that is missing is
// named with its package.
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
// # Routes
//
//   - proxypass: ProxyPass to ws://, served by mod_proxy_http.
//   - upgrade: ProxyPass to http:// with upgrade=websocket, served by it as well.
//   - rewrite: mod_rewrite sends upgrades to ws:// by [P], and ProxyPass the rest. The
//     tunnels belong to the generic worker, so worker_timeout is not for them.
//   - legacy: mod_proxy_wstunnel's own loop, with ProxyWebsocketFallbackToProxyHttp Off.
//     It has no idle limit. What is no upgrade it declines, which mod_rewrite leads to
//     mod_proxy_http.
//
// Plain HTTP is served beside tunnels on each. Paths and queries come through as they
// were written, with two exceptions that are Apache's own: an encoded slash (%2F) in a
// path is a 404 (AllowEncodedSlashes), and an encoded question mark (%3F) in a path
// that mod_rewrite handles a 403 (AH10508; tunnels of rewrite, pages of legacy).
//
// # TLS
//
// At the front the trial's certificate, tickets and a session cache; to the backend
// wss:// and https://, with the trial's authority required and the name checked.
// mod_ssl compares the host of a URL with the names in a certificate, never with its
// addresses, so the trial's certificate has its addresses as names too (seen on 2.4.71:
// AH01084, AH00898 and a 500 without them).
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
// With one backend each route leads straight to it. With several, or where the scenario
// asks for it, it is a balancer, by busyness unless told otherwise, which counts live
// tunnels, so that they spread evenly also after reconnects. Members are called m1, m2
// and so on. A member that refuses a connection rests for 60 s, which is the default of
// retry=. lbmethod heartbeat gets a file in place of heartbeats, which the backends do
// not send: each tunnel goes to a random member.
//
// With sticky: true a client comes back by the cookie ROUTEID. Apache adds it to
// answers of plain requests but never to a 101 (seen on 2.4.71), so a client of
// WebSocket alone has no cookie, as in production. A scenario has its clients bring it:
// headers: {Cookie: ROUTEID=.m1}, or path: "/?ROUTEID=.m1".
//
// The balancer's state is shared memory by name: httpd removes it when it is ended by
// SIGTERM, and whoever kills it (internal/proc) does so in its place.
//
// # The scoreboard
//
// With scoreboard: true there is a page /wsgauge-status (mod_status), open to the
// runner's address alone and led to no backend. [ParseStatus] counts its letters, less
// the worker that makes the page. Free counts event's places beyond MaxRequestWorkers,
// where generations that are to end live on; MPM worker tells no generations apart, so
// Graceful is not known there.
//
// # A configuration of the user's own
//
// With config: the file is used as it is, and nothing of ours is in it. The server reads
// it with -t before anything is started. It finds the trial's addresses in its
// environment, as ${WSGAUGE_BACKEND} (address and port; also WSGAUGE_BACKEND_HOST and
// WSGAUGE_BACKEND_PORT, and WSGAUGE_BACKENDS for all with commas), ${WSGAUGE_DIR} (a
// directory that goes with the trial, for PidFile and such), ${WSGAUGE_LOGS} (one that
// stays) and, where the trial has certificates, ${WSGAUGE_CERT}, ${WSGAUGE_KEY} and
// ${WSGAUGE_CA}; `extra:` may refer to them, too. It must listen where listen: says. Its error log is watched when the
// main ErrorLog is a file, and its /server-status when there is one. How many workers
// it starts is not known, so a trial begins when an echo has passed.
//
// # Starting and stopping
//
// The server has to lead a process group of its own: prefork's parent passes
// SIGTERM to its whole group, whoever else is in it. SIGTERM with tunnels open
// takes event and worker ten seconds.
package apache
