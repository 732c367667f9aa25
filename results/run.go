package results

import (
	"net/netip"
	"time"
)

// Run is run.json: what was asked, where it ran, and what was concluded.
type Run struct {
	Format    string    `json:"format"`
	Scenario  string    `json:"scenario"`
	About     string    `json:"about"`
	Command   []string  `json:"command"` // as typed
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at,omitzero"` // absent while it runs, or after a crash
	// Status is "running", "complete", "interrupted" or "failed"; "running" in a directory
	// that nobody writes any more means that the controller was killed.
	Status string `json:"status"`

	Tool      Tool            `json:"tool"`
	Host      Host            `json:"host"`
	Limits    Limits          `json:"limits"`
	Placement Placement       `json:"placement"`
	Seed      uint64          `json:"seed"`
	Agents    int             `json:"agents"`
	Blocks    int             `json:"blocks"`
	Order     [][]string      `json:"order"` // targets by block, as they were run
	Targets   []TargetInfo    `json:"targets"`
	Skipped   []SkippedTarget `json:"skipped"`
	Backend   *BackendInfo    `json:"backend,omitempty"` // nil in runs of older versions, whose was wsgauge's own
	Expect    []string        `json:"expect"`
	Verdicts  []Verdict       `json:"verdicts"`

	// Params are the values that the scenario was run with, those of the command line
	// included.
	Params map[string]string `json:"params,omitempty"`
	// MaxSteal is the share of the machine's time that the hypervisor was allowed to take;
	// 0: no other than usual.
	MaxSteal float64 `json:"max_steal,omitempty"`
	// Claim is what the run was to decide; nil: nothing besides Expect.
	Claim *Claim `json:"claim,omitempty"`
}

// Tool is the wsgauge that made the run.
type Tool struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	SHA256  string `json:"sha256"` // of the executable
}

// Host is the machine.
type Host struct {
	Name        string            `json:"name"`
	OS          string            `json:"os"`
	Kernel      string            `json:"kernel"`
	Arch        string            `json:"arch"`
	CPU         string            `json:"cpu"`
	CPUs        int               `json:"cpus"`
	MemoryBytes int64             `json:"memory_bytes"`
	Sysctls     map[string]string `json:"sysctls"`
}

// Limits are those of the controller, which its children inherit unless a
// scenario says otherwise.
type Limits struct {
	NofileSoft uint64 `json:"nofile_soft"`
	NofileHard uint64 `json:"nofile_hard"`
	Nproc      uint64 `json:"nproc"`
	PidMax     int64  `json:"pid_max"`
}

// Placement is the CPU list of each group of processes, as "0" or "2-3".
type Placement struct {
	Agents     string            `json:"agents"`
	Backend    string            `json:"backend"`
	Target     string            `json:"target"`
	PerTarget  map[string]string `json:"per_target,omitempty"` // where a target has its own
	Controller string            `json:"controller"`
	AgentsNice int               `json:"agents_nice"`
	Realtime   bool              `json:"realtime"` // agents and backend may go before all ordinary threads
}

// TargetInfo is what a target was.
type TargetInfo struct {
	// Remote says that it ran already, at an address that the generator's machine (or its
	// network namespace) does not have: there was a network between them.
	Remote bool `json:"remote,omitempty"`
	// Unwatched says that it ran already, and that no process of it is known: what it used
	// is missing from the records, not zero.
	Unwatched bool   `json:"unwatched,omitempty"`
	Name      string `json:"name"`
	Kind      string `json:"kind"`
	Version   string `json:"version"`
	Path      string `json:"path"`
	SHA256    string `json:"sha256"`
	// Config is the configuration as generated, with the addresses of the first trial.
	Config string `json:"config"`
	Nofile string `json:"nofile"` // "soft:hard" when the scenario sets it
}

// BackendInfo is what the echo server was. With one that ran already only URL and Addrs
// are set.
type BackendInfo struct {
	Runtime   string `json:"runtime,omitempty"` // go, node, python
	Version   string `json:"version,omitempty"` // of runtime and library
	Path      string `json:"path,omitempty"`    // of the executable
	SHA256    string `json:"sha256,omitempty"`  // of wsgauge's executable, or of the script
	Instances int    `json:"instances,omitempty"`
	TLS       bool   `json:"tls,omitempty"`

	URL   string           `json:"url,omitempty"`
	Addrs []netip.AddrPort `json:"addrs,omitempty"`
}

// SkippedTarget is a target that could not be run here.
type SkippedTarget struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
	Remedy string `json:"remedy"` // the command that mends it
}

// Verdict is one conclusion.
type Verdict struct {
	Kind     string     `json:"kind"` // expect | gate | capacity | soak | size | claim
	Name     string     `json:"name"`
	Target   string     `json:"target"`
	Verdict  string     `json:"verdict"` // pass | fail | inconclusive | invalid
	Value    float64    `json:"value"`
	Unit     string     `json:"unit"`
	Interval [2]float64 `json:"interval"`
	Why      string     `json:"why"`
	// Claim is the word for a claim: "holds", "in_part", "does_not_hold" or
	// "inconclusive". Verdict is pass for the first two, and fail for the third, which is
	// no failure of the run.
	Claim string `json:"claim,omitempty"`
}

// Event is one line of events.jsonl.
type Event struct {
	AtS    float64        `json:"at_s"` // seconds after the run's start
	Block  int            `json:"block"`
	Target string         `json:"target"`
	Step   string         `json:"step,omitempty"`
	Kind   string         `json:"kind"` // trial_start, trial_end, step_start, step_end, failure, closure, log, signal, backend, drained, note
	Class  string         `json:"class,omitempty"`
	Count  int64          `json:"count,omitempty"`
	Text   string         `json:"text,omitempty"`
	Data   map[string]any `json:"data,omitempty"`
}
