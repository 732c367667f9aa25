package scenarios

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Expectation is one line of `expect`, taken apart:
//
//	[target.][step.]figure op value
type Expectation struct {
	Target string  `json:"target"` // empty: every target
	Step   string  `json:"step"`   // empty: the whole trial
	Figure string  `json:"figure"` // as in trials.jsonl, without the unit: "response_time.p99"
	Op     string  `json:"op"`     // < | <= | > | >= | == | !=
	Value  float64 `json:"value"`
	// Unit is that of Value: "ns" for every duration, "B", "/s" a second, or "" for
	// a number of things.
	Unit string `json:"unit"`
	Text string `json:"text"` // as written
}

// maxExpectBytes bounds the work of telling targets, steps and figures apart.
const maxExpectBytes = 256

// operators, the longer before those they begin with.
var operators = []string{"<=", ">=", "==", "!=", "<", ">"}

// ParseExpectation takes an expectation apart. A word before the figure has to be
// one of the targets or the ids of steps ("4.1" for one without); both may be empty. The error
// says what is not known, and what is near to it.
func ParseExpectation(text string, targets, steps []string) (Expectation, error) {
	e, err := parseExpectation(text, targets, steps)
	if err == nil {
		return e, nil
	}
	message := err.message
	if err.hint != "" {
		message += " (" + err.hint + ")"
	}
	return e, errors.New(message)
}

func parseExpectation(text string, targets, steps []string) (Expectation, *flaw) {
	e := Expectation{Text: strings.TrimSpace(text)}
	const grammar = `write [target.][step.]figure op value, as in "event.load.response_time.p99 < 100ms"`
	if len(e.Text) > maxExpectBytes {
		return e, flawed(grammar, "%s is too long, at most %d bytes", brief(text), maxExpectBytes)
	}
	at := strings.IndexAny(e.Text, "<>=!")
	if at < 0 {
		return e, flawed(grammar, "%s has no operator; they are < <= > >= == !=", brief(text))
	}
	path, rest := strings.TrimSpace(e.Text[:at]), e.Text[at:]
	for _, op := range operators {
		if strings.HasPrefix(rest, op) {
			e.Op, rest = op, strings.TrimSpace(rest[len(op):])
			break
		}
	}
	switch {
	case e.Op == "" && strings.HasPrefix(rest, "="):
		return e, flawed("did you mean == ?", "%s: = is no operator", brief(text))
	case e.Op == "":
		return e, flawed("they are < <= > >= == !=", "%s: %c is no operator", brief(text), rest[0])
	case path == "":
		return e, flawed(grammar, "%s has no figure before the operator", brief(text))
	case rest == "":
		return e, flawed(grammar, "%s has no value after the operator", brief(text))
	}
	if err := e.place(path, targets, steps); err != nil {
		return e, err
	}
	unit, err := figureUnit(e.Figure)
	if err != nil {
		return e, err
	}
	e.Unit = unit
	if e.Value, err = parseFigureValue(rest, unit); err != nil {
		return e, &flaw{e.Figure + ": " + err.message, err.hint}
	}
	return e, e.sense()
}

// place finds target, step and figure in a dotted path. Places of steps and names
// of figures hold dots too, so what is known goes first: a target, then the longest
// id of a step, then the figure.
func (e *Expectation) place(path string, targets, steps []string) *flaw {
	if isFigure(path) {
		e.Figure = path
		return nil
	}
	rest := path
	if head, tail, more := strings.Cut(rest, "."); more && slices.Contains(targets, head) {
		e.Target, rest = head, tail
	}
	if isFigure(rest) {
		e.Figure = rest
		return nil
	}
	for _, id := range steps {
		if len(id) > len(e.Step) && strings.HasPrefix(rest, id+".") {
			e.Step = id
		}
	}
	if e.Step != "" {
		rest = rest[len(e.Step)+1:]
	}
	if isFigure(rest) {
		e.Figure = rest
		return nil
	}
	return e.unknown(rest, targets, steps)
}

