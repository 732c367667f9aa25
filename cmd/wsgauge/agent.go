package main

import (
	"context"
	"errors"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"wsgauge/internal/bus"
	"wsgauge/internal/runner"
	"wsgauge/loadgen"
)

func newAgent() *cobra.Command {
	var url, trial string
	var index int
	c := &cobra.Command{
		Use:   "agent --nats URL --trial NAME --index N",
		Short: "Generate load for a controller (started by `run`)",
		Long: `agent is one load generator of a run. It joins the bus, takes its share of the plan
from the controller, and reports once a second. The URL, which holds a credential,
may come from the environment variable ` + runner.EnvNATS + ` instead.`,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if url == "" {
				url = os.Getenv(runner.EnvNATS)
			}
			if url == "" || trial == "" || index < 0 {
				return usage(errors.New("agent needs --nats URL (or " + runner.EnvNATS + "), --trial and --index"))
			}
			return serveAgent(c.Context(), url, trial, index)
		},
	}
	c.Flags().StringVar(&url, "nats", "", "URL of the bus")
	c.Flags().StringVar(&trial, "trial", "", "name of the trial on the bus")
	c.Flags().IntVar(&index, "index", -1, "number of this agent")
	return c
}

func serveAgent(ctx context.Context, url, trial string, index int) error {
	// Collections are rare, since almost nothing is allocated once connections are
	// open.
	debug.SetGCPercent(400)
	conn, err := bus.Connect(url, "wsgauge agent")
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-conn.Closed():
			cancel(errors.New("the controller has gone"))
		case <-ctx.Done():
		}
	}()
	commands := make(chan loadgen.Command, 16)
	stop, err := bus.Receive(conn, runner.CommandSubject(trial, index), func(c loadgen.Command) {
		select {
		case commands <- c:
		case <-ctx.Done():
		}
	}, cancel)
	if err != nil {
		return err
	}
	defer stop()
	agent := loadgen.Agent{Send: func(m loadgen.Message) error {
		m.Agent = index
		return conn.Send(runner.ReportSubject(trial), m)
	}}
	if err := agent.Send(loadgen.Message{Hello: true}); err != nil {
		return err
	}
	err = agent.Run(ctx, commands)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
