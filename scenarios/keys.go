package scenarios

// The raw types are the file's grammar: one struct a mapping. Decoding, the hints
// at misspelt keys, the JSON Schema and the test of docs/scenarios.md all read
// their tags:
//
//	json        the key; without omitempty it has to be given
//	jsonschema  its description
//	default     its value when it is not given, as it would be written
//	example     one more value, as it would be written
//	words       all values of a word
//	later       values or (on a field _) keys of the design that this version lacks
//	min, max    bounds, as they would be written; without min more than 0
//	form        the name of a pattern in forms, for texts

// section is embedded in every raw struct: where it was given, and whether one of
// its keys was mistaken, so that what it lacks need not be said.
type section struct {
	mark
	mistaken bool
}

func (s *section) locate(at mark, mistaken bool) { s.mark, s.mistaken = at, mistaken }

type rawScenario struct {
	section
	Name    text        `json:"name" form:"name" jsonschema:"Name of the scenario. The run's directory is called after it." example:"quickstart"`
	About   text        `json:"about,omitempty" jsonschema:"The question that the scenario answers, in a sentence. Lists and reports show it." example:"What does each proxy add to a direct connection?"`
	Params  rawParams   `json:"params,omitempty" jsonschema:"Values with names. $name stands for one anywhere in the file; --set name=value replaces it for one run."`
	Backend rawBackend  `json:"backend,omitempty" jsonschema:"The echo server behind every target." default:"go"`
	Targets targetList  `json:"targets" jsonschema:"What to compare. Each block runs every target once, in random order, with fresh processes."`
	Blocks  count       `json:"blocks,omitempty" max:"1000" default:"3" jsonschema:"Trials of each target. --blocks replaces it."`
	Seed    seed        `json:"seed,omitempty" default:"1" jsonschema:"Seed of everything random: order of targets, arrivals, which connection gets a message. --seed replaces it."`
	Agents  rawAgents   `json:"agents,omitempty" default:"1" jsonschema:"The load generator: a number of processes, or their layout. --agents replaces the number."`
	Netns   rawNetns    `json:"netns,omitempty" jsonschema:"A network namespace of the run's own: a loopback with settings of its own, that nothing else of the machine shares. It takes root."`
	Steps   stepList    `json:"steps" jsonschema:"What is done to every target, one step after the other."`
	Expect  expectTexts `json:"expect,omitempty" jsonschema:"What has to hold. When one does not, the exit code is 3."`
	Claim   rawClaim    `json:"claim,omitempty" jsonschema:"What guides say of the proxy, and the rules by which the run's figures decide whether it is so."`

	_ struct{} `later:"capacity|gate|soak|size"`
}

type rawNetns struct {
	section
	Ports text `json:"ip_local_port_range" example:"20000 20199" jsonschema:"Ephemeral ports of everything in it (net.ipv4.ip_local_port_range): the first and the last, from 10002 to 65535."`
}

type rawBackend struct {
	section
	Runtime   word  `json:"runtime,omitempty" words:"go|node|python" default:"go" jsonschema:"What the echo server is written in: Go, JavaScript on Node.js with ws, Python with websockets. The last two have to be installed."`
	Instances count `json:"instances,omitempty" max:"256" default:"1" jsonschema:"Echo server processes. Clients of direct take them in turn, and so do targets that can. More are started when a process may not open enough files."`

	TLS boolean `json:"tls,omitempty" default:"false" jsonschema:"wss: the echo server speaks TLS, with a certificate made for the trial. A direct connection and the way from a target to the backend are encrypted then."`

	External text `json:"external,omitempty" form:"url" example:"ws://10.0.0.9:9000/echo" jsonschema:"An echo server that runs already, in place of one that wsgauge starts. wss says that it speaks TLS. No other key stands beside it."`

	_ struct{} `later:"listen"`
}

type rawAgents struct {
	section
	Count   count `json:"count,omitempty" max:"256" default:"1" jsonschema:"Generator processes. Connections are dealt to them in turn."`
	Workers count `json:"workers,omitempty" max:"256" default:"1" jsonschema:"Event loops, each a thread, in every process."`
	CPUs    text  `json:"cpus,omitempty" form:"cpus" example:"0,2-3" jsonschema:"The CPUs they run on. Without it wsgauge keeps agents and target apart."`
}

