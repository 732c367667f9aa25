// Command wsgauge measures WebSocket proxies. See wsgauge --help.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Exit codes; others rely on them (docs/commands.md).
const (
	exitOK           = 0
	exitError        = 1
	exitUsage        = 2 // usage, or an invalid scenario
	exitFailed       = 3 // an expectation or a gate failed
	exitInconclusive = 4 // or an expectation's figure was invalid in every trial of one target
	exitNoTrial      = 5 // no valid trial at all
	exitInterrupted  = 130
)

// codedError is an error that wants a certain exit code.
type codedError struct {
	code int
	err  error // nil: nothing to print, the output has said it
}

func (e *codedError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *codedError) Unwrap() error { return e.err }

func usage(err error) error { return &codedError{exitUsage, err} }

func main() { os.Exit(run()) }

func run() int {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // else it was started by nohup, to outlive its terminal
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	defer stop()
	go func() {
		<-ctx.Done()
		stop() // a second signal ends the process at once; its guard cleans up
	}()
	root := newRoot(streams{os.Stdin, os.Stdout, os.Stderr})
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var coded *codedError
	if !errors.As(err, &coded) {
		coded = &codedError{exitError, err}
	}
	if coded.err != nil {
		fmt.Fprintln(os.Stderr, "wsgauge:", coded.err)
	}
	return coded.code
}
