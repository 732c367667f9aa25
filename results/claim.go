package results

// Claim is what a run was to decide: something that guides say, and the rules by which
// the run's figures say whether it is so. The texts are those of the scenario, checked
// when it was read; docs/scenarios.md has their grammar.
type Claim struct {
	ID        string      `json:"id"`
	Says      string      `json:"says"`
	Param     string      `json:"param,omitempty"` // that its runs differ by; its value is in the run's params
	Rules     []ClaimRule `json:"rules"`           // tried in order
	Otherwise string      `json:"otherwise"`
}

// ClaimRule gives its verdict when all of its expressions hold.
type ClaimRule struct {
	Verdict string   `json:"verdict"` // holds | in_part | does_not_hold
	When    []string `json:"when"`
	Because string   `json:"because"`
}

// Word is the verdict as people read it: pass, fail, ..., and of a claim "holds in
// part" or "does not hold".
func (v Verdict) Word() string {
	switch v.Claim {
	case "":
		return v.Verdict
	case "in_part":
		return "holds in part"
	case "does_not_hold":
		return "does not hold"
	}
	return v.Claim
}

// notCounted marks the events of log lines that a target wrote while it started or
// stopped: they are about us, not about the load.
const notCounted = "not_counted"

// MarkUncounted marks the event of a log line as one that a trial's counts leave out.
func MarkUncounted(e *Event) { e.Data = map[string]any{notCounted: true} }

// Uncounted tells whether a log line is left out of a trial's counts.
func Uncounted(e *Event) bool { return e.Data[notCounted] == true }