type rawTarget struct {
	section
	Name   text      `json:"name" form:"name" example:"event" jsonschema:"Name of the target, once in the file. Tables and expectations call it so."`
	Nofile rawNofile `json:"nofile,omitempty" jsonschema:"Limit on open descriptors (RLIMIT_NOFILE) of the target's processes. Without it they inherit wsgauge's."`
	CPUs   text      `json:"cpus,omitempty" form:"cpus" example:"1" jsonschema:"The CPUs it runs on. Without it wsgauge keeps agents and target apart."`

	Direct rawDirect `json:"direct,omitempty" jsonschema:"No proxy: clients connect to the backend."`
	Tunnel rawTunnel `json:"tunnel,omitempty" jsonschema:"The reference tunnel that wsgauge brings along: the yardstick."`
	Apache rawApache `json:"apache,omitempty" jsonschema:"An Apache httpd with a configuration written for the trial. Keys without a default here are left to the server's own."`

	Nginx    rawPeer     `json:"nginx,omitempty" jsonschema:"nginx, with a configuration written for the trial."`
	HAProxy  rawPeer     `json:"haproxy,omitempty" jsonschema:"HAProxy, with a configuration written for the trial."`
	Caddy    rawPeer     `json:"caddy,omitempty" jsonschema:"Caddy, with a configuration written for the trial."`
	Command  rawCommand  `json:"command,omitempty" jsonschema:"Any other proxy: how it is started, and the files it reads."`
	External rawExternal `json:"external,omitempty" jsonschema:"A proxy that runs already. wsgauge starts, stops and configures nothing of it."`
}

type rawNofile struct {
	section
	Soft count `json:"soft" max:"1073741816" example:"1024" jsonschema:"Soft limit: the one that binds."`
	Hard count `json:"hard" max:"1073741816" example:"4096" jsonschema:"Hard limit: as far as a process may raise its own."`
}

type rawDirect struct{ section }

type rawTunnel struct {
	section
	MaxTunnels  count    `json:"max_tunnels,omitempty" max:"10000000" example:"1000" jsonschema:"Tunnels at once; one more is answered with 503. Without it there is no limit."`
	IdleTimeout duration `json:"idle_timeout,omitempty" example:"5m" jsonschema:"A tunnel ends after this long without a byte in either direction. Without it it does not."`

	Processes count     `json:"processes,omitempty" max:"256" default:"1" jsonschema:"Processes behind the one address. The kernel deals connections to them by a hash of their addresses; max_tunnels is divided among them."`
	Inject    rawInject `json:"inject,omitempty" jsonschema:"Faults of known size, to see whether they are found."`

	TLS rawTLS `json:"tls,omitempty" jsonschema:"Which legs of it speak TLS. Without it clients connect by ws, and the backend is spoken to as it speaks."`
}

type rawTLS struct {
	section
	Frontend boolean `json:"frontend,omitempty" default:"true" jsonschema:"Clients connect by wss."`
	Backend  boolean `json:"backend,omitempty" jsonschema:"Whether the way to the backend is encrypted. Without it: as the backend speaks, and nothing else works."`
	Min      word    `json:"min,omitempty" words:"1.2|1.3" default:"1.2" jsonschema:"The lowest version of TLS, on both legs."`
	Max      word    `json:"max,omitempty" words:"1.2|1.3" default:"1.3" jsonschema:"The highest."`
}

type rawInject struct {
	section
	Delay       duration `json:"delay,omitempty" max:"1m" example:"500us" jsonschema:"Holds back every chunk from client to backend for so long; chunks of a tunnel keep their order. A chunk is what one read brings, usually a message. The way back is left alone."`
	Jitter      duration `json:"jitter,omitempty" max:"1m" example:"2ms" jsonschema:"Adds a random time to delay: uniform from 0 to this, independent from chunk to chunk."`
	Stall       rawStall `json:"stall,omitempty" jsonschema:"Stops the whole process once in a while."`
	CPU         duration `json:"cpu,omitempty" max:"1s" example:"100us" jsonschema:"Takes so much processor time for every chunk from client to backend; what comes meanwhile waits."`
	Path        text     `json:"path,omitempty" form:"path" example:"/held" jsonschema:"Narrows delay, jitter and cpu to tunnels whose request asks for this path, without a query. So two groups of connections through one tunnel differ in nothing else."`
	LeakFDEvery count    `json:"leak_fd_every,omitempty" max:"1000000" example:"10" jsonschema:"Leaks a descriptor with every so manieth tunnel that opens."`
	LeakBytes   size     `json:"leak_bytes,omitempty" max:"1GiB" example:"4KiB" jsonschema:"Leaks so much memory with every tunnel that opens, 4 GiB in all at most."`
}

