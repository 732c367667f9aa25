package apache

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"wsgauge/targets"
)

// statusPath is where a server of ours tells how busy it is. It is no page of a
// backend's that a scenario would ask for.
const statusPath = "/wsgauge-status"

// writeStatus opens mod_status to the runner, and to nobody else.
func (c *configuration) writeStatus(w *writer) {
	if !c.Scoreboard {
		return
	}
	w.line("")
	w.line("# The scoreboard, for wsgauge alone. Without times and counts of each worker, which would")
	w.line("# cost every request.")
	w.line("ExtendedStatus Off")
	w.line("<Location \"%s\">", statusPath)
	w.line("  SetHandler server-status")
	if c.site.Probe.IsValid() {
		w.line("  Require ip %s", c.site.Probe)
	}
	w.line("</Location>")
}

func (c *configuration) status() *targets.Status {
	if !c.Scoreboard {
		return nil
	}
	scheme := "http"
	if c.TLS.Frontend {
		scheme = "https"
	}
	return &targets.Status{URL: fmt.Sprintf("%s://%s%s?auto", scheme, c.site.Listen, statusPath), Parse: c.parseStatus}
}

// parseStatus is [ParseStatus] with what the page leaves out: event's places beyond
// MaxRequestWorkers, in which generations that end live on, have no letters while they
// are empty. And a place is empty when its whole process has ended.
func (c *configuration) parseStatus(page []byte) (targets.Workers, error) {
	p, err := readStatus(page)
	if err == nil && p.processes >= 0 {
		p.workers.Free = max(0, c.size.serverLimit-p.processes) * c.size.threadsPerChild
	}
	return p.workers, err
}

// ParseStatus reads the page of mod_status in its form for machines (?auto). The
// worker that makes the page is not counted as busy. The scoreboard's letters are the
// source, since they tell what a worker does; a page without them gives what its
// totals say. MPM worker does not tell generations apart: there Graceful is not known,
// and Busy counts all of them (seen on 2.4.71).
func ParseStatus(page []byte) (targets.Workers, error) {
	p, err := readStatus(page)
	return p.workers, err
}

// statusPage is what a page says.
type statusPage struct {
	workers   targets.Workers
	processes int // all that live, those that are to end among them; -1: not said (worker, prefork)
}

func readStatus(page []byte) (statusPage, error) {
	nothing := statusPage{unknown, -1}
	board, there, mpm := "", false, ""
	totals := map[string]int{}
	for line := range strings.Lines(string(page)) {
		name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		switch {
		case !ok:
		case name == "Scoreboard":
			board, there = strings.TrimPrefix(value, " "), true
		case name == "ServerMPM":
			mpm = strings.TrimSpace(value)
		case slices.Contains(totalNames, name):
			n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 32)
			if err != nil || n < 0 {
				return nothing, fmt.Errorf("the server-status page says %q, which is no number of workers", strings.TrimSpace(line))
			}
			totals[name] = int(n)
		}
	}
	p := statusPage{processes: -1}
	if n, there := totals["Processes"]; there {
		p.processes = n
	}
	var err error
	if !there {
		p.workers, err = ofTotals(totals)
	} else if p.workers, err = ofBoard(board); err == nil {
		// event hands connections that wait for their client's end to its listener: they
		// take no worker and have no letter.
		p.workers.Closing += totals["ConnsAsyncClosing"]
		if mpm == "worker" {
			// Old threads keep their letters, in rows that a new process may share.
			p.workers.Graceful = -1
		}
	}
	if err != nil {
		return nothing, err
	}
	return p, nil
}

// totalNames are the lines with numbers that are read.
var totalNames = []string{"BusyWorkers", "IdleWorkers", "GracefulWorkers", "Processes", "ConnsAsyncClosing"}

// unknown is what is said of nothing.
var unknown = targets.Workers{Busy: -1, Idle: -1, Closing: -1, Graceful: -1, Free: -1}

// ofTotals is for a page without a scoreboard: one whose `ExtendedStatus` or version
// leaves it out.
func ofTotals(totals map[string]int) (targets.Workers, error) {
	w := unknown
	busy, b := totals["BusyWorkers"]
	idle, i := totals["IdleWorkers"]
	if !b || !i {
		return unknown, errors.New("this is no server-status page of Apache: it has neither a scoreboard nor BusyWorkers and IdleWorkers (the address wants ?auto)")
	}
	w.Busy, w.Idle = max(0, busy-1), idle
	if graceful, there := totals["GracefulWorkers"]; there {
		w.Graceful = graceful
	}
	return w, nil
}

// ofBoard counts a scoreboard's letters.
func ofBoard(board string) (w targets.Workers, err error) {
	for i := range len(board) {
		switch board[i] {
		case '_':
			w.Idle++
		case '.':
			w.Free++
		case ' ': // a place that this configuration does not use
		case 'S', 'I': // starting, or ending for want of work
		case 'C':
			w.Closing++
		case 'G':
			w.Graceful++
		case 'R', 'W', 'K', 'D', 'L': // reads, writes or tunnels, keeps alive, looks up a name, logs
			w.Busy++
		default:
			return unknown, fmt.Errorf("the scoreboard holds %q, which is no state of a worker", board[i])
		}
	}
	w.Busy = max(0, w.Busy-1)
	return w, nil
}
