package loadgen

import (
	"net/netip"
	"time"
)

// The plan is what the controller tells an agent, and the report what the agent
// answers. Both travel as JSON over the bus. All times of day are wall-clock
// nanoseconds since 1970 (UTC).

// Assignment is an agent's part in a trial; it is given once, before the first
// step.
type Assignment struct {
	Agent   int              `json:"agent"`  // 0 … Agents-1
	Agents  int              `json:"agents"` // connection i belongs to agent i mod Agents
	Workers int              `json:"workers"`
	Seed    uint64           `json:"seed"`    // of this trial, the same for all agents
	Addrs   []netip.AddrPort `json:"addrs"`   // where to dial; connection i takes Addrs[i mod len]
	Sources []netip.Addr     `json:"sources"` // local addresses, in turn; empty: the kernel's choice
	Host    string           `json:"host"`    // Host header
	Path    string           `json:"path"`
	// Headers are sent with every request, besides those of a plan, which take the place
	// of fields of the same name. They may be secret: no report holds them.
	Headers map[string]string `json:"headers,omitempty"`
	TLS     *Trust            `json:"tls,omitempty"` // wss; nil: ws
	Nice    int               `json:"nice"`          // priority of the workers' threads
	// Realtime is the share of a CPU up to which each of those threads goes before all
	// ordinary ones; 0: never.
	Realtime float64 `json:"realtime,omitempty"`
}

// Trust is whom clients believe, and whom they want to talk to.
type Trust struct {
	CA   string `json:"ca"`   // authorities, PEM; empty: the system's
	Name string `json:"name"` // host name or address that the certificate must be for
	// Insecure believes anybody: the certificate is not looked at.
	Insecure bool `json:"insecure,omitempty"`
}

// TLSOptions are the clients' choices: versions "1.2" and "1.3" (empty: both), and
// whether they take up earlier sessions.
type TLSOptions struct {
	Min        string `json:"min,omitempty"`
	Max        string `json:"max,omitempty"`
	Resumption bool   `json:"resumption,omitempty"`
}

// StepPlan is one execution of a step. Exactly one of the kinds is set.
type StepPlan struct {
	Serial    int    `json:"serial"` // from 1, counts executions within the trial
	ID        string `json:"id"`
	Iteration int    `json:"iteration"`
	Group     string `json:"group"` // empty: every group
	StartAt   int64  `json:"start_at"`

	Connect *ConnectPlan `json:"connect,omitempty"`
	Join    *JoinPlan    `json:"join,omitempty"`
	Send    *SendPlan    `json:"send,omitempty"`
	Hold    *HoldPlan    `json:"hold,omitempty"`
	Close   *ClosePlan   `json:"close,omitempty"`
	HTTP    *HTTPPlan    `json:"http,omitempty"` // touches no group
}

// ConnectPlan opens connections First … First+Count-1 of the group, number k at
// StartAt + k/Rate.
type ConnectPlan struct {
	First       uint32            `json:"first"`
	Count       int               `json:"count"`
	Rate        float64           `json:"rate"`
	Timeout     time.Duration     `json:"timeout"`
	OnTimeout   string            `json:"on_timeout"`
	Path        string            `json:"path"`
	Headers     map[string]string `json:"headers"`
	Subprotocol string            `json:"subprotocol"`
	TLS         TLSOptions        `json:"tls,omitzero"`

	Seed      uint64         `json:"seed"` // of the delays
	Lifetime  time.Duration  `json:"lifetime,omitempty"`
	Reconnect *ReconnectPlan `json:"reconnect,omitempty"`

	// UntilFailure ends the attempts of a worker at its own first failure, which the
	// agent tells at once ([Message].Failed); those in flight are still decided.
	UntilFailure bool `json:"until_failure,omitempty"`
	// Behave is how the client offends against the protocol: see [Behaviours];
	// empty: not at all.
	Behave string `json:"behave,omitempty"`
}

