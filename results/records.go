// Package results holds the records of a run: their types, the writer that
// leaves them in a directory and the reader that takes them back. Everything
// else that looks at a run (report, verdicts, exports) works on these files
// alone. Units are base units, and the unit stands last in a name.
package results

// Format names the layout of a run directory.
const Format = "wsgauge/run/1"

// Trial is one line of trials.jsonl: one pass of all steps over one target. It merges its
// steps; its closures are besides those of the closing after the last of them, which ends
// whatever is open. What opens or fails until then is the last step's.
type Trial struct {
	Block   int       `json:"block"`
	Target  string    `json:"target"`
	Valid   bool      `json:"valid"`
	Invalid []Invalid `json:"invalid"`
	// Error says why a trial ended early; empty for one that ran to its end.
	Error string `json:"error,omitempty"`
	// TargetEnded tells that it was the target that ended by itself, or did not get
	// ready: what is measured failed, not what measures.
	TargetEnded bool    `json:"target_ended,omitempty"`
	StartedS    float64 `json:"started_s"` // seconds after the run's start
	EndedS      float64 `json:"ended_s"`

	Figures
	Resources map[string]*Resources `json:"resources"` // target, backend, agents, controller; null: does not exist
	Log       map[string]int64      `json:"log"`       // new lines of the target's error log, by code
	Steps     []Step                `json:"steps"`
}

// Figures is what a step and a trial have in common; the trial merges its steps.
type Figures struct {
	Connections Connections      `json:"connections"`
	Messages    Messages         `json:"messages"`
	HTTP        HTTP             `json:"http"`
	Pings       Pings            `json:"pings,omitzero"`
	Failures    map[string]int64 `json:"failures"` // by class
	Closures    map[string]int64 `json:"closures"` // by class

	ResponseTime    *Quantiles `json:"response_time_ns,omitempty"`
	ServiceTime     *Quantiles `json:"service_time_ns,omitempty"`
	SendLag         *Quantiles `json:"send_lag_ns,omitempty"`
	WriteBlocked    *Quantiles `json:"write_blocked_ns,omitempty"`
	ReceiveLag      *Quantiles `json:"receive_lag_ns,omitempty"`
	DialLag         *Quantiles `json:"dial_lag_ns,omitempty"`
	Dial            *Quantiles `json:"dial_ns,omitempty"`
	TLS             *Quantiles `json:"tls_ns,omitempty"`
	Upgrade         *Quantiles `json:"upgrade_ns,omitempty"`
	Ping            *Quantiles `json:"ping_ns,omitempty"`
	PingLag         *Quantiles `json:"ping_lag_ns,omitempty"`
	Jitter          *Quantiles `json:"jitter_ns,omitempty"` // of pushed messages: arrivals apart − due times apart
	IdleBeforeClose *Quantiles `json:"idle_before_close_ns,omitempty"`
}

// Step is what happened in one execution of a step.
type Step struct {
	ID        string  `json:"id"`
	Step      string  `json:"step"`      // its kind
	Group     string  `json:"group"`     // empty: all, or none in particular (wait)
	Iteration int     `json:"iteration"` // from 1; counts the passes of `repeat`
	StartedS  float64 `json:"started_s"` // seconds after the trial's start
	EndedS    float64 `json:"ended_s"`
	// Note says what a reader should know, e.g. that the rate shrank.
	Note string `json:"note,omitempty"`
	// Loop is "closed" for a send step whose messages follow answers: they are due
	// when they are sent, so that there is no send lag. Empty: open loop.
	Loop string `json:"loop,omitempty"`
	// Pattern is "push" or "broadcast"; empty: every message has an answer.
	Pattern string `json:"pattern,omitempty"`

	// Action is what a step did that is the controller's own: "graceful", "kill",
	// "drained" …; empty: none. Nil below: it is not known, or did not come about.
	Action string `json:"action,omitempty"`
	// TookNs is how long it took: until the target was started anew, until it had
	// ended, until everything was drained.
	TookNs *int64 `json:"took_ns,omitempty"`
	// NextHandshakeNs is the time from a reload to the first echo through a new
	// connection that was begun after the target's processes had changed, or, when none of
	// them changed, to the first that was begun when it had been told to reload.
	NextHandshakeNs *int64 `json:"next_handshake_ns,omitempty"`
	// HandshakeGapNs is the longest time between two such echoes until then, one being
	// tried every 50 ms.
	HandshakeGapNs *int64       `json:"handshake_gap_ns,omitempty"`
	Generations    *Generations `json:"generations,omitempty"`

	// Instances has, for each instance of the backend where a scenario asks for several,
	// the connections that it had at the step's end, by the kernel's count.
	Instances []int64 `json:"instances,omitempty"`

	Figures
	Resources map[string]*Resources `json:"resources"`
}