type rawStall struct {
	section
	Every duration `json:"every" example:"1s" jsonschema:"How often. Stalls begin at multiples of it after the start."`
	For   duration `json:"for" max:"1m" example:"50ms" jsonschema:"How long. Shorter than every."`
}

type rawApache struct {
	section
	MPM   word `json:"mpm,omitempty" words:"event|worker|prefork" default:"event" jsonschema:"The multi-processing module."`
	Route word `json:"route,omitempty" words:"proxypass|upgrade|rewrite|legacy" default:"proxypass" jsonschema:"How the configuration leads to the backend. proxypass: ProxyPass to ws://, served by mod_proxy_http. upgrade: ProxyPass to http:// with upgrade=websocket. rewrite: a RewriteRule with the flag P to ws://. legacy: mod_proxy_wstunnel's own loop."`
	Start word `json:"start,omitempty" words:"full|stock" default:"full" jsonschema:"full starts every child before the first step and retires none; stock leaves spawning to the MPM."`

	MaxRequestWorkers      count `json:"max_request_workers,omitempty" max:"1000000" example:"512" jsonschema:"MaxRequestWorkers: tunnels at once, since each holds a worker. Without it: 400 on event and worker (a whole number of children), 256 on prefork."`
	ThreadsPerChild        count `json:"threads_per_child,omitempty" max:"20000" example:"64" jsonschema:"ThreadsPerChild; event and worker. Without it: 25, or the divisor of max_request_workers between 16 and 64 nearest to 25."`
	ServerLimit            count `json:"server_limit,omitempty" max:"200000" example:"16" jsonschema:"ServerLimit: children at most. Without it: what the other keys need, at least 16 (event, worker) or 256 (prefork). A limit that is too small stays, and the server serves fewer."`
	ThreadLimit            count `json:"thread_limit,omitempty" max:"20000" example:"64" jsonschema:"ThreadLimit; event and worker. Without it: threads_per_child, at least 64."`
	StartServers           count `json:"start_servers,omitempty" max:"200000" example:"4" jsonschema:"StartServers. Without it: every child (start: full) or Apache's own 3, prefork 5 (start: stock)."`
	MinSpareThreads        count `json:"min_spare_threads,omitempty" max:"1000000" example:"75" jsonschema:"MinSpareThreads; event and worker. Without it: about one child's worth (start: full) or Apache's own 75 (start: stock)."`
	MaxSpareThreads        count `json:"max_spare_threads,omitempty" max:"1000000" example:"250" jsonschema:"MaxSpareThreads; event and worker. Without it: so many that no child is retired (start: full) or Apache's own 250 (start: stock)."`
	MinSpareServers        count `json:"min_spare_servers,omitempty" max:"200000" example:"5" jsonschema:"MinSpareServers; prefork. Without it: 1 (start: full) or Apache's own 5 (start: stock)."`
	MaxSpareServers        count `json:"max_spare_servers,omitempty" max:"200000" example:"10" jsonschema:"MaxSpareServers; prefork. Without it: so many that no child is retired (start: full) or Apache's own 10 (start: stock)."`
	MaxConnectionsPerChild count `json:"max_connections_per_child,omitempty" min:"0" max:"1000000000" default:"0" jsonschema:"MaxConnectionsPerChild: a child ends after so many. 0: never."`
	ThreadStackSize        size  `json:"thread_stack_size,omitempty" min:"16KiB" max:"1GiB" example:"256KiB" jsonschema:"ThreadStackSize; event and worker. Without it: the system's."`
	ListenBacklog          count `json:"listen_backlog,omitempty" max:"1000000" default:"511" jsonschema:"ListenBackLog: connections that the kernel holds until they are accepted, net.core.somaxconn at most."`

	AsyncRequestWorkerFactor decimal  `json:"async_request_worker_factor,omitempty" min:"0.1" max:"1000" example:"2" jsonschema:"AsyncRequestWorkerFactor; event. Connections that a child takes beyond its workers, for each idle one. It adds no tunnel. Without it: Apache's own 2."`
	GracefulShutdownTimeout  duration `json:"graceful_shutdown_timeout,omitempty" min:"1s" example:"30s" jsonschema:"GracefulShutdownTimeout, in whole seconds: bounds a graceful stop, never a graceful restart. Without it: no bound."`

	Timeout         duration `json:"timeout,omitempty" min:"1s" default:"300s" jsonschema:"Timeout, in whole seconds. A silent tunnel ends after the longest of this and the backend's timeout."`
	ProxyTimeout    duration `json:"proxy_timeout,omitempty" min:"1s" example:"60s" jsonschema:"ProxyTimeout, in whole seconds. Without it: timeout."`
	WorkerTimeout   duration `json:"worker_timeout,omitempty" min:"1s" example:"60s" jsonschema:"The timeout= of the ProxyPass line, in whole seconds. Without it: proxy_timeout."`
	HostnameLookups word     `json:"hostname_lookups,omitempty" words:"on|off|double" default:"off" jsonschema:"HostnameLookups."`
	LogLevel        text     `json:"log_level,omitempty" form:"loglevel" default:"warn" example:"warn proxy:trace2" jsonschema:"LogLevel, of the server and of single modules."`
	Extra           text     `json:"extra,omitempty" jsonschema:"Directives as they are, put after all others. ${modules} is the directory of loadable modules, ${WSGAUGE_BACKEND} address and port of the first backend." example:"SetEnv proxy-nohalfclose 1"`
	Server          text     `json:"server,omitempty" jsonschema:"Path of another build's executable. Without it: apache2 or httpd as installed." example:"/opt/httpd/bin/httpd"`

	TLS        rawTLS      `json:"tls,omitempty" jsonschema:"Which legs of it speak TLS. Without it clients connect by ws, and the backend is spoken to as it speaks."`
	Balancer   rawBalancer `json:"balancer,omitempty" jsonschema:"mod_proxy_balancer over the instances of the backend."`
	Scoreboard boolean     `json:"scoreboard,omitempty" default:"true" jsonschema:"Whether its server-status is read once a second, which takes a worker for a moment."`
	Config     text        `json:"config,omitempty" example:"/etc/apache2/apache2.conf" jsonschema:"A configuration file of your own, left as it is. Beside it stand listen, server, scoreboard and tls: {frontend} alone."`
	Listen     text        `json:"listen,omitempty" form:"listen" example:"127.0.0.1:8080" jsonschema:"With config: the address and port on which that file has it listen."`
}

