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
		config("a", ""), {Name: "never", Kind: "tunnel"}}, nil)
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
		"no such path":   {config("a", ""), config("b", " --inject delay=1ms,path=/held")},
	} {
		if _, _, err := injections(list, nil); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

// A delay for one path is judged within the target, and so is the tunnel without it.
func TestCalibrateWithinATarget(t *testing.T) {
	r := start(t, `
name: paired
about: Two groups of connections through one tunnel.
targets:
  - tunnel
  - {name: late, tunnel: {inject: {delay: 50ms, path: /held}}}
blocks: 1
steps:
  - connect: {connections: 50, rate: 500/s, group: plain}
  - connect: {connections: 50, rate: 500/s, group: held, path: /held}
  - repeat:
      times: 2
      steps:
        - {id: plain, send: {group: plain, rate: 500/s, for: 500ms, warmup: 100ms}}
        - {id: held, send: {group: held, rate: 500/s, for: 500ms, warmup: 100ms}}
`)
	r.passed(time.Minute)
	out, err := exec.Command(binary, "calibrate", r.dir).CombinedOutput()
	if err == nil {
		t.Fatalf("p99.9 was judged by 500 messages:\n%s", out)
	}
	for _, want := range []string{"messages a second, against step plain of the same target", "nothing (tunnel)", "delay=50ms,path=/held"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("there is no %q in\n%s", want, out)
		}
	}
	if strings.Contains(string(out), "step plain,") {
		t.Errorf("what is not delayed was judged:\n%s", out)
	}
	for _, trial := range r.records().Trials {
		for _, s := range trial.Steps {
			held := s.ID == "held" && trial.Target == "late"
			if p50 := s.ResponseTime; s.Step == "send" && (p50 == nil || p50.P50 == nil || *p50.P50 >= 50e6 != held) {
				t.Errorf("%s, block %d, step %s: p50 %+v", trial.Target, trial.Block, s.ID, p50)
			}
		}
	}
}
