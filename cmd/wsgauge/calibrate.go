package main

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"wsgauge/report/calibration"
	"wsgauge/results"
	"wsgauge/scenarios"
	"wsgauge/targets/tunnel"
)

func newCalibrate(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "calibrate RUN...",
		Short: "Judge whether runs show what the reference tunnel injected",
		Long: `calibrate reads the records of runs whose targets are the reference tunnel without
and with delays (inject), such as those of the shipped scenarios calibrate and
calibrate-half. The shift of the response times at p50, p90, p99 and p99.9 has to be
what was injected: within 5% or 20 µs, the larger, in the median over the blocks. A
delay that is for one path is held against other connections through the same
tunnel, in the same trial; one that is for all of them, against the tunnel without
in the same block. Blocks of several runs are taken together; those that are not
valid are left out.

Exit codes: 0 all of it is; 3 something is not; 4 there are too few observations, or
the blocks differ by so much that nothing can be said.`,
		Example: `  wsgauge run calibrate --out results/calibrate
  wsgauge calibrate results/calibrate`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(_ *cobra.Command, dirs []string) error {
			verdict, err := calibrate(s, dirs)
			switch {
			case err != nil:
				return err
			case verdict == calibration.Outside:
				return &codedError{exitFailed, nil}
			case verdict != calibration.Within:
				return &codedError{exitInconclusive, nil}
			}
			return nil
		},
	}
}

func calibrate(s streams, dirs []string) (calibration.Verdict, error) {
	var runs []*results.RunData
	var infos []results.TargetInfo
	for _, dir := range dirs {
		d, err := results.Open(dir)
		if err != nil {
			return "", err
		}
		for _, p := range d.Problems {
			fmt.Fprintf(s.out, "%s: missing from the records: %s\n", dir, p)
		}
		runs, infos = append(runs, d), append(infos, d.Run.Targets...)
	}
	reference, targets, err := injections(infos, pairs(dirs))
	if err != nil {
		return "", err
	}
	sections, problems := calibration.Run(calibration.Join(runs), reference, targets)
	for _, p := range problems {
		fmt.Fprintln(s.out, "missing from the records: "+p)
	}
	return calibration.Of(sections), calibration.Write(s.out, sections)
}

// pairs finds, by path, what the scenarios of runs let be compared within a target: to
// the step that sends through connections of that path, the one that does not. Only
// scenarios of two such steps say what belongs together; one that cannot be read has
// none.
func pairs(dirs []string) map[string]map[string]string {
	found := map[string]map[string]string{}
	for _, dir := range dirs {
		s, err := scenarios.Load(filepath.Join(dir, "scenario.yaml"), scenarios.Options{})
		if err != nil {
			continue
		}
		paths, sends := map[string]string{}, map[string]string{} // by group; by step
		scenarios.Walk(s.Steps, func(step *scenarios.Step) {
			switch {
			case step.Connect != nil:
				paths[step.Connect.Group] = step.Connect.Path
			case step.Send != nil:
				sends[step.ID] = step.Send.Group
			}
		})
		if len(sends) != 2 {
			continue
		}
		for held, group := range sends {
			for plain, other := range sends {
				if path := paths[group]; path != paths[other] {
					if found[path] == nil {
						found[path] = map[string]string{}
					}
					found[path][held] = plain
				}
			}
		}
	}
	return found
}

// injections finds the tunnel that nothing was injected into, and what was into the
// others: their configuration is the command that started them. A tunnel whose delay is
// for one path is compared with itself, and then one without any delay is too.
func injections(list []results.TargetInfo, pairs map[string]map[string]string) (reference string, targets []calibration.Target, err error) {
	texts := map[string]string{}
	within := map[string]string{}
	for _, info := range list {
		if info.Kind != "tunnel" || info.Config == "" { // it was never started
			continue
		}
		text := ""
		if _, after, found := strings.Cut(info.Config, " --inject "); found {
			text = strings.Fields(after)[0]
		}
		if before, again := texts[info.Name]; again && before != text {
			return "", nil, fmt.Errorf("the target %s is not the same in all runs: %q and %q were injected; judge them one by one", info.Name, before, text)
		} else if again {
			continue
		}
		texts[info.Name] = text
		if text == "" && reference == "" {
			reference = info.Name
			continue
		}
		t := calibration.Target{Name: info.Name, Text: text}
		if text != "" {
			i, err := tunnel.ParseInjection(text)
			if err != nil {
				return "", nil, fmt.Errorf("target %s: %w", info.Name, err)
			}
			t.Injected = calibration.Injected{Delay: float64(i.Delay), Jitter: float64(i.Jitter),
				StallFor: float64(i.StallFor), StallEvery: float64(i.StallEvery)}
			if i.CPU > 0 {
				return "", nil, fmt.Errorf("target %s: %s: what cpu adds to a response time is not known; calibrate with delay, jitter and stall", info.Name, text)
			}
			if i.Path != "" {
				// A stall stops both groups.
				t.StallFor, t.StallEvery = 0, 0
				if t.Plain = pairs[i.Path]; t.Plain == nil {
					return "", nil, fmt.Errorf("target %s: %s is for one path: the scenario needs two steps that send, one of them through connections of that path", info.Name, text)
				}
				maps.Copy(within, t.Plain)
			}
		}
		targets = append(targets, t)
	}
	if len(within) > 0 && reference != "" {
		targets = append([]calibration.Target{{Name: reference, Plain: within}}, targets...)
	}
	if len(targets) == 0 || reference == "" && len(within) == 0 {
		return "", nil, errors.New("there is no tunnel without injection, or no other tunnel to compare with it; run the scenario calibrate")
	}
	return reference, targets, nil
}
