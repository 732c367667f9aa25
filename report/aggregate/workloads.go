package aggregate

import (
	"slices"
	"strings"

	"wsgauge/results"
)

// Workloads says, a sentence for each kind that occurs, which steps do not send by
// schedule and wait for answers, since their figures mean something else.
func Workloads(d *results.RunData) []string {
	var closed, pushed, broadcast []string
	note := func(list *[]string, id string) {
		if !slices.Contains(*list, id) {
			*list = append(*list, id)
		}
	}
	for _, t := range d.Trials {
		for _, s := range t.Steps {
			switch {
			case s.Loop == results.LoopClosed:
				note(&closed, s.ID)
			case s.Pattern == "push":
				note(&pushed, s.ID)
			case s.Pattern == "broadcast":
				note(&broadcast, s.ID)
			}
		}
	}
	var out []string
	add := func(list []string, one, many, text string) {
		if len(list) > 0 {
			is := one
			if len(list) > 1 {
				is = many
			}
			out = append(out, steps(list)+is+text)
		}
	}
	add(closed, " is", " are", " closed loop: each connection sends when its answer came. A slow target gets less load, its "+
		"response time does not say how long messages would have queued, and there is no send lag.")
	add(pushed, " is", " are", " pushed by the backend: response time runs from when a message was due there to its arrival, "+
		"send lag is the backend's, and messages are those delivered.")
	add(broadcast, " is", " are", " broadcast: response time runs from when a message was due at its sender to each delivery, "+
		"and messages are deliveries.")
	return out
}

func steps(ids []string) string {
	if len(ids) == 1 {
		return "Step " + ids[0]
	}
	return "Steps " + strings.Join(ids[:len(ids)-1], ", ") + " and " + ids[len(ids)-1]
}
