package table

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"wsgauge/report/aggregate"
	"wsgauge/report/internal/synthetic"
	"wsgauge/report/verdict"
	"wsgauge/results"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestWrite(t *testing.T) {
	for _, c := range []struct {
		name string
		o    synthetic.Options
	}{
		{"quickstart", synthetic.Options{Blocks: 3, Targets: 5}},
		{"eight", synthetic.Options{Blocks: 1, Targets: 8, Messages: 3000}},
		{"empty", synthetic.Options{Blocks: 0, Targets: 0}},
		{"interrupted", synthetic.Options{Blocks: 1, Targets: 2, Messages: 300, Run: func(r *results.Run) {
			r.Status, r.Blocks = "interrupted", 3
			r.Placement = results.Placement{Agents: "0-1", Backend: "2", Target: "3,5-6", PerTarget: map[string]string{"tunnel": "7"}}
			r.Skipped = []results.SkippedTarget{{Name: "event", Reason: "Apache httpd was not found", Remedy: "apt-get install apache2-bin"}}
			r.Expect = append(r.Expect, "event.load.response_time.p99 < 100ms", "response_time.p50 < 150us", "response_time.p99 < 1s")
		}}},
		{"workloads", synthetic.Options{Blocks: 1, Targets: 2, Trial: func(t *results.Trial) {
			push, broadcast := t.Steps[1], t.Steps[1]
			t.Steps[1].Loop = results.LoopClosed
			push.ID, push.Pattern = "telemetry", "push"
			broadcast.ID, broadcast.Pattern = "chat", "broadcast"
			again := t.Steps[1]
			again.ID = "again"
			t.Steps = append(t.Steps, push, broadcast, again)
		}}},
		{"external", synthetic.Options{Blocks: 1, Targets: 2, Run: outside("tunnel"), Trial: unwatched("tunnel")}},
		{"external-alone", synthetic.Options{Blocks: 1, Targets: 1, Run: outside("direct"), Trial: unwatched("direct")}},
		{"troubled", synthetic.Options{Blocks: 2, Targets: 5, Trial: trouble}},
	} {
		dir := filepath.Join(t.TempDir(), "run")
		if err := synthetic.Write(dir, c.o); err != nil {
			t.Fatal(err)
		}
		d, err := results.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		d.Run.Verdicts = verdict.Evaluate(d)
		var b bytes.Buffer
		if err := Write(&b, d, "results/20260102T030405Z-quickstart"); err != nil {
			t.Fatal(err)
		}
		golden(t, c.name+".txt", b.Bytes())
		for line := range strings.SplitSeq(b.String(), "\n") {
			if utf8.RuneCountInString(line) > width {
				t.Errorf("%s: a line of %d columns: %s", c.name, utf8.RuneCountInString(line), line)
			}
		}
	}
}

// trouble spoils something different in each target.
func trouble(t *results.Trial) {
	switch t.Target {
	case "tunnel":
		t.Invalid = []results.Invalid{{Reason: "send lag p99 312µs exceeds 100µs: the generator was late", Step: "load", Figures: []string{"latency"}}}
	case "event":
		t.Failures = map[string]int64{"upgrade_stall": 44}
		t.Connections.Opened = 256
		t.Log = map[string]int64{"AH00484": 1}
		q := *t.ResponseTime
		q.P99, q.Max, q.Censored = new(5.2e9), 5.3e9, []string{"p99", "max"}
		t.ResponseTime = &q
	case "worker":
		if t.Block == 2 {
			t.Valid, t.Error = false, "the target ended with exit status 1 in step load"
			t.Invalid = []results.Invalid{{Reason: "the trial did not run to its end: " + t.Error, Figures: []string{"all"}}}
		}
	case "prefork":
		t.Valid = false
		t.Invalid = []results.Invalid{{Reason: "the hypervisor took 11.2% of the machine's time (bound 5%)", Figures: []string{"all"}}}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
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

func TestStar(t *testing.T) {
	row := aggregate.Row{Target: aggregate.Target{Name: "x", Trials: []*results.Trial{{Valid: true}, {Valid: true}, {}}}}
	for used, want := range map[int]string{1: "2 ms*", 2: "2 ms", 3: "2 ms"} { // one trial is invalid as a whole
		a := aggregate.Aggregate{State: aggregate.Known, Value: 2e6, Used: used, Trials: 3, FigureInfo: results.FigureInfo{Unit: "ns"}}
		if got := starred(row, a, a.String()); got != want {
			t.Errorf("%d of 3 trials: %q, want %q", used, got, want)
		}
	}
}

// outside makes a target one that ran already on another machine.
func outside(name string) func(*results.Run) {
	return func(r *results.Run) {
		for i := range r.Targets {
			if t := &r.Targets[i]; t.Name == name {
				t.Kind, t.Remote, t.Unwatched = "external", true, true
			}
		}
		if len(r.Targets) == 1 {
			r.Placement.Target, r.Placement.Backend = "", ""
		}
	}
}

// unwatched takes what nobody could measure out of its trials.
func unwatched(name string) func(*results.Trial) {
	return func(t *results.Trial) {
		if t.Target != name {
			return
		}
		t.Resources["target"], t.Resources["backend"] = nil, nil
		for i := range t.Steps {
			delete(t.Steps[i].Resources, "target")
			delete(t.Steps[i].Resources, "backend")
		}
	}
}
