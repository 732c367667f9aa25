package main

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"wsgauge/results"
)

// The whole way: a known delay is injected, measured and judged. Whether it is
// measured well is no matter of a test beside others; that it is found is.
func TestCalibrate(t *testing.T) {
	r := start(t, `
name: calibration
about: A tunnel and one that is late.
targets:
  - tunnel
  - {name: late, tunnel: {inject: {delay: 50ms}}}
blocks: 3
steps:
  - connect: {connections: 50, rate: 500/s}
  - id: load
    send: {rate: 500/s, for: 1s, warmup: 200ms}
`)
	r.passed(time.Minute)
	cmd := exec.Command(binary, "calibrate", r.dir)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 4 && cmd.ProcessState.ExitCode() != 3 {
		t.Fatalf("%v, want exit code 4 for too few observations, or 3:\n%s", err, out)
	}
	for _, want := range []string{"delay=50ms", "p99.9  too few: 0 of 3 blocks know it, 3 are needed"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("there is no %q in\n%s", want, out)
		}
	}
	for _, trial := range r.records().Trials {
		// The delay is in one direction: once in a response time, and not twice.
		if p50 := trial.ResponseTime.P50; trial.Target == "late" && (p50 == nil || *p50 < 50e6 || *p50 > 100e6) {
			t.Errorf("p50 of block %d is %v with 50 ms injected", trial.Block, p50)
		}
	}
}

func TestInjections(t *testing.T) {
	config := func(name, inject string) results.TargetInfo {
		return results.TargetInfo{Name: name, Kind: "tunnel", Config: "wsgauge tunnel --listen 127.0.0.1:1 --backend 127.0.0.1:2" + inject + "\n"}
	}
	other := results.TargetInfo{Name: "event", Kind: "apache", Config: "x --inject delay=1ms"}
	reference, targets, err := injections([]results.TargetInfo{other, config("late", " --inject delay=1ms,stall=20ms/1s"), config("a", ""), config("b", " --processes 2"),
		config("a", ""), {Name: "never", Kind: "tunnel"}})
	if err != nil || reference != "a" || len(targets) != 2 {
		t.Fatalf("%s, %+v, %v", reference, targets, err)
	}
	if i := targets[0].Injected; i.Delay != 1e6 || i.StallFor != 20e6 || i.StallEvery != 1e9 || targets[1].Text != "" || targets[1].Name != "b" {
		t.Errorf("%+v", targets)
	}
	for what, list := range map[string][]results.TargetInfo{
		"no reference":   {config("late", " --inject delay=1ms")},
		"the other kind": {config("a", ""), other},
		"two of a name":  {config("a", ""), config("b", " --inject delay=1ms"), config("b", " --inject delay=2ms")},
		"unknown fault":  {config("a", ""), config("b", " --inject speed=1ms")},
	} {
		if _, _, err := injections(list); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}
