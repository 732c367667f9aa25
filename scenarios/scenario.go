package scenarios

import (
	"strings"
	"time"
)

// Scenario is a scenario file after parsing: params substituted, defaults filled
// in, every value checked. docs/scenarios.md describes the file's grammar.
type Scenario struct {
	Name    string
	About   string
	Params  map[string]string // as given, after --set
	Backend Backend
	Targets []Target // those chosen by Options.Targets, in the order of the file
	Blocks  int
	Seed    uint64
	Agents  Agents
	Netns   *Netns // nil: the network is the machine's
	Steps   []Step
	// Expect holds the texts of Expectations, in the same order. Those that name a
	// target which was not chosen are in neither.
	Expect       []string
	Expectations []Expectation
	Claim        *Claim // nil: the file makes none
	// Source is the file as read, Path where from ("quickstart" for a shipped one).
	Source []byte
	Path   string
	// Overrides are the flags that took the place of the file's values: "--set n=12".
	Overrides []string
}

// Backend is the echo server behind every target.
type Backend struct {
	Runtime   string // go | node | python
	Instances int
	TLS       bool // it speaks wss
	// External is the URL (ws or wss) of one that runs already; then nothing else is
	// set but TLS, which its scheme says.
	External string
}

// Agents is how the generator is laid out.
type Agents struct {
	Count   int
	Workers int    // event loops in each agent
	CPUs    string // a CPU list; empty: placed by the runner
}

// Target is one system under test. Exactly one of the kinds is set.
type Target struct {
	Name   string
	Nofile Nofile // zero: inherited
	CPUs   string // empty: placed by the runner

	Direct   bool
	Tunnel   *Tunnel
	Apache   *Apache
	Nginx    *Peer
	HAProxy  *Peer
	Caddy    *Peer
	Command  *Command
	External *External
}

// Kind names the target's kind as the file does: "direct", "tunnel", "apache" …
func (t Target) Kind() string {
	switch {
	case t.Tunnel != nil:
		return "tunnel"
	case t.Apache != nil:
		return "apache"
	case t.Nginx != nil:
		return "nginx"
	case t.HAProxy != nil:
		return "haproxy"
	case t.Caddy != nil:
		return "caddy"
	case t.Command != nil:
		return "command"
	case t.External != nil:
		return "external"
	}
	return "direct"
}

// WSS tells whether clients connect to t by wss.
func (s *Scenario) WSS(t Target) bool {
	switch {
	case t.Tunnel != nil:
		return t.Tunnel.TLS.Frontend
	case t.Apache != nil:
		return t.Apache.TLS.Frontend
	case t.Nginx != nil:
		return t.Nginx.TLS.Frontend
	case t.HAProxy != nil:
		return t.HAProxy.TLS.Frontend
	case t.Caddy != nil:
		return t.Caddy.TLS.Frontend
	case t.Command != nil:
		return t.Command.TLS.Frontend
	case t.External != nil:
		return strings.HasPrefix(t.External.URL, "wss:")
	}
	return t.Direct && s.Backend.TLS
}

// Nofile is a pair of descriptor limits; zero means inherited.
type Nofile struct{ Soft, Hard uint64 }

// Tunnel configures the reference tunnel.
type Tunnel struct {
	MaxTunnels  int           // 0: no limit
	IdleTimeout time.Duration // 0: none
	TLS         TLS
	Processes   int     // behind one address; 1 unless given
	Inject      *Inject // nil: nothing
}

// Inject is faults of known size that the reference tunnel adds. Zero: not that one.
type Inject struct {
	Delay       time.Duration // of each chunk from client to backend
	Jitter      time.Duration // in addition, uniform from 0 to it
	Stall       Stall
	CPU         time.Duration // of each chunk from client to backend
	Path        string        // of the tunnels that Delay, Jitter and CPU are for; empty: all
	LeakFDEvery int           // a descriptor with every so manieth tunnel
	LeakBytes   int           // with each tunnel
}

// Stall stops a target for so long, once every so often. Both are 0, or For is the
// shorter.
type Stall struct{ For, Every time.Duration }

// TLS says which legs of a target are encrypted, by which versions ("1.2", "1.3").
type TLS struct {
	Frontend, Backend bool
	Min, Max          string
}

