package claim

import (
	"bytes"
	"flag"
	"os"
	"testing"
	"time"

	"wsgauge/results"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestRows(t *testing.T) {
	rows := []Row{
		{ID: "heartbeat", Says: "A ping every 30 s keeps a tunnel", Finding: Finding{Verdict: Holds, Rule: 1, Why: "With a ping every 500 ms 20 of 20 tunnels lived, without 0 of 20: a sentence that is long enough to be broken once, and once more.",
			Terms: []Term{{Shown: "event.kept.closures 0 = 0", State: True}, {Shown: "event.quiet.closures 20 ≥ 20 | <b>", State: True}}}},
		{ID: "threads", Says: "a * b_c | d", Finding: Finding{Verdict: InPart, Why: "Sometimes."}},
		{ID: "none", Says: "x", Finding: Finding{Verdict: DoesNotHold, Why: "Never."}},
		{ID: "open", Says: "y", Finding: Finding{Verdict: Inconclusive, Why: "It cannot be told.", Terms: []Term{{Shown: "event.failures: the clock stepped", State: Unknown}}}},
		{ID: "lost", Says: "z", NotMeasured: "Node.js is not installed"},
	}
	d := &results.RunData{Run: &results.Run{StartedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Tool: results.Tool{Version: "0.1.0"},
		Host:    results.Host{CPUs: 2, CPU: "A Processor", OS: "Debian GNU/Linux 13", Kernel: "6.12"},
		Targets: []results.TargetInfo{{Kind: "apache", Version: "Apache/2.4.66"}, {Kind: "apache", Version: "Apache/2.4.66"}, {Kind: "tunnel", Version: "0.1.0"}, {Kind: "nginx", Version: "nginx/1.28"}}}}
	for i := range rows[:4] {
		rows[i].Describe(d)
	}
	var table, page bytes.Buffer
	if err := Table(&table, rows); err != nil {
		t.Fatal(err)
	}
	if err := Markdown(&page, rows); err != nil {
		t.Fatal(err)
	}
	for file, got := range map[string][]byte{"testdata/table.txt": table.Bytes(), "testdata/claims.md": page.Bytes()} {
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("%v (write it with -update)", err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: got\n%s", file, got)
		}
	}
}
