// Bench prints what the generator and the reference tunnel cost, over real processes
// of bin/wsgauge: memory a connection, CPU and system calls a message. What is
// compared runs alternately in one invocation, in fresh processes each time, and the
// median of the rounds is given, since absolute figures drift from machine to machine
// and from minute to minute.
//
// A figure above its target is printed as it is and fails nothing. What fails is a
// benchmark that did not do what it says: a connection that did not open, a message
// without its answer, a process that died.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// options are what a benchmark may be told.
type options struct {
	executable string
	rounds     int
	window     time.Duration
	out        io.Writer
}

// benchmarks by verb, each with what it prints.
var benchmarks = []struct {
	verb, about string
	run         func(context.Context, *rig) error
}{
	{"memory", "memory and descriptors of an idle connection: agent and tunnel", memory},
	{"engine", "the generator against a bare C client, and how fast it opens connections", engine},
	{"tunnel", "the reference tunnel against nginx and HAProxy", tunnel},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o := options{out: out}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&o.executable, "wsgauge", "bin/wsgauge", "the built `program`")
	flags.IntVar(&o.rounds, "rounds", 5, "alternating rounds; the median is given")
	flags.DurationVar(&o.window, "window", 4*time.Second, "length of one measurement")
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "usage: bench [flags] BENCHMARK")
		for _, b := range benchmarks {
			fmt.Fprintf(flags.Output(), "  %-8s %s\n", b.verb, b.about)
		}
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 || o.rounds < 1 || o.window < time.Second {
		flags.Usage()
		return errors.New("give one benchmark, at least one round and a window of at least a second")
	}
	for _, b := range benchmarks {
		if b.verb != flags.Arg(0) {
			continue
		}
		r, err := newRig(o)
		if err != nil {
			return err
		}
		err = b.run(ctx, r)
		if cause := context.Cause(ctx); err != nil && cause != nil {
			err = cause
		}
		return errors.Join(err, r.close())
	}
	return fmt.Errorf("no benchmark %s; there are: %s", flags.Arg(0), strings.Join(verbs(), ", "))
}

func verbs() (all []string) {
	for _, b := range benchmarks {
		all = append(all, b.verb)
	}
	return all
}
