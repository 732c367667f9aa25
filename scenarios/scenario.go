package scenarios

import "time"

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
	Steps   []Step
	// Expect holds the texts of Expectations, in the same order. Those that name a
	// target which was not chosen are in neither.
	Expect       []string
	Expectations []Expectation
	// Source is the file as read, Path where from ("quickstart" for a shipped one).
	Source []byte
	Path   string
	// Overrides are the flags that took the place of the file's values: "--set n=12".
	Overrides []string
}

// Backend is the echo server behind every target.
type Backend struct {
	Runtime   string // "go"
	Instances int
	TLS       bool // it speaks wss
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

	Direct bool
	Tunnel *Tunnel
	Apache *Apache
}

// Kind names the target's kind as the file does: "direct", "tunnel", "apache".
func (t Target) Kind() string {
	switch {
	case t.Tunnel != nil:
		return "tunnel"
	case t.Apache != nil:
		return "apache"
	}
	return "direct"
}

// WSS tells whether clients connect to t by wss.
func (s *Scenario) WSS(t Target) bool {
	if t.Tunnel != nil {
		return t.Tunnel.TLS.Frontend
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
	Route string // proxypass
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
	Timeout                time.Duration
	ProxyTimeout           time.Duration
	WorkerTimeout          time.Duration
	HostnameLookups        string // on | off | double
	LogLevel               string
	Extra                  string // raw directives
	Server                 string // path of another build
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
	}
	return "repeat"
}

// Connect opens connections at a rate, open loop, one attempt each.
type Connect struct {
	Connections int
	Rate        float64 // a second
	Group       string
	Timeout     time.Duration     // from the dial to the 101
	OnTimeout   string            // close | keep
	Path        string            // may hold {conn}
	Headers     map[string]string // values may hold {conn}
	Subprotocol string
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

// Wait does nothing for a while.
type Wait struct{ For time.Duration }

// Repeat runs its steps several times, or until a time has passed.
type Repeat struct {
	Times int // 0: For decides
	For   time.Duration
	Steps []Step
}
