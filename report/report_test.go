package report

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"wsgauge/report/internal/synthetic"
	"wsgauge/results"
)

// page makes the report of a synthetic run and returns its page.
func page(t *testing.T, o synthetic.Options) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "20260102T030405Z-quickstart")
	if err := synthetic.Write(dir, o); err != nil {
		t.Fatal(err)
	}
	return again(t, dir)
}

func again(t *testing.T, dir string) string {
	t.Helper()
	if err := Make(dir); err != nil {
		t.Fatal(err)
	}
	p, err := os.ReadFile(filepath.Join(dir, File))
	if err != nil {
		t.Fatal(err)
	}
	return string(p)
}

// has checks that words stand in the page in this order.
func has(t *testing.T, page string, words ...string) {
	t.Helper()
	at := 0
	for _, w := range words {
		i := strings.Index(page[at:], w)
		if i < 0 {
			t.Errorf("there is no %q after what comes before it", w)
			continue
		}
		at += i
	}
}

func TestMake(t *testing.T) {
	p := page(t, synthetic.Options{Blocks: 3, Targets: 5})
	has(t, p, "What does each proxy add to a direct connection?</h1>",
		"The median answer took 146 µs over a direct connection; in the same block it took through tunnel 44.9 µs more", "Nothing failed in 15 trials, all valid.",
		"the proxy had 1 CPU (1), agents and backend 1 CPU (0); loopback: no network card, no round trip, no loss",
		">Verdicts<", "pass", "failures == 0", ">Validity<", "Nothing speaks against", ">Comparison<", "p50 ÷ tunnel", ">event<", "1.45×", "Whose time it was", "send lag", "dial lag", "upgrade", "kernel: to the backend",
		">Latency by percentile<", "aria-label=\"Lines of response time", "<svg", ">Added latency against direct<", "p99.9", ">Latency over time<", ">CPU of the target", ">Memory per tunnel<", "40.5 KiB",
		">Descriptors and threads", ">Failures and closures<", "closed_by_us 900", ">Configuration of each target<", "MaxRequestWorkers 512",
		"&lt;Location &#34;/&#34;&gt;", ">Environment<", "wsgauge run quickstart", "<dt>params</dt><dd>n=300, rate=1000/s</dd>", "net.core.somaxconn", "The scenario, as it was run", "name: quickstart")
	if strings.Contains(p, "interrupted") {
		t.Error("the run was not interrupted")
	}
	alone(t, p)
	if n := strings.Count(p, "role=\"img\" aria-label="); n != 7 {
		t.Errorf("%d plots have a text in their place, of 7", n)
	}
	if n := strings.Count(p, "<summary>The numbers</summary>"); n != 7 {
		t.Errorf("%d plots have their numbers beside, of 7", n)
	}
}

var loads = regexp.MustCompile(`(?i)(src|href)\s*=|url\(|@import|<script|<link|<img|<iframe|\son[a-z]+\s*=`)

// alone checks that a page loads nothing and runs nothing.
func alone(t *testing.T, page string) {
	t.Helper()
	for _, found := range loads.FindAllString(page, -1) {
		t.Errorf("the page holds %q", found)
	}
	if len(page) > 1<<20 {
		t.Errorf("the page has %d bytes", len(page))
	}
}

// What comes from the records is text, never markup.
func TestMakeEscapes(t *testing.T) {
	const evil = `<script>alert(1)</script>"' onload=x`
	p := page(t, synthetic.Options{Blocks: 1, Targets: 3, Messages: 300,
		Trial: func(t *results.Trial) {
			t.Error = evil
			t.Failures = map[string]int64{evil: 1}
			t.Log = map[string]int64{evil: 2}
			t.Steps[0].Note = evil
			t.Steps[1].Step = evil
		},
		Run: func(r *results.Run) {
			r.About, r.Scenario, r.Command = evil, evil, []string{"wsgauge", evil}
			r.Targets[0].Name, r.Targets[1].Config, r.Host.OS = evil, evil, evil
			r.Skipped = []results.SkippedTarget{{Name: evil, Reason: evil, Remedy: evil}}
			r.Verdicts = []results.Verdict{{Kind: "expect", Name: evil, Target: evil, Verdict: "fail", Why: evil}}
		}})
	if strings.Contains(p, "<script") {
		t.Error("a record became markup")
	}
	has(t, p, "&lt;script&gt;alert(1)&lt;/script&gt;")
	// The command can be pasted: its quotes are a shell's.
	has(t, p, `wsgauge &#39;&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;\&#39;&#39; onload=x&#39;`)
}