// Apache configures an Apache httpd. Zero values leave the directive to the
// default that docs/scenarios.md states.
type Apache struct {
	MPM   string // event | worker | prefork
	Route string // proxypass | upgrade | rewrite | legacy
	Start string // full | stock

	ServerLimit            int
	StartServers           int
	ThreadsPerChild        int
	ThreadLimit            int
	MaxRequestWorkers      int
	MinSpareThreads        int
	MaxSpareThreads        int
	MinSpareServers        int
	MaxSpareServers        int
	MaxConnectionsPerChild int
	ThreadStackSize        int // bytes
	ListenBacklog          int
	// AsyncRequestWorkerFactor is event's: connections without a worker that a child
	// takes for each of its idle ones. 0: Apache's own.
	AsyncRequestWorkerFactor float64
	GracefulShutdownTimeout  time.Duration // 0: none
	Timeout                  time.Duration
	ProxyTimeout             time.Duration
	WorkerTimeout            time.Duration
	HostnameLookups          string // on | off | double
	LogLevel                 string
	TLS                      TLS
	Balancer                 *Balancer // nil: one backend is led to, of several each in turn
	Scoreboard               bool      // it is read once a second, which takes a worker
	Extra                    string    // raw directives
	Server                   string    // path of another build
	// Config is the path of a file of the user's own, which is left as it is: of the
	// rest only Server is set then. Listen is where it listens.
	Config string
	Listen string // ADDRESS:PORT
}

// Balancer is Apache's mod_proxy_balancer over the backend's instances.
type Balancer struct {
	Members  int    // the first so many instances; 0: all
	LBMethod string // byrequests | bytraffic | bybusyness | heartbeat
	Sticky   bool   // clients come back to the member they had, by a cookie
	// Retry is for how long a member rests that could not be reached; 0: Apache's own.
	Retry time.Duration
}

// Peer configures a proxy that wsgauge knows besides Apache: nginx, HAProxy, Caddy.
// Zero values leave the directive out, and the proxy to its own default.
type Peer struct {
	Timeout time.Duration // proxy_read_timeout and proxy_send_timeout; timeout tunnel
	Limit   int           // worker_connections; maxconn
	Workers int           // processes or threads
	TLS     TLS
	Extra   string // raw directives
	Server  string // path of another build
	Config  string // path of a file of the user's own, left as it is
	Listen  string // where that one listens, ADDRESS:PORT
}

// Command is any other proxy. Its texts are templates: {listen} {host} {port} are
// where it is to listen; {backend} {backend_host} {backend_port} the first backend;
// {backends} all of them, with commas; {dir} a directory of its own, {logs} the
// trial's; {cert} {key} {ca} PEM files of the trial, {pem} certificate and key in one.
type Command struct {
	Argv      []string
	Files     map[string]string // by name in {dir}, what stands in each
	ErrorLog  string            // a file that it reports to; empty: its standard error
	Version   []string          // a command that says which version this is; empty: none
	Graceful  Action            // what signal: graceful does
	Restart   Action            // what signal: restart does
	TLS       TLS               // Frontend: it expects wss
	StopGrace time.Duration     // how long it may take to end after SIGTERM
}

// Action is what makes a running proxy reload: a signal to its first process ("USR1"),
// a command, or, with neither, ending it and starting it anew.
type Action struct {
	Signal string
	Argv   []string
}

// External is a proxy that runs already. What is not said here is not watched.
type External struct {
	URL     string // ws or wss, with a port
	TLS     ExternalTLS
	Headers map[string]string // of every request; "env:NAME" is a variable's value
	Status  string            // the URL of a server-status page, ?auto
	PIDs    []int             // its first processes, on this machine
	Unit    string            // or the systemd unit that has them
}

// ExternalTLS is whom to believe.
type ExternalTLS struct {
	CA         string // a file of authorities; empty: the system's
	ServerName string // that the certificate is for; empty: the URL's host
	Insecure   bool   // believe anybody
}

// Step is one entry of `steps`. Exactly one of the kinds is set.
type Step struct {
	ID    string // as written, or its place: "2", "4.1"
	Place string // always its place

	Connect *Connect
	Send    *Send
	Hold    *Hold
	Close   *Close
	Wait    *Wait
	Repeat  *Repeat

	HTTP     *HTTP
	Signal   *Signal
	Backend  *BackendStep
	Together *Together
}

