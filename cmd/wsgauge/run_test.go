package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wsgauge/results"
)

// scenario writes a scenario file.
func scenario(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "scenario.yaml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// running is a wsgauge that was started.
type running struct {
	t      *testing.T
	cmd    *exec.Cmd
	output bytes.Buffer
	dir    string
	tmp    string
	ended  chan struct{}
}

// start runs `wsgauge run` with a temporary directory of its own, so that what is
// left behind can be seen.
func start(t *testing.T, text string, flags ...string) *running {
	t.Helper()
	return startRun(t, scenario(t, text), flags...)
}

// startRun runs a scenario by its path, or a shipped one by its name.
func startRun(t *testing.T, scenario string, flags ...string) *running {
	t.Helper()
	r := &running{t: t, dir: filepath.Join(t.TempDir(), "run"), tmp: t.TempDir(), ended: make(chan struct{})}
	// Children of Apache are no root, and have to find their directories: both levels of
	// the test's own.
	for _, dir := range []string{filepath.Dir(r.tmp), r.tmp} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	r.cmd = exec.Command(binary, append([]string{"run", scenario, "--out", r.dir}, flags...)...)
	r.cmd.Env = append(os.Environ(), "TMPDIR="+r.tmp)
	r.cmd.Stdout, r.cmd.Stderr = &r.output, &r.output
	r.cmd.WaitDelay = 5 * time.Second
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.cmd.Wait(); close(r.ended) }() // the exit code is in ProcessState
	t.Cleanup(func() {
		r.cmd.Process.Kill()
		<-r.ended
		r.nothingLeft()
	})
	return r
}

// exit waits for the end and returns the exit code.
func (r *running) exit(within time.Duration) int {
	r.t.Helper()
	select {
	case <-r.ended:
	case <-time.After(within):
		r.cmd.Process.Signal(syscall.SIGQUIT)
		<-r.ended
		r.t.Fatalf("not ended within %v:\n%s", within, r.output.String())
	}
	return r.cmd.ProcessState.ExitCode()
}

// passed waits for the end and wants exit code 0.
func (r *running) passed(within time.Duration) {
	r.t.Helper()
	r.endsWith(0, within)
}

// endsWith waits for the end and wants an exit code. A machine whose time was
// taken away, or whose clock was set, makes trials invalid and the run end with 4
// or 5: that is what it should do there, is said, and leaves the counts to check.
func (r *running) endsWith(want int, within time.Duration) {
	r.t.Helper()
	code := r.exit(within)
	if code == want {
		return
	}
	if code == 4 || code == 5 {
		for _, trial := range r.records().Trials {
			for _, i := range trial.Invalid {
				if disturbed(i.Reason) {
					r.t.Logf("exit code %d: the machine was not quiet: %s", code, i.Reason)
					return
				}
			}
		}
	}
	r.t.Fatalf("exit code %d, want %d:\n%s", code, want, r.output.String())
}

// disturbed tells a reason that is the machine's, not that of a part of the run.
func disturbed(reason string) bool {
	return strings.HasPrefix(reason, "the hypervisor took") || strings.HasPrefix(reason, "other programs took") || strings.HasPrefix(reason, "the clock stepped")
}

// records opens the run's directory.
func (r *running) records() *results.RunData {
	r.t.Helper()
	data, err := results.Open(r.dir)
	if err != nil {
		r.t.Fatalf("%v\n%s", err, r.output.String())
	}
	return data
}

// child waits for a process of this run whose command line holds word, and
// returns its pid.
func (r *running) child(word string, within time.Duration) int {
	r.t.Helper()
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if list := r.processes(word); len(list) > 0 {
			return list[0]
		}
	}
	r.t.Fatalf("no process %q within %v:\n%s", word, within, r.output.String())
	return 0
}

// processes lists the live processes that this run started: they carry its
// temporary directory in their environment.
func (r *running) processes(word string) []int {
	var out []int
	entries, err := os.ReadDir("/proc")
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range entries {
		pid := atoi(e.Name())
		if pid <= 0 || pid == os.Getpid() {
			continue
		}
		env, err := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		if err != nil || !bytes.Contains(env, []byte("TMPDIR="+r.tmp+"\x00")) {
			continue
		}
		line, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err != nil || len(line) == 0 {
			continue // it has just ended
		}
		if strings.Contains(strings.ReplaceAll(string(line), "\x00", " "), word) {
			out = append(out, pid)
		}
	}
	return out
}

func atoi(s string) int {
	n := 0
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0
		}
		n = 10*n + int(c-'0')
	}
	return n
}

