package aggregate

import (
	"fmt"
	"strconv"
	"strings"

	"wsgauge/results"
)

// Circumstances says, in a sentence, what the figures of a run depend on besides the
// target: the CPUs each side had, and the network that was none.
func Circumstances(r *results.Run) string {
	p := r.Placement
	var parts []string
	if p.Target != "" {
		parts = append(parts, "the proxy had "+cpus(p.Target))
	}
	switch {
	case p.Agents != "" && p.Agents == p.Backend:
		parts = append(parts, "agents and backend "+cpus(p.Agents))
	case p.Agents != "" && p.Backend != "":
		parts = append(parts, "the agents "+cpus(p.Agents), "the backend "+cpus(p.Backend))
	case p.Agents != "" && p.Target != "": // the backend was not started by the run
		parts = append(parts, "the agents "+cpus(p.Agents))
	case p.Agents != "":
		parts = append(parts, "the agents had "+cpus(p.Agents))
	}
	for _, t := range r.Targets {
		if own := p.PerTarget[t.Name]; own != "" && own != p.Target {
			parts = append(parts, t.Name+" "+cpus(own))
		}
	}
	sentence := strings.Join(parts, ", ")
	if sentence == "" {
		sentence = "where the parts ran was not recorded"
	}
	return sentence + "; " + running(r) + network(r)
}

// running says which targets ran already; "" when none did.
func running(r *results.Run) (text string) {
	for _, t := range r.Targets {
		if t.Kind != "external" {
			continue
		}
		text += t.Name + " ran already"
		if t.Unwatched {
			text += ", and what it used was not watched"
		}
		text += "; "
	}
	return text
}

// network says what lay between clients and targets.
func network(r *results.Run) string {
	var far []string
	for _, t := range r.Targets {
		if t.Remote {
			far = append(far, t.Name)
		}
	}
	between := "a network lay between clients and " + strings.Join(far, ", ") + ", and is part of these figures"
	switch len(far) {
	case 0:
		return "loopback: no network card, no round trip, no loss"
	case len(r.Targets):
		return between
	}
	return between + "; loopback for the others: no network card, no round trip, no loss"
}

// cpus writes a CPU list as "1 CPU (1)" or "3 CPUs (0,2-3)".
func cpus(list string) string {
	n := 0
	for part := range strings.SplitSeq(list, ",") {
		low, high, ranged := strings.Cut(strings.TrimSpace(part), "-")
		if !ranged {
			high = low
		}
		a, err1 := strconv.Atoi(low)
		b, err2 := strconv.Atoi(high)
		if err1 != nil || err2 != nil || b < a {
			return "CPUs " + list
		}
		n += b - a + 1
	}
	return fmt.Sprintf("%d CPU%s (%s)", n, plural(n), list)
}

// Unfinished says, in a sentence, why a run holds less than was asked; "" for one
// that is complete.
func Unfinished(d *results.RunData) string {
	asked := d.Run.Blocks * len(d.Run.Targets)
	done := fmt.Sprintf("%d of %d trials are here", len(d.Trials), asked)
	switch d.Run.Status {
	case "complete":
		return ""
	case "interrupted":
		return "This run was interrupted: " + done + "."
	case "running":
		return "This run did not end, or runs still: " + done + ". If nobody writes to it any more, wsgauge was killed."
	case "failed":
		return "This run could not go on: " + done + "."
	}
	return fmt.Sprintf("This run has the status %q: %s.", d.Run.Status, done)
}