type rawStep struct {
	section
	ID      text       `json:"id,omitempty" form:"name" example:"load" jsonschema:"Name of the step, once in the file. Without it the step is called by its place: 2, or 4.1 inside a repeat or together."`
	Connect rawConnect `json:"connect,omitempty" jsonschema:"Opens connections at a rate, whatever becomes of the ones before; one attempt each. Ends when every attempt is decided."`
	Send    rawSend    `json:"send,omitempty" jsonschema:"Sends messages on a schedule that does not wait for answers."`
	Hold    rawHold    `json:"hold,omitempty" jsonschema:"Sends nothing but the heartbeat asked for, and records when and how tunnels end. Ends early when no connection is left."`
	Close   rawClose   `json:"close,omitempty" jsonschema:"Closes connections from the client's side."`
	Wait    rawWait    `json:"wait,omitempty" jsonschema:"Does nothing for a while, or until the target is empty, with or without connections."`
	Repeat  rawRepeat  `json:"repeat,omitempty" jsonschema:"Runs steps several times."`

	HTTP     rawHTTP        `json:"http,omitempty" jsonschema:"Sends ordinary HTTP requests through the target on a schedule that does not wait for answers."`
	Signal   rawSignal      `json:"signal,omitempty" jsonschema:"Has the target reload, restart, stop, pause, resume, or die."`
	Backend  rawBackendStep `json:"backend,omitempty" jsonschema:"Kills, restarts, pauses or resumes echo servers."`
	Together rawTogether    `json:"together,omitempty" jsonschema:"Runs branches at the same time."`
}