// Generations counts the processes of a target around a reload.
type Generations struct {
	Before int `json:"before"` // alive when it was told to reload
	Old    int `json:"old"`    // of these, alive at the step's end
	New    int `json:"new"`    // started since, and alive then
}

// Connections counts attempts to open a connection.
type Connections struct {
	Attempted int64 `json:"attempted"`
	Opened    int64 `json:"opened"`
	Peak      int64 `json:"peak"` // most open at once
	// TLS counts handshakes by what they agreed on: "TLS 1.3 TLS_AES_128_GCM_SHA256",
	// with " resumed" for a session that was taken up again.
	TLS map[string]int64 `json:"tls,omitempty"`
}

// Messages counts messages whose intended send time lies in a send window.
type Messages struct {
	Scheduled     int64            `json:"scheduled"`
	Sent          int64            `json:"sent"`                // first attempts made
	Answered      int64            `json:"answered"`            // sent ones whose answer came and was right
	OnTime        int64            `json:"on_time"`             // first attempts within 1% of the window from their time
	Received      int64            `json:"received"`            // answers, pushed messages, and deliveries of broadcasts
	Delivered     int64            `json:"delivered,omitempty"` // those of the last two that were right
	Unanswered    int64            `json:"unanswered"`
	NotSent       int64            `json:"not_sent"`
	NotSentCauses map[string]int64 `json:"not_sent_causes,omitempty"`
	Corrupt       int64            `json:"corrupt"`
	PerSecond     float64          `json:"per_second"` // answered and delivered, over the window's length
	BytesSent     int64            `json:"bytes_sent"` // payload
	BytesReceived int64            `json:"bytes_received"`
}

// Through counts what went all the way: answers, and deliveries of messages that
// have none. It is what a rate and a cost a message are about.
func (m *Messages) Through() int64 { return m.Answered + m.Delivered }

// LoopClosed is the loop of a step whose sends follow answers.
const LoopClosed = "closed"

// Pings counts the heartbeats that clients send in `hold` steps: those that were due on a
// connection which was open when their turn came, or would have. What of them was not
// sent is counted by cause: `queue_full` (the connection took no more), `no_turn` (the
// generator was late). An endpoint need only answer the latest (RFC 6455 section 5.5.3).
type Pings struct {
	Due           int64            `json:"due"`
	Sent          int64            `json:"sent"`
	Answered      int64            `json:"answered"`
	NotSent       int64            `json:"not_sent"`
	NotSentCauses map[string]int64 `json:"not_sent_causes,omitempty"`
}

// HTTP counts the plain requests of `http` steps.
type HTTP struct {
	Sent         int64            `json:"sent"`
	Answered     int64            `json:"answered"`
	Status       map[string]int64 `json:"status"`
	ResponseTime *Quantiles       `json:"response_time_ns,omitempty"`
}

// Quantiles summarises a histogram in nanoseconds. A quantile with fewer than 20
// observations beyond it is null; one that unanswered messages reach is a lower
// bound and is named in Censored.
type Quantiles struct {
	Count    int64    `json:"count"`
	Mean     float64  `json:"mean"`
	P50      *float64 `json:"p50"`
	P90      *float64 `json:"p90"`
	P99      *float64 `json:"p99"`
	P999     *float64 `json:"p99.9"`
	Max      float64  `json:"max"`
	Clamped  int64    `json:"clamped,omitempty"` // values outside the histogram's range
	Censored []string `json:"censored"`
}

// Invalid spoils the figures that it names: "response_time", "rates", "resources", or "all".
type Invalid struct {
	Reason  string   `json:"reason"`
	Step    string   `json:"step"` // empty: the whole trial
	Figures []string `json:"figures"`
}

// Resources is what a group of processes used. A figure that was not measured is
// null, never zero.
type Resources struct {
	CPUSeconds        *float64 `json:"cpu_seconds"`
	CPUUserSeconds    *float64 `json:"cpu_user_seconds"`
	CPUSystemSeconds  *float64 `json:"cpu_system_seconds"`
	CPUUsPerMessage   *float64 `json:"cpu_us_per_message"`
	RSSPeakBytes      *float64 `json:"rss_peak_bytes"`
	PSSPeakBytes      *float64 `json:"pss_peak_bytes"`
	PSSBytesPerTunnel *float64 `json:"pss_bytes_per_tunnel"`
	FDsPeak           *float64 `json:"fds_peak"`
	ThreadsPeak       *float64 `json:"threads_peak"`
	ProcessesPeak     *float64 `json:"processes_peak"`
}