// unknown says which word of a path is not known. When a figure stands at its end,
// it is the target or the step before; else the figure.
func (e *Expectation) unknown(rest string, targets, steps []string) *flaw {
	for tail := rest; ; {
		_, after, more := strings.Cut(tail, ".")
		if !more {
			break
		}
		if !isFigure(after) {
			tail = after
			continue
		}
		word := strings.TrimSuffix(rest, "."+after)
		switch known := append(slices.Clone(targets), steps...); {
		case e.Step != "":
			word = e.Step + "." + word
			return flawed(didYouMean(word, steps), "there is no step %s", brief(word))
		case e.Target != "":
			return flawed(didYouMean(word, steps), "there is no step %s", brief(word))
		default:
			return flawed(didYouMean(word, known), "there is no target and no step %s", brief(word))
		}
	}
	_, err := figureUnit(rest)
	return err
}

// sense refuses what can never be judged.
func (e *Expectation) sense() *flaw {
	switch {
	case e.Step != "" && (e.Figure == "log" || strings.HasPrefix(e.Figure, "log.")):
		return flawed("leave the step out", "the log is counted for the whole trial, not for step %s", e.Step)
	case e.Step == "" && isAction(e.Figure):
		return flawed("write the step's id before it", "only a step has the figure %s", e.Figure)
	case e.Target == "direct" && strings.HasPrefix(e.Figure, "resources.target."):
		return flawed("resources.backend and resources.agents exist", "direct has no processes: its %s is never known", e.Figure)
	}
	return nil
}

func isAction(figure string) bool {
	_, is := actionFigures[figure]
	return is
}

// watched refuses what is never known of a target that wsgauge did not start.
func (e *Expectation) watched(targets []Target) *flaw {
	i := slices.IndexFunc(targets, func(t Target) bool { return t.Name == e.Target })
	if i < 0 || targets[i].External == nil {
		return nil
	}
	x := targets[i].External
	switch {
	case e.Figure == "log" || strings.HasPrefix(e.Figure, "log."):
		return flawed("", "the log of the external target %s is not read", e.Target)
	case strings.HasPrefix(e.Figure, "resources.target.") && x.Unit == "" && len(x.PIDs) == 0:
		return flawed("give it pids or a unit, if it runs on this machine", "the processes of the external target %s are not watched: its %s is never known", e.Target, e.Figure)
	}
	return nil
}

// firstOf is the first step inside the one that has this id.
func (b *builder) firstOf(steps []Step, id string) string {
	first := id + ".1"
	Walk(steps, func(s *Step) {
		switch {
		case s.ID != id:
		case s.Repeat != nil && len(s.Repeat.Steps) > 0:
			first = s.Repeat.Steps[0].ID
		case s.Together != nil && len(s.Together.Branches) > 0 && len(s.Together.Branches[0]) > 0:
			first = s.Together.Branches[0][0].ID
		}
	})
	return first
}

// parseFigureValue reads a value in the unit of a figure.
func parseFigureValue(text, unit string) (float64, *flaw) {
	switch unit {
	case "ns":
		d, err := parseDuration(text)
		return float64(d), err
	case "B":
		n, err := parseSize(text)
		return float64(n), err
	case "/s":
		return parseRate(text)
	}
	number, rest, err := splitNumber(text)
	if err != nil {
		return 0, &flaw{err.message, orHint(err.hint, "the figure is a number of things")}
	}
	if rest != "" {
		return 0, flawed("the figure is a number of things, without a unit", "%s has the unit %s", brief(text), brief(rest))
	}
	var v float64
	if _, scanErr := fmt.Sscan(number, &v); scanErr != nil {
		return 0, flawed("", "%s is too large", brief(text))
	}
	return v, nil
}

