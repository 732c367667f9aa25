package main

import (
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set when a release is built.
var version = ""

// streams are the command's standard files, so that tests can give others.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func newRoot(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "wsgauge",
		Short: "Benchmark and soak-test WebSocket proxies",
		Long: `wsgauge measures WebSocket proxies: how many tunnels and messages a configuration
carries, what each costs in latency, CPU, memory and descriptors, and what happens
at its limits. A scenario file names the targets and the steps; wsgauge starts
everything, drives the load, and leaves records and a report.

  wsgauge run quickstart       compare a direct connection, the reference tunnel and Apache
  wsgauge scenarios            what is shipped
  wsgauge claims               measure what guides claim
  wsgauge targets              what is installed here`,
		Version:       versionText(),
		Args:          args(cobra.NoArgs), // what is left over is no command
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usage(err) })
	root.AddCommand(newRun(s), newCheck(s), newReport(s), newCalibrate(s), newClaims(s), newScenarios(s), newTargets(s),
		newEcho(s), newTunnel(s), newAgent(), newGuard(s), newLaunch())
	return root
}

func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				return "devel-" + s.Value[:12]
			}
		}
	}
	return "devel"
}

// args makes cobra's argument errors usage errors.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, a []string) error {
		if err := check(c, a); err != nil {
			return usage(err)
		}
		return nil
	}
}