// ReconnectPlan is when a connection dials again that the other side has ended.
type ReconnectPlan struct {
	After  time.Duration `json:"after"`
	Factor float64       `json:"factor"` // 1 or more
	Jitter float64       `json:"jitter"` // 0 to 1
	Max    time.Duration `json:"max"`    // After or more
}

// JoinPlan makes the open connections of the group members of a room of the backend,
// before a broadcast. The send step ends their membership.
type JoinPlan struct {
	// Room is the same for all agents, and no other load on the backend has it.
	Room string `json:"room"`
}

// SendPlan sends messages over the members of the group. Message n goes to a
// member drawn uniformly by Seed, the same whatever the number of agents; one
// drawn for a member that is not open when the step starts is not scheduled at
// all (the rate shrinks in proportion).
type SendPlan struct {
	Seed      uint64        `json:"seed"`
	Members   Set           `json:"members"`
	Rate      float64       `json:"rate"`
	Every     time.Duration `json:"every"`
	Phase     string        `json:"phase"`
	Size      Size          `json:"size"`
	Warmup    time.Duration `json:"warmup"` // before the window; not counted
	For       time.Duration `json:"for"`    // the window
	Drain     time.Duration `json:"drain"`  // longest wait for answers after it
	Arrivals  string        `json:"arrivals"`
	Text      bool          `json:"text"`
	Fragments int           `json:"fragments"`
	// Closed: each member sends when its answer came; Rate and Every are 0.
	Closed bool `json:"closed,omitempty"`
	// Pattern is "push" or "broadcast", and anything else is echo. A [JoinPlan] has to
	// come before a broadcast.
	Pattern string `json:"pattern,omitempty"`
	// Open are the members that were open before the step, at all agents. With
	// broadcast they say how many messages each is to get.
	Open Set `json:"open,omitempty"`
}

// Size is a distribution of message sizes in bytes: one value, a uniform range
// (Min < Max), or a weighted choice.
type Size struct {
	Min     int       `json:"min"`
	Max     int       `json:"max"`
	Bytes   []int     `json:"bytes,omitempty"`
	Weights []float64 `json:"weights,omitempty"`
}

// HoldPlan watches idle connections.
type HoldPlan struct {
	For time.Duration `json:"for"`
	// Stay makes it last for its whole time, even when no connection is left.
	Stay      bool          `json:"stay"`
	PingEvery time.Duration `json:"ping_every"`
	PingFrom  string        `json:"ping_from,omitempty"` // backend; anything else is client
}

// ClosePlan closes connections.
type ClosePlan struct {
	// Which are closed, by group; nil: all of the step's group, and those that
	// stalled and were kept besides.
	Which map[string]Set `json:"which"`
	How   string         `json:"how"` // clean | fin | reset | vanish
	// Final releases the sockets of connections that vanished.
	Final bool `json:"final,omitempty"`
	// Timeout bounds the wait for the peer's half of a clean close.
	Timeout time.Duration `json:"timeout"`
}

// HTTPPlan sends ordinary GET requests by a schedule of its own (open loop), over
// connections of its own that belong to no group. Request n of the schedule belongs to
// agent n mod Agents, and there to worker (n / Agents) mod Workers.
type HTTPPlan struct {
	Seed     uint64            `json:"seed"`
	Rate     float64           `json:"rate"` // requests a second, of all agents together
	Arrivals string            `json:"arrivals"`
	Warmup   time.Duration     `json:"warmup"` // before the window; not counted
	For      time.Duration     `json:"for"`    // the window
	Drain    time.Duration     `json:"drain"`  // longest wait for answers after it
	Path     string            `json:"path"`   // empty: /
	Headers  map[string]string `json:"headers,omitempty"`
	// Connections is how many there are at most, at all agents; each worker has one
	// at least. A request that is due waits for one that is free.
	Connections int           `json:"connections"`
	Timeout     time.Duration `json:"timeout"`            // of a request, from its dial or first attempt
	NewEach     bool          `json:"new_each,omitempty"` // a connection for each request
	TLS         TLSOptions    `json:"tls,omitzero"`
}