// The figures of a line of trials.jsonl, without the units that end their names
// there.
var (
	metrics = []string{"response_time", "service_time", "send_lag", "write_blocked", "receive_lag", "dial_lag",
		"dial", "tls", "upgrade", "ping", "ping_lag", "jitter", "idle_before_close"}
	quantiles = []string{"count", "mean", "p50", "p90", "p99", "p99.9", "max"}
	groups    = []string{"target", "backend", "agents", "controller"}

	connectionFigures = []string{"attempted", "opened", "peak"}
	httpFigures       = []string{"sent", "answered", "status.503", "response_time.p99"}
	pingFigures       = []string{"due", "sent", "answered", "not_sent", "not_sent.queue_full", "not_sent.no_turn"}
	messageFigures    = map[string]string{"scheduled": "", "sent": "", "answered": "", "received": "", "delivered": "", "unanswered": "",
		"not_sent": "", "not_sent.ended": "", "not_sent.queue_full": "", "not_sent.no_turn": "", "on_time": "", "corrupt": "", "per_second": "/s", "bytes_sent": "B", "bytes_received": "B"}
	// What a signal, backend or wait step did, and only a step has.
	actionFigures = map[string]string{"took": "ns", "next_handshake": "ns", "handshake_gap": "ns",
		"generations.before": "", "generations.old": "", "generations.new": ""}
	resourceFigures = map[string]string{"cpu_seconds": "ns", "cpu_user_seconds": "ns", "cpu_system_seconds": "ns", "cpu_us_per_message": "ns", "rss_peak_bytes": "B", "pss_peak_bytes": "B",
		"pss_bytes_per_tunnel": "B", "fds_peak": "", "threads_peak": "", "processes_peak": ""}

	failureClasses = []string{"dial_refused", "dial_timeout", "dial_no_port", "dial_no_fd", "dial_failed",
		"tls_failed", "tls_closed", "tls_stall", "tls_crowded",
		"upgrade_stall", "upgrade_closed", "upgrade_bad_accept", "ended_in_send", "protocol_error",
		"corrupt", "reordered", "duplicated", "unanswered", "http_timeout", "http_closed", "http_protocol_error", "http_no_connection"}
	closureClasses = []string{"closed_by_us", "closed_by_peer", "closed_reset"}

	// Classes with a number: the status of an answer, the code of a close frame.
	numberedFailure = regexp.MustCompile(`^upgrade_status_[0-9]{3}$`)
	numberedClosure = regexp.MustCompile(`^closed_by_peer_[0-9]{4}$`)
	httpStatus      = regexp.MustCompile(`^[1-5][0-9]{2}$`)
	logCode         = regexp.MustCompile(`^[A-Za-z0-9_]+$`)
)

// isFigure tells what figureUnit does, and spends no time on hints where the first
// word is none that figures begin with.
func isFigure(name string) bool {
	head, _, _ := strings.Cut(name, ".")
	switch head {
	case "failures", "closures", "log", "http", "connections", "messages", "pings", "resources", "took", "next_handshake", "handshake_gap", "generations":
	default:
		if !slices.Contains(metrics, head) {
			return false
		}
	}
	_, err := figureUnit(name)
	return err == nil
}

