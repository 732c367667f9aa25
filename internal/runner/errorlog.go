package runner

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"wsgauge/results"
	"wsgauge/targets"
)

// closeLog takes the target's last words.
func (t *trial) closeLog() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.log == nil {
		return
	}
	t.readLines(false)
	lines, err := t.log.Close()
	if err != nil {
		t.event(results.Event{Kind: "note", Text: "error log: " + err.Error()})
	}
	t.keepLog(lines, false)
}

// readLog collects what the target has said since the last time. counted is false
// for what it says while it starts and stops: that is about us, not about the load.
func (t *trial) readLog(counted bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.readLines(counted)
}

// said is what the target's log has said so far, by code.
func (t *trial) said() map[string]int64 {
	t.readLog(true)
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.record.Log)
}

// saidSince names the codes of new lines, with how many there are of each.
func saidSince(before, now map[string]int64) string {
	var codes []string
	for _, code := range slices.Sorted(maps.Keys(now)) {
		if n := now[code] - before[code]; n > 0 {
			codes = append(codes, fmt.Sprintf("%s (%d)", code, n))
		}
	}
	return strings.Join(codes, ", ")
}

func (t *trial) readLines(counted bool) {
	if t.log == nil {
		return
	}
	for {
		lines, err := t.log.Read()
		if err != nil {
			t.event(results.Event{Kind: "note", Text: "error log: " + err.Error()})
			return
		}
		if len(lines) == 0 {
			return
		}
		t.keepLog(lines, counted)
	}
}

func (t *trial) keepLog(lines []targets.LogLine, counted bool) {
	for _, line := range lines {
		if counted {
			t.record.Log[cmp.Or(line.Code, "other")]++
		}
		e := results.Event{Kind: "log", Class: line.Code, Text: line.Text}
		if !counted {
			results.MarkUncounted(&e)
		}
		t.event(e)
	}
}