// nothingLeft: within seconds after the end no process of the run lives, and its
// temporary directory is empty.
func (r *running) nothingLeft() {
	r.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		left := r.processes("")
		entries, err := os.ReadDir(r.tmp)
		if err != nil {
			r.t.Fatal(err)
		}
		if len(left) == 0 && len(entries) == 0 {
			return
		}
		if time.Now().After(deadline) {
			r.t.Errorf("left behind: processes %v, files %v in %s", left, entries, r.tmp)
			for _, pid := range left {
				syscall.Kill(pid, syscall.SIGKILL)
			}
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

const small = `
name: small
about: A small load over each kind of target.
targets: [direct, tunnel]
blocks: 1
steps:
  - connect: {connections: 50, rate: 500/s}
  - id: load
    send: {rate: 400/s, size: 128B, for: 1s, warmup: 200ms, arrivals: constant}
  - hold: {for: 200ms}
  - close: {}
expect:
  - "failures == 0"
`

func TestRun(t *testing.T) {
	text := strings.Replace(small, "steps:", "params: {n: 70}\nsteps:", 1)
	text = strings.Replace(text, "connections: 50", "connections: $n", 1)
	r := start(t, text, "--blocks", "2", "--set", "n=50")
	r.passed(time.Minute)
	d := r.records()
	if len(d.Trials) != 4 || d.Run.Status != "complete" || len(d.Problems) != 0 {
		t.Fatalf("%d trials, status %s, problems %v", len(d.Trials), d.Run.Status, d.Problems)
	}
	for _, trial := range d.Trials {
		checkSmall(t, &trial, 50, 400)
		for i, want := range []string{"main", "main", "", ""} { // hold and close are about all groups
			if got := trial.Steps[i].Group; got != want {
				t.Errorf("%s: step %s has group %q, want %q", trial.Target, trial.Steps[i].ID, got, want)
			}
		}
		if got := trial.Resources["target"] == nil; got != (trial.Target == "direct") {
			t.Errorf("%s: resources of the target are null: %v", trial.Target, got)
		}
	}
	for _, name := range []string{"report.html", "scenario.yaml", "intervals.hlog", "samples.csv", "events.jsonl"} {
		if info, err := os.Stat(filepath.Join(r.dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !strings.HasPrefix(string(d.Scenario), "# This was run with: --set n=50 --blocks 2\n\nname: small") || d.Run.Params["n"] != "50" {
		t.Errorf("params %v, and the scenario\n%s", d.Run.Params, d.Scenario)
	}
	if len(d.Run.Verdicts) != 2 {
		t.Errorf("verdicts %+v, want one for each target", d.Run.Verdicts)
	}
}

// checkSmall checks a trial in which nothing may fail.
func checkSmall(t *testing.T, trial *results.Trial, connections, messages int64) {
	t.Helper()
	if trial.Error != "" {
		t.Fatalf("%s: %s", trial.Target, trial.Error)
	}
	if c := trial.Connections; c.Attempted != connections || c.Opened != connections || c.Peak != connections {
		t.Errorf("%s: connections %+v, want %d", trial.Target, c, connections)
	}
	if m := trial.Messages; m.Scheduled != messages || m.Sent != messages || m.Answered != messages || m.Corrupt != 0 {
		t.Errorf("%s: messages %+v, want %d", trial.Target, m, messages)
	}
	if len(trial.Failures) != 0 || trial.Closures["closed_by_us"] != connections || len(trial.Closures) != 1 {
		t.Errorf("%s: failures %v, closures %v", trial.Target, trial.Failures, trial.Closures)
	}
	if trial.ResponseTime == nil || trial.ResponseTime.Count != messages {
		t.Errorf("%s: response time of %+v", trial.Target, trial.ResponseTime)
	}
	// One connection in four has its arrivals stamped by the kernel.
	if lag := trial.ReceiveLag; lag == nil || lag.Count == 0 || lag.Count > messages/2 {
		t.Errorf("%s: receive lag of %+v", trial.Target, lag)
	}
}

// Two agents, and two workers in one, do what one does.
func TestTwoAgents(t *testing.T) {
	for _, layout := range []string{"{count: 2}", "{count: 1, workers: 2}"} {
		r := start(t, small+"agents: "+layout+"\n", "--targets", "tunnel")
		r.passed(time.Minute)
		d := r.records()
		if len(d.Trials) != 1 {
			t.Fatalf("%d trials", len(d.Trials))
		}
		checkSmall(t, &d.Trials[0], 50, 400)
	}
}

// Every end of a tunnel is an event, also of those that no step closes.
func TestEndsAreEvents(t *testing.T) {
	r := start(t, strings.Replace(small, "close: {}", "close: {connections: 20}", 1), "--targets", "tunnel")
	r.passed(time.Minute)
	d := r.records()
	checkSmall(t, &d.Trials[0], 50, 400)
	ends := map[string]int64{}
	for _, e := range d.Events {
		if e.Kind == "closure" {
			ends[e.Step+" "+e.Class] += e.Count
		}
	}
	if len(ends) != 2 || ends["4 closed_by_us"] != 20 || ends[" closed_by_us"] != 30 {
		t.Errorf("%v; want 20 in step 4 and 30 after it", ends)
	}
}

// Several backends share what is opened, whoever dials them.
func TestTwoBackends(t *testing.T) {
	r := start(t, small+"backend: {instances: 2}\n", "--targets", "direct,tunnel")
	r.passed(time.Minute)
	for _, trial := range r.records().Trials {
		checkSmall(t, &trial, 50, 400)
		backend := trial.Resources["backend"]
		if n := backend.ProcessesPeak; n == nil || *n != 2 {
			t.Errorf("%s: %v backend processes, want 2", trial.Target, n)
		}
	}
}

// Event and worker hold one thread a tunnel, prefork one process.
func TestApacheHoldsAThreadATunnel(t *testing.T) {
	needApache(t)
	r := start(t, `
name: mpm
about: What a tunnel holds. Event has some room, since its children may stop accepting a little early.
targets:
  - name: event
    apache: {mpm: event, threads_per_child: 20, max_request_workers: 80}
  - name: worker
    apache: {mpm: worker, threads_per_child: 20, max_request_workers: 60}
  - name: prefork
    apache: {mpm: prefork, max_request_workers: 60}
blocks: 1
steps:
  - connect: {connections: 60, rate: 500/s}
  - id: load
    send: {rate: 400/s, for: 1s, warmup: 200ms, arrivals: constant}
  - id: more
    connect: {connections: 40, rate: 500/s, timeout: 2s, group: more}
  - close: {}
expect: ["load.failures == 0"]
`)
	r.passed(2 * time.Minute)
	for _, trial := range r.records().Trials {
		load := trial.Steps[1]
		if load.Messages.Answered != 400 || load.Messages.Unanswered != 0 {
			t.Errorf("%s: messages %+v, want 400", trial.Target, load.Messages)
		}
		// A tunnel holds a thread, or a process, for its whole life: when the first 60
		// have theirs, only those that are left over can serve more.
		limit := int64(60)
		if trial.Target == "event" {
			limit = 80
		}
		opened, stalled := trial.Connections.Opened, trial.Failures["upgrade_stall"]
		if opened > limit || opened < 60 || opened+stalled != 100 || limit == 60 && opened != 60 {
			t.Errorf("%s: %d opened and %d stalled of 100, with %d workers", trial.Target, opened, stalled, limit)
		}
		target := trial.Resources["target"]
		held := target.ThreadsPeak
		if trial.Target == "prefork" {
			held = target.ProcessesPeak
		}
		if held == nil || int64(*held) < limit || int64(*held) > limit+30 {
			t.Errorf("%s: %d workers with %v threads in %v processes", trial.Target, limit, *target.ThreadsPeak, *target.ProcessesPeak)
		}
		if pss, rss := target.PSSPeakBytes, target.RSSPeakBytes; pss == nil || rss == nil || *pss <= 0 || *pss >= *rss {
			t.Errorf("%s: PSS %v against RSS %v", trial.Target, pss, rss)
		}
	}
}

// The stall test: the backend stands still for a second in the middle of an open
// loop. The schedule is kept through it, and the histogram shows what clients
// would have seen, with no formula.
func TestStall(t *testing.T) {
	r := start(t, `
name: stall
about: A backend that stands still for a second.
targets: [direct]
blocks: 1
steps:
  - connect: {connections: 50, rate: 500/s}
  - id: load
    send: {rate: 500/s, for: 10s, warmup: 500ms, arrivals: constant}
`)
	pid := r.child(" echo ", 10*time.Second)
	r.child(" agent ", 10*time.Second)
	time.Sleep(5 * time.Second) // well inside the window
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	r.passed(time.Minute)
	d := r.records()
	trial := d.Trials[0]
	if m := trial.Messages; m.Sent != 5000 || m.Answered != 5000 {
		t.Fatalf("messages %+v, want all 5000", m)
	}
	// A second of 10 is 10% of the messages, with waits spread over that second:
	// one in a hundred waited for more than 0.9 s.
	if p99 := trial.ResponseTime.P99; p99 == nil || *p99 < 0.75e9 || *p99 > 1.5e9 {
		t.Errorf("response time p99 %v, want about a second", p99)
	}
	if p50 := trial.ResponseTime.P50; p50 == nil || *p50 > 0.1e9 {
		t.Errorf("response time p50 %v: the stall was not the exception", p50)
	}
	// First attempts per second are the counts of send_lag, second by second.
	seconds := 0
	for _, i := range d.Intervals {
		if i.Step != "load" || i.Metric != "send_lag" || i.Seconds < 0.99 {
			continue
		}
		seconds++
		h, err := i.Histogram()
		if err != nil {
			t.Fatal(err)
		}
		// The first second holds the end of the warm-up.
		if n := h.TotalCount(); seconds > 1 && (n < 450 || n > 550) {
			t.Errorf("second %d: %d first attempts, want about 500", seconds, n)
		}
	}
	if seconds < 9 {
		t.Errorf("%d whole seconds in the interval log", seconds)
	}
}

func TestManyConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short")
	}
	r := start(t, `
name: many
about: 5,000 tunnels at once.
targets: [tunnel]
blocks: 1
steps:
  - connect: {connections: 5000, rate: 2000/s}
  - id: load
    send: {rate: 1000/s, for: 2s, warmup: 200ms, arrivals: constant}
  - close: {}
expect: ["failures == 0"]
`)
	r.passed(time.Minute)
	trial := r.records().Trials[0]
	checkSmall(t, &trial, 5000, 2000)
}
