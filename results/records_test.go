package results

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// A line of trials.jsonl has the keys that others read it by, whatever happened.
func TestTrialKeys(t *testing.T) {
	q := func() *Quantiles {
		return &Quantiles{Count: 9000, Mean: 250e3, P50: new(241e3), P90: new(300e3), P99: new(812e3), Max: 4e6}
	}
	full := Trial{Block: 1, Target: "event", Valid: true, StartedS: 2, EndedS: 8,
		Figures: Figures{Connections: Connections{300, 300, 300, nil},
			Messages: Messages{Scheduled: 9000, Sent: 9000, Answered: 9000, OnTime: 9000, Received: 9000, NotSent: 2,
				NotSentCauses: map[string]int64{"ended": 2}, PerSecond: 3000},
			HTTP:     HTTP{Sent: 2, Answered: 2, Status: map[string]int64{"200": 2}, ResponseTime: q()},
			Failures: map[string]int64{"upgrade_stall": 0}, Closures: map[string]int64{"closed_by_us": 300},
			ResponseTime: q(), ServiceTime: q(), SendLag: q(), WriteBlocked: q(), ReceiveLag: q(), DialLag: q(), Dial: q(), TLS: q(),
			Upgrade: q(), Ping: q(), PingLag: q(), Pings: Pings{Due: 9, Sent: 7, Answered: 7, NotSent: 2, NotSentCauses: map[string]int64{"no_turn": 2}}, IdleBeforeClose: q()},
		Invalid:   []Invalid{{Reason: "send lag", Step: "load", Figures: []string{"latency"}}},
		Resources: map[string]*Resources{"target": {CPUSeconds: new(1.5), CPUUsPerMessage: new(46.0)}},
		Log:       map[string]int64{"AH00484": 1},
		Steps:     []Step{{ID: "load", Step: "send", Group: "main", Iteration: 1, EndedS: 3, Figures: Figures{ResponseTime: q()}}},
	}
	for name, trial := range map[string]Trial{"trial-full": full, "trial-empty": {Block: 1, Target: "direct"}} {
		line, err := json.Marshal(&trial)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.ContainsRune(line, '\n') {
			t.Error("a record must be one line")
		}
		var text bytes.Buffer
		if err := json.Indent(&text, append(line, '\n'), "", " "); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".json", text.Bytes())
		var back Trial
		if err := json.Unmarshal(line, &back); err != nil {
			t.Fatal(err)
		}
		if again, err := json.Marshal(back); err != nil || !bytes.Equal(again, line) {
			t.Errorf("read and written again it is\n%s\nnot\n%s", again, line)
		}
	}
	if full.Resources["backend"] != nil || len(full.Resources) != 1 {
		t.Error("writing changed the trial")
	}
}

func TestRunKeys(t *testing.T) {
	line, err := json.MarshalIndent(&Run{Verdicts: []Verdict{{Kind: "expect"}}}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "run-empty.json", append(line, '\n'))
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test -update writes it anew):\n%s", path, got)
	}
}