func TestMakeOfPoorRuns(t *testing.T) {
	for name, c := range map[string]struct {
		o    synthetic.Options
		want []string
	}{
		"no trials": {synthetic.Options{Run: func(r *results.Run) {
			r.Status, r.Blocks, r.Expect = "interrupted", 3, nil
			r.Targets = make([]results.TargetInfo, 5)
		}},
			[]string{"This run was interrupted: 0 of 15 trials are here.", "nothing to judge", "There is no trial."}},
		"killed": {synthetic.Options{Blocks: 1, Targets: 2, Messages: 300, Run: func(r *results.Run) { r.Status = "running" }},
			[]string{"This run did not end, or runs still: 2 of 2 trials are here.", "The median answer took"}},
		"errors": {synthetic.Options{Blocks: 2, Targets: 2, Messages: 300, Trial: func(t *results.Trial) {
			if t.Target == "tunnel" {
				t.Valid, t.Error = false, "the target ended with exit status 1"
			}
		}}, []string{"Nothing failed in the 2 valid trials of 4.", "invalid", "tunnel, blocks 1, 2: the trial did not run to its end: the target ended with exit status 1 (every figure)", "0 of 2"}},
		"nulls": {synthetic.Options{Blocks: 1, Targets: 2, Messages: 300, Run: func(r *results.Run) { *r = results.Run{} }, Trial: func(t *results.Trial) {
			*t = results.Trial{Block: t.Block, Target: t.Target, Steps: []results.Step{{}}, Resources: map[string]*results.Resources{"target": {}}}
		}}, []string{"A run of wsgauge", "None of the 2 trials is valid", "marked as not valid"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := page(t, c.o)
			has(t, p, c.want...)
			alone(t, p)
		})
	}
}

// The report is made from the files alone, again and the same.
func TestMakeAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	if err := os.CopyFS(dir, os.DirFS("../results/testdata/run-1")); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, "run.json"))
	if err != nil {
		t.Fatal(err)
	}
	first := again(t, dir)
	plots, err := filepath.Glob(filepath.Join(dir, "plots", "*"))
	if err != nil || len(plots) != 14 {
		t.Errorf("plots: %v, %v", plots, err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "plots")); err != nil {
		t.Fatal(err)
	}
	if again(t, dir) != first {
		t.Error("made again it differs")
	}
	after, err := os.ReadFile(filepath.Join(dir, "run.json"))
	if err != nil || string(after) != string(before) {
		t.Error("the report changed the records")
	}
	if err := Make(t.TempDir()); err == nil || !strings.Contains(err.Error(), "there is no run.json") {
		t.Errorf("no run: %v", err)
	}
}

// What idle and pushing steps measure has tables of its own, where there is something.
func TestMakeOfHolds(t *testing.T) {
	const headings = "<h3>Heartbeats</h3>|<h3>Jitter</h3>|<h3>Idle before close</h3>"
	q := func(ms float64) *results.Quantiles {
		return &results.Quantiles{Count: 3000, P50: new(ms * 1e6), P90: new(ms * 2e6), P99: new(ms * 3e6), Max: ms * 4e6}
	}
	p := page(t, synthetic.Options{Blocks: 1, Targets: 2, Messages: 300, Trial: func(t *results.Trial) {
		hold := &t.Steps[2]
		hold.ID, hold.Closures = "idle", map[string]int64{"closed_by_peer_1000": 7}
		hold.Ping, hold.PingLag, hold.IdleBeforeClose = q(1), q(0.01), q(60_000)
		hold.Pings = results.Pings{Due: 3210, Sent: 3209, Answered: 3000, NotSent: 210, NotSentCauses: map[string]int64{"queue_full": 210}}
		t.Ping, t.PingLag, t.IdleBeforeClose, t.Pings, t.Jitter = hold.Ping, hold.PingLag, hold.IdleBeforeClose, hold.Pings, q(2)
	}})
	has(t, p, "<h3>Heartbeats</h3>", "ping lag p99", ">tunnel<", ">3210<", ">3209<", ">3000<", ">1 ms<", ">3 ms<", ">30 µs<",
		"<h3>Jitter</h3>", ">tunnel<", ">3000<", ">2 ms<", ">6 ms<", ">8 ms<", "<h3>Idle before close</h3>", ">tunnel<", ">1 min<", ">4 min<",
		"By step", "ping p99", "closures", ">idle<", ">direct<", ">3 ms<", ">0<", ">7<", ">idle<", ">tunnel<")
	alone(t, p)
	p = page(t, synthetic.Options{Blocks: 1, Targets: 2, Messages: 300})
	for _, heading := range strings.Split(headings, "|") {
		if strings.Contains(p, heading) {
			t.Errorf("%s of nothing", heading)
		}
	}
	has(t, p, "By step", ">3<", ">direct<") // a hold in which nothing happened
}
