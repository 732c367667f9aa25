package scenarios

// The grammar of steps that do more than hold connections; see keys.go.

type rawHTTP struct {
	section
	Rate        rate     `json:"rate" example:"100/s" jsonschema:"Requests by time, all agents together. They are due by schedule, whatever becomes of the answers."`
	For         duration `json:"for" example:"10s" jsonschema:"Length of the window that is measured."`
	Warmup      duration `json:"warmup,omitempty" min:"0s" default:"2s" jsonschema:"Requests before the window; they count in no figure."`
	Drain       duration `json:"drain,omitempty" min:"0s" default:"5s" jsonschema:"The longest wait for answers after the window."`
	Arrivals    word     `json:"arrivals,omitempty" words:"poisson|constant" default:"poisson" jsonschema:"Gaps between requests. poisson is what many independent clients make; constant is a metronome."`
	Path        text     `json:"path,omitempty" form:"path" default:"/" example:"/index.html" jsonschema:"Path of the requests. It holds no {conn}."`
	Headers     headers  `json:"headers,omitempty" jsonschema:"Headers of the requests. They hold no {conn}."`
	Connections count    `json:"connections,omitempty" max:"100000" default:"16" jsonschema:"Connections at most, all agents together, kept alive between requests. A request that is due while all are taken waits for one, and its response time runs."`
	Timeout     duration `json:"timeout,omitempty" default:"10s" jsonschema:"Of one request, from when it was sent to the end of its answer."`
	NewEach     boolean  `json:"new_each,omitempty" default:"false" jsonschema:"A connection for each request, closed after its answer."`
}

type rawSignal struct {
	section
	Action word     `json:"action" words:"graceful|restart|graceful_stop|stop|pause|resume|kill" example:"graceful" jsonschema:"Has the target reload (graceful), restart, end when its last tunnel has (graceful_stop), stop, pause, resume, or die (kill)."`
	Within duration `json:"within,omitempty" max:"10m" default:"30s" jsonschema:"With graceful and restart: the longest wait for a handshake after it. Then the step ends all the same, and says so."`
}

type rawBackendStep struct {
	section
	Action   word  `json:"action" words:"kill|restart|pause|resume" example:"kill" jsonschema:"kill ends it by SIGKILL; restart by SIGTERM, and after 2s by SIGKILL, and starts it anew on its port; pause and resume are SIGSTOP and SIGCONT."`
	Instance count `json:"instance,omitempty" max:"256" example:"2" jsonschema:"Which of the backend's instances, from 1. Without it: all."`
}

type rawTogether struct {
	section
	Branches branchList `json:"branches" jsonschema:"What runs at the same time: each branch a step, or a list of steps one after the other."`
	Until    word       `json:"until,omitempty" words:"first" jsonschema:"first: everything ends with the first branch that ends. Without it: with the last."`
}