type rawConnect struct {
	section
	Connections count    `json:"connections" max:"10000000" example:"300" jsonschema:"Connections to open, all agents together."`
	Until       word     `json:"until,omitempty" words:"failure" jsonschema:"failure: no more attempts begin after the first that failed, and connections is the most."`
	Rate        rate     `json:"rate,omitempty" default:"1000/s" jsonschema:"Dials by time, all agents together."`
	Group       text     `json:"group,omitempty" form:"name" default:"main" jsonschema:"The group that the connections belong to. Later steps name it."`
	Timeout     duration `json:"timeout,omitempty" default:"10s" jsonschema:"From the dial to the 101; then the attempt has failed."`
	OnTimeout   word     `json:"on_timeout,omitempty" words:"close|keep" default:"close" jsonschema:"What happens to the socket of an attempt that timed out. keep leaves it to the target to answer or end it."`
	Path        text     `json:"path,omitempty" form:"path" example:"/chat?user={conn}" jsonschema:"Path of the request; without it /, or the path of an external target's url. {conn} is the number of the connection; quote a text with braces."`
	Headers     headers  `json:"headers,omitempty" jsonschema:"Headers of the request besides those of the handshake. Values may hold {conn}."`
	Subprotocol text     `json:"subprotocol,omitempty" form:"subprotocol" example:"mqtt" jsonschema:"Sec-WebSocket-Protocol: a token, or several with commas."`

	Behave word `json:"behave,omitempty" words:"slow_head|garbage|never_read|huge_claim|early_bytes" jsonschema:"How the client offends: slow_head sends its request a byte every 100ms; garbage sends bytes that are no frame after the 101, huge_claim the header of a frame of 2^62 bytes; never_read reads nothing after the 101; early_bytes sends a frame behind the request. Without it: not at all."`

	TLS rawClientTLS `json:"tls,omitempty" jsonschema:"Choices of the clients, where they connect by wss. Targets that speak ws ignore them."`

	Lifetime  duration     `json:"lifetime,omitempty" min:"1ms" example:"5m" jsonschema:"So long after it opened a connection is closed, when its answers have come, and opened anew under its number: churn. Without it it stays."`
	Reconnect rawReconnect `json:"reconnect,omitempty" jsonschema:"What a client does whose tunnel the other side has ended. Without it it stays away."`
}

type rawReconnect struct {
	section
	After  duration `json:"after" example:"1s" jsonschema:"From the end of the tunnel to the next attempt."`
	Factor decimal  `json:"factor,omitempty" min:"1" max:"100" default:"2" jsonschema:"The delay grows by it with each attempt that fails. A tunnel that opens begins anew."`
	Jitter percent  `json:"jitter,omitempty" default:"0%" example:"20%" jsonschema:"Each delay differs by up to this share, either way, by seed."`
	Max    duration `json:"max,omitempty" default:"1m" jsonschema:"The delay grows no further; after, when that is longer."`
}

type rawClientTLS struct {
	section
	Resumption boolean `json:"resumption,omitempty" default:"false" jsonschema:"Clients take up an earlier session (a session ticket): no certificate is sent or checked. Until a worker has a ticket its handshakes are full ones."`
	Min        word    `json:"min,omitempty" words:"1.2|1.3" default:"1.2" jsonschema:"The lowest version of TLS."`
	Max        word    `json:"max,omitempty" words:"1.2|1.3" default:"1.3" jsonschema:"The highest."`
}