// Kind names the step's kind as the file does.
func (s Step) Kind() string {
	switch {
	case s.Connect != nil:
		return "connect"
	case s.Send != nil:
		return "send"
	case s.Hold != nil:
		return "hold"
	case s.Close != nil:
		return "close"
	case s.Wait != nil:
		return "wait"
	case s.HTTP != nil:
		return "http"
	case s.Signal != nil:
		return "signal"
	case s.Backend != nil:
		return "backend"
	case s.Together != nil:
		return "together"
	}
	return "repeat"
}

// Connect opens connections at a rate, open loop, one attempt each.
type Connect struct {
	Connections int     // with Until: at most
	Until       string  // failure: no more are begun after the first; empty: all are
	Rate        float64 // a second
	Group       string
	Timeout     time.Duration     // from the dial to the 101
	OnTimeout   string            // close | keep
	Path        string            // may hold {conn}; empty: that of an external target's URL, or /
	Headers     map[string]string // values may hold {conn}
	Subprotocol string
	Behave      string // slow_head | garbage | never_read | huge_claim | early_bytes; empty: as it should
	TLS         ClientTLS
	Lifetime    time.Duration // 0: no end; then it closes and opens anew
	Reconnect   *Reconnect    // nil: what the other side ended stays ended
}

// ClientTLS is what clients choose where they connect by wss. Versions are "1.2"
// and "1.3".
type ClientTLS struct {
	Resumption bool
	Min, Max   string
}

// Reconnect is when a client comes back whose tunnel the other side has ended:
// after After × Factor^(failed attempts), Max at most, give or take Jitter.
type Reconnect struct {
	After  time.Duration
	Factor float64 // 1 or more
	Jitter float64 // 0 to 1
	Max    time.Duration
}

// Send sends messages. With an open loop exactly one of Rate and Every is set, with
// a closed one neither.
type Send struct {
	Group     string
	Rate      float64       // a second, all connections together
	Every     time.Duration // per connection
	Phase     string        // spread | random | together; empty without Every
	Size      Size
	For       time.Duration
	Warmup    time.Duration
	Drain     time.Duration
	Arrivals  string // poisson | constant; empty without Rate
	Text      bool
	Fragments int    // frames a message; 1: whole
	Loop      string // open | closed
	Pattern   string // echo | push | broadcast
}

// Size is a distribution of message sizes in bytes, each 1 to 16 MiB. Exactly one
// form is set.
type Size struct {
	Fixed   int
	Uniform *[2]int // inclusive bounds, the first less than the second
	Choose  []Weighted
}

// Weighted is one choice of a [Size]. Weights are 0 or more, one at least more.
type Weighted struct {
	Bytes  int
	Weight float64
}

// Hold sends nothing but the heartbeat asked for.
type Hold struct {
	Group     string // empty: every group
	For       time.Duration
	PingEvery time.Duration // 0: none
	PingFrom  string        // client | backend; empty: no ping
}

// Close closes connections from our side.
type Close struct {
	Group       string // empty: every group
	Connections int    // 0: all
	Pick        string // random | oldest | newest
	How         string // clean | fin | reset | vanish
}

// Wait does nothing for a while, or until what the others do is over.
type Wait struct {
	For time.Duration // 0 with Until
	// Until is drained: no socket is left on either leg, and no worker busy; or
	// released: the target holds no client's connection, and no worker is busy.
	Until string
	Limit time.Duration // of Until; then the step ends all the same, and says so
}

// HTTP sends ordinary requests through the target on a schedule of its own, by
// connections of its own that are kept alive.
type HTTP struct {
	Rate        float64 // requests a second, open loop
	For         time.Duration
	Warmup      time.Duration
	Drain       time.Duration
	Arrivals    string // poisson | constant
	Path        string
	Headers     map[string]string
	Connections int           // at most; more that are due wait for one
	Timeout     time.Duration // of one request
	NewEach     bool          // a connection for each request, which is not kept
}

// Signal acts on the target.
type Signal struct {
	Action string        // graceful | restart | graceful_stop | stop | pause | resume | kill
	Within time.Duration // of graceful and restart: the longest wait for a handshake
}

// BackendStep acts on the echo servers.
type BackendStep struct {
	Action   string // kill | restart | pause | resume
	Instance int    // from 1; 0: all
}

// Together runs its branches at the same time.
type Together struct {
	Branches [][]Step
	Until    string // first: it ends with the first branch that ends; empty: with the last
}

// Repeat runs its steps several times, or until a time has passed.
type Repeat struct {
	Times int // 0: For decides
	For   time.Duration
	Steps []Step
}