// Counts are what happened, as plain sums that add up over agents.
type Counts struct {
	Attempted     int64            `json:"attempted"`
	Opened        int64            `json:"opened"`
	Scheduled     int64            `json:"scheduled"`
	Sent          int64            `json:"sent"`
	Answered      int64            `json:"answered"`
	Received      int64            `json:"received"`
	Delivered     int64            `json:"delivered,omitempty"` // pushed and broadcast messages that were right
	Unanswered    int64            `json:"unanswered"`
	NotSent       map[string]int64 `json:"not_sent,omitempty"` // by cause
	Corrupt       int64            `json:"corrupt"`
	BytesSent     int64            `json:"bytes_sent"`
	BytesReceived int64            `json:"bytes_received"`
	Failures      map[string]int64 `json:"failures,omitempty"` // by class
	Closures      map[string]int64 `json:"closures,omitempty"` // by class
	TLS           map[string]int64 `json:"tls,omitempty"`      // handshakes, by what they agreed on
	// Receivers are the connections that took part in a broadcast from its beginning
	// to its end, and ToReceivers of Delivered what went to them.
	Receivers   int64 `json:"receivers,omitempty"`
	ToReceivers int64 `json:"to_receivers,omitempty"`
	// Requests of http steps, of the window: sent, answered with a whole response, and
	// responses by status code.
	HTTPSent     int64            `json:"http_sent,omitempty"`
	HTTPAnswered int64            `json:"http_answered,omitempty"`
	HTTPStatus   map[string]int64 `json:"http_status,omitempty"`
	// Heartbeats of ours: pings that were due on a connection which was open when their
	// turn came, or would have; sent, answered, and not sent by cause: `queue_full`, `no_turn`.
	PingsDue      int64            `json:"pings_due,omitempty"`
	PingsSent     int64            `json:"pings_sent,omitempty"`
	PingsAnswered int64            `json:"pings_answered,omitempty"`
	PingsNotSent  map[string]int64 `json:"pings_not_sent,omitempty"`
	// OnTime counts first attempts within 1% of the window of their intended time.
	OnTime int64 `json:"on_time"`
}

// StepReport says that an agent's part of a step is over. What happened in it was
// in the interval reports that came before: their sum is exact. What happens to a group
// is a step's while that has the group; between steps it is kept for the next one that
// has it.
type StepReport struct {
	Agent     int   `json:"agent"`
	Serial    int   `json:"serial"`
	StartedAt int64 `json:"started_at"`
	EndedAt   int64 `json:"ended_at"`
	// StoppedAt is when the step was given up, since the agent was told to quit or to
	// cancel it; 0: it ran to its end.
	StoppedAt int64 `json:"stopped_at,omitempty"`
	// Open are the connections open at the end, of all groups: of those that other steps
	// have, as they are just then.
	Open map[string]Set `json:"open"`
	Peak int            `json:"peak"` // most connections open at once, of all groups
}

// IntervalReport is what happened in one second of a step (its last interval is
// shorter), by the time of the answer.
type IntervalReport struct {
	Agent       int               `json:"agent"`
	Serial      int               `json:"serial"`
	At          int64             `json:"at"` // the interval's start
	Seconds     float64           `json:"seconds"`
	Counts      Counts            `json:"counts"`
	Hist        map[string][]byte `json:"hist"`               // metric → HdrHistogram V2 encoding
	Clamped     map[string]int64  `json:"clamped,omitempty"`  // values outside a histogram's range
	Censored    map[string]int64  `json:"censored,omitempty"` // metric → the smallest value that unanswered messages put into it
	Open        int               `json:"open"`               // of all groups; steps that run at once say the same
	Outstanding int               `json:"outstanding"`        // messages or requests of this step
}