type rawSend struct {
	section
	Group     text     `json:"group,omitempty" form:"name" default:"main" jsonschema:"The group that gets the messages."`
	Rate      rate     `json:"rate,omitempty" example:"3000/s" jsonschema:"Messages by time, all connections together: each goes to a uniformly random connection. Either rate or every; neither with loop: closed."`
	Every     duration `json:"every,omitempty" example:"1s" jsonschema:"The period in which each connection sends one message. Either rate or every; neither with loop: closed."`
	Phase     word     `json:"phase,omitempty" words:"spread|random|together" default:"spread" jsonschema:"With every: when in the period each connection sends. spread is even, together is all at once."`
	Size      rawSize  `json:"size,omitempty" default:"128B" jsonschema:"Size of a message's payload: one size, a uniform range, or a weighted choice."`
	For       duration `json:"for" example:"10s" jsonschema:"Length of the window that is measured."`
	Warmup    duration `json:"warmup,omitempty" min:"0s" default:"2s" jsonschema:"Sending before the window; it counts in no figure. With every the default is one period."`
	Drain     duration `json:"drain,omitempty" min:"0s" default:"5s" jsonschema:"The longest wait for answers after the window. What has none then is unanswered."`
	Arrivals  word     `json:"arrivals,omitempty" words:"poisson|constant" default:"poisson" jsonschema:"With rate: gaps between messages. poisson is what many independent clients make; constant is a metronome."`
	Text      boolean  `json:"text,omitempty" default:"false" jsonschema:"Text messages in place of binary ones."`
	Fragments count    `json:"fragments,omitempty" max:"1024" default:"1" jsonschema:"Frames in a message, never more than it has bytes."`
	Loop      word     `json:"loop,omitempty" words:"open|closed" default:"open" jsonschema:"open: messages are due by schedule, whatever becomes of the answers. closed: each connection sends when its answer came, one message at a time; there is no rate and no send lag."`
	Pattern   word     `json:"pattern,omitempty" words:"echo|push|broadcast" default:"echo" jsonschema:"echo: the backend answers each message. push: the backend sends, on this schedule, and clients listen. broadcast: the backend sends each message to every connection of the group. The last two need wsgauge's own backend, runtime: go."`
}

type rawUniform struct {
	section
	Uniform sizeRange `json:"uniform" jsonschema:"Every size from the first to the second with the same probability, both included."`
}

type rawChoose struct {
	section
	Choose choices `json:"choose" jsonschema:"Sizes and their weights, which need not add up to anything."`
}

type rawHold struct {
	section
	Group text     `json:"group,omitempty" form:"name" jsonschema:"The group to watch. Without it: all."`
	For   duration `json:"for" example:"30s" jsonschema:"How long."`
	Ping  rawPing  `json:"ping,omitempty" jsonschema:"A heartbeat. Without it nothing is sent."`
}

type rawPing struct {
	section
	Every duration `json:"every" example:"30s" jsonschema:"The period in which each connection sends one ping, spread evenly."`
	From  word     `json:"from,omitempty" words:"client|backend" default:"client" jsonschema:"Which side sends it. backend needs wsgauge's own, runtime: go; one message at the beginning asks for it and one at the end stops it."`
}

type rawClose struct {
	section
	Group       text  `json:"group,omitempty" form:"name" jsonschema:"The group to close. Without it: all."`
	Connections count `json:"connections,omitempty" max:"10000000" example:"100" jsonschema:"How many to close. Without it: all."`
	Pick        word  `json:"pick,omitempty" words:"random|oldest|newest" default:"random" jsonschema:"With connections: which of them. random is by seed."`
	How         word  `json:"how,omitempty" words:"clean|fin|reset|vanish" default:"clean" jsonschema:"clean is the closing handshake of RFC 6455, fin ends the TCP connection without it, reset aborts it. vanish: the peer hears nothing more, as when a cable is pulled."`
}

type rawWait struct {
	section
	For   duration `json:"for,omitempty" example:"1s" jsonschema:"How long. Either for or until."`
	Until word     `json:"until,omitempty" words:"drained|released" jsonschema:"drained: no socket is left on either leg, TIME_WAIT apart, and no worker is busy. released: the target has closed the connection of every client, whether the client has noticed or not, and no worker is busy. Either for or until."`
	Limit duration `json:"limit,omitempty" default:"60s" jsonschema:"With until: the longest wait. Then the step ends all the same, and says so."`
}

type rawRepeat struct {
	section
	Times count    `json:"times,omitempty" max:"1000000" example:"10" jsonschema:"How often. Either times or for."`
	For   duration `json:"for,omitempty" example:"10m" jsonschema:"Begins anew until this much time has passed; a pass that has begun is finished. Either times or for."`
	Steps stepList `json:"steps" jsonschema:"The steps to repeat."`
}