// figureUnit is the unit of a figure's values, or what is wrong with its name.
func figureUnit(name string) (unit string, err *flaw) {
	head, rest, more := strings.Cut(name, ".")
	switch head {
	case "failures":
		if !more || numberedFailure.MatchString(rest) || slices.Contains(failureClasses, rest) {
			return "", nil
		}
		return "", flawed(didYouMean(rest, append(slices.Clone(failureClasses), "upgrade_status_503")), "%s is no class of failures", brief(rest))
	case "closures":
		if !more || numberedClosure.MatchString(rest) || slices.Contains(closureClasses, rest) {
			return "", nil
		}
		return "", flawed(didYouMean(rest, append(slices.Clone(closureClasses), "closed_by_peer_1000")), "%s is no class of closures", brief(rest))
	case "log":
		if !more || logCode.MatchString(rest) {
			return "", nil
		}
		return "", flawed("such as log.AH00484", "%s is no code of a log", brief(rest))
	case "http":
		return httpFigure(rest)
	case "took", "next_handshake", "handshake_gap", "generations":
		unit, known := actionFigures[name]
		if !known {
			return "", flawed(didYouMean(name, slices.Sorted(maps.Keys(actionFigures))), "there is no figure %s", brief(name))
		}
		return unit, nil
	case "connections":
		return pickFigure(head, rest, connectionFigures, nil)
	case "pings":
		return pickFigure(head, rest, pingFigures, nil)
	case "messages":
		return pickFigure(head, rest, slices.Sorted(maps.Keys(messageFigures)), messageFigures)
	case "resources":
		group, field, _ := strings.Cut(rest, ".")
		if !slices.Contains(groups, group) {
			return "", flawed(didYouMean(group, groups), "%s is no group of processes", brief(group))
		}
		return pickFigure("resources."+group, field, slices.Sorted(maps.Keys(resourceFigures)), resourceFigures)
	}
	if slices.Contains(metrics, head) {
		if rest == "count" {
			return "", nil
		}
		_, err := pickFigure(head, rest, quantiles, nil)
		return "ns", err
	}
	return "", flawed(didYouMean(name, figureNames()), "there is no figure %s", brief(name))
}

func httpFigure(name string) (unit string, err *flaw) {
	if quantile, is := strings.CutPrefix(name, "response_time."); is {
		if quantile == "count" {
			return "", nil
		}
		_, err := pickFigure("http.response_time", quantile, quantiles, nil)
		return "ns", err
	}
	if status, is := strings.CutPrefix(name, "status."); is {
		if !httpStatus.MatchString(status) {
			return "", flawed("such as http.status.503", "%s is no status of an answer", brief(status))
		}
		return "", nil
	}
	return pickFigure("http", name, httpFigures, nil)
}

func pickFigure(head, name string, known []string, units map[string]string) (string, *flaw) {
	if slices.Contains(known, name) {
		return units[name], nil
	}
	if name == "" {
		return "", flawed("one of "+strings.Join(known, ", "), "%s needs a word after it", head)
	}
	return "", flawed(didYouMean(name, known), "there is no figure %s of %s", brief(name), head)
}

// figureNames lists figures for hints, each metric by one quantile.
func figureNames() []string {
	names := []string{"failures", "closures", "log"}
	for _, c := range connectionFigures {
		names = append(names, "connections."+c)
	}
	for _, c := range pingFigures {
		names = append(names, "pings."+c)
	}
	for _, c := range slices.Sorted(maps.Keys(messageFigures)) {
		names = append(names, "messages."+c)
	}
	for _, c := range httpFigures {
		names = append(names, "http."+c)
	}
	for _, m := range metrics {
		names = append(names, m+".p99")
	}
	for _, g := range groups {
		for _, r := range slices.Sorted(maps.Keys(resourceFigures)) {
			names = append(names, "resources."+g+"."+r)
		}
	}
	return names
}

// expectation adds one to the scenario.
func (b *builder) expectation(s *Scenario, t text) {
	if !t.known {
		return
	}
	e, err := parseExpectation(t.v, slices.Sorted(maps.Keys(b.targets)), slices.Sorted(maps.Keys(b.steps)))
	if err == nil && slices.Contains(b.parents, e.Step) {
		err = flawed("name a step inside it, such as "+b.firstOf(s.Steps, e.Step), "step %s runs others and has no figures of its own", e.Step)
	}
	if err == nil {
		err = e.watched(s.Targets)
	}
	if err != nil {
		b.add(t.mark, err.hint, "%s", err.message)
		return
	}
	s.Expect = append(s.Expect, e.Text)
	s.Expectations = append(s.Expectations, e)
}
