package apache

import (
	"strings"
	"testing"

	"wsgauge/scenarios"
	"wsgauge/targets"
)

func TestParseStatus(t *testing.T) {
	const head = "127.0.0.1\nServerVersion: Apache/2.4.71 (Debian)\nServerMPM: event\n"
	for name, c := range map[string]struct {
		page string
		want targets.Workers
	}{
		"event with two generations": {
			head + "BusyWorkers: 4\nGracefulWorkers: 2\nIdleWorkers: 3\nProcesses: 3\nStopping: 1\nConnsAsyncClosing: 5\nScoreboard: __W_RCG..KG S I\n",
			targets.Workers{Busy: 2, Idle: 3, Closing: 6, Graceful: 2, Free: 2},
		},
		"prefork, no totals":       {"Scoreboard: W___..", targets.Workers{Busy: 0, Idle: 3, Free: 2}},
		"worker":                   {"ServerMPM: worker\nScoreboard: WW__..", targets.Workers{Busy: 1, Idle: 2, Free: 2, Graceful: -1}},
		"carriage returns":         {"BusyWorkers: 1\r\nScoreboard: W_LD\r\n", targets.Workers{Busy: 2, Idle: 1}},
		"nobody at work, not even": {"Scoreboard: ____", targets.Workers{Idle: 4}},
		"without a scoreboard":     {"BusyWorkers: 7\nIdleWorkers: 3\n", targets.Workers{Busy: 6, Idle: 3, Closing: -1, Graceful: -1, Free: -1}},
		"with graceful workers":    {"BusyWorkers: 7\nGracefulWorkers: 2\nIdleWorkers: 3\n", targets.Workers{Busy: 6, Idle: 3, Closing: -1, Graceful: 2, Free: -1}},
	} {
		got, err := ParseStatus([]byte(c.page))
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, c.want)
		}
	}
	for page, want := range map[string]string{
		"":                                       "no server-status page",
		"<html><body>It works!</body></html>":    "the address wants ?auto",
		"BusyWorkers: 3\n":                       "neither a scoreboard nor",
		"BusyWorkers: many\nScoreboard: __":      `"BusyWorkers: many"`,
		"IdleWorkers: -1\nScoreboard: __":        "no number of workers",
		"Processes: 99999999999\nScoreboard: __": "no number of workers",
		"Scoreboard: __<script>":                 `'<', which is no state of a worker`,
	} {
		if w, err := ParseStatus([]byte(page)); err == nil || !strings.Contains(err.Error(), want) || w != unknown {
			t.Errorf("page %q: %+v, %v; want %q", page, w, err, want)
		}
	}
}

// What the page leaves out the configuration knows.
func TestPlacesLeft(t *testing.T) {
	c := fixed(t, scenarios.Apache{MPM: "event", ThreadsPerChild: 10, MaxRequestWorkers: 20, ServerLimit: 6})
	for page, want := range map[string]int{
		"Processes: 2\nScoreboard: W___________________": 40,
		"Processes: 4\nScoreboard: W___________________": 20,
		"Processes: 7\nScoreboard: W___________________": 0,
		"Scoreboard: W.._": 2, // worker and prefork say no more
	} {
		if w, err := c.parseStatus([]byte(page)); err != nil || w.Free != want {
			t.Errorf("%q: %+v, %v; want %d free", page, w, err, want)
		}
	}
}

func FuzzParseStatus(f *testing.F) {
	f.Add([]byte("BusyWorkers: 4\nIdleWorkers: 3\nProcesses: 3\nConnsAsyncClosing: 5\nScoreboard: __W_RCG..KG S I\n"))
	f.Add([]byte("Scoreboard: "))
	f.Add([]byte("BusyWorkers: 1\nIdleWorkers: 0"))
	f.Add([]byte(":\nScoreboard\n\x00"))
	f.Fuzz(func(t *testing.T, page []byte) {
		w, err := ParseStatus(page)
		if err != nil {
			if w != unknown {
				t.Errorf("%+v with %v", w, err)
			}
			return
		}
		if w.Busy < 0 || w.Idle < 0 {
			t.Errorf("%+v", w)
		}
		if _, board, there := strings.Cut(string(page), "\nScoreboard: "); there && w.Free > 0 && !strings.Contains(board, ".") {
			t.Errorf("%d free places of %q", w.Free, board)
		}
	})
}
