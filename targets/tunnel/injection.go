package tunnel

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"wsgauge/scenarios"
)

// Injection is faults of known size that the tunnel adds, so that what a
// measurement finds can be held against what is there. The zero value adds
// nothing. Bytes on the way from client to backend are held back by Delay and
// Jitter and cost CPU; what a single read brought is a chunk, and usually a message. Of
// one tunnel they keep their order. The way back is left alone.
type Injection struct {
	// Delay holds back each chunk for so long after it was read.
	Delay time.Duration
	// Jitter adds to it a random time, uniform from 0 to Jitter and independent from
	// chunk to chunk, but for one that would overtake another of its tunnel: it
	// leaves with that one.
	Jitter time.Duration
	// StallFor stops the whole process, both directions and new connections, for so
	// long, once every StallEvery, which is longer. Both are set, or none is.
	StallFor   time.Duration
	StallEvery time.Duration
	// CPU takes so much processor time for each chunk from a client, in the loop,
	// so that what comes meanwhile waits.
	CPU time.Duration
	// Path narrows Delay, Jitter and CPU to tunnels whose request asks for this path;
	// empty: all. So a tunnel with the delay and one without can be compared that
	// differ in nothing else.
	Path string
	// LeakFDEvery leaks a descriptor with every so manieth tunnel that opens.
	LeakFDEvery int
	// LeakBytes leaks so much memory with each tunnel that opens, 4 GiB in all at
	// most.
	LeakBytes int
	// Seed of Jitter.
	Seed uint64
}

// maxHold bounds a delay and a stall: a process that is told to end must be able
// to, and nothing is learnt from more.
const maxHold = time.Minute

// check refuses what makes no sense.
func (i Injection) check() error {
	switch {
	case i.Delay < 0 || i.Jitter < 0 || i.StallFor < 0 || i.StallEvery < 0 || i.CPU < 0 || i.LeakFDEvery < 0 || i.LeakBytes < 0:
		return errors.New("inject: a negative value; leave out what is not to be injected")
	case i.Delay > maxHold || i.Jitter > maxHold || i.StallFor > maxHold || i.CPU > time.Second:
		return fmt.Errorf("inject: delay, jitter and stall are at most %v, cpu at most 1s", maxHold)
	case (i.StallFor > 0) != (i.StallEvery > 0):
		return errors.New("inject: a stall needs how long and how often, such as stall=50ms/1s")
	case i.StallFor > 0 && i.StallEvery <= i.StallFor:
		return fmt.Errorf("inject: a stall of %v once every %v never ends", i.StallFor, i.StallEvery)
	case i.Path != "" && i.Delay == 0 && i.Jitter == 0 && i.CPU == 0:
		return errors.New("inject: path narrows delay, jitter and cpu, and there is none of them")
	case i.Path != "" && (i.Path[0] != '/' || strings.ContainsAny(i.Path, "?#, ")):
		return fmt.Errorf("inject: path %q: it begins with / and has no ?, # or comma", i.Path)
	case i.LeakBytes > 1<<30:
		return errors.New("inject: leak_bytes is at most 1 GiB a tunnel")
	}
	return nil
}

// injection is what a scenario asks for.
func injection(i *scenarios.Inject) Injection {
	if i == nil {
		return Injection{}
	}
	return Injection{Delay: i.Delay, Jitter: i.Jitter, StallFor: i.Stall.For, StallEvery: i.Stall.Every,
		CPU: i.CPU, Path: i.Path, LeakFDEvery: i.LeakFDEvery, LeakBytes: i.LeakBytes, Seed: 1}
}

// String writes it as [ParseInjection] reads it: "delay=500µs,stall=50ms/1s";
// empty when nothing is injected.
func (i Injection) String() string {
	var parts []string
	add := func(key, value string) { parts = append(parts, key+"="+value) }
	for _, d := range []struct {
		key   string
		value time.Duration
	}{{"delay", i.Delay}, {"jitter", i.Jitter}, {"cpu", i.CPU}} {
		if d.value > 0 {
			add(d.key, d.value.String())
		}
	}
	if i.Path != "" {
		add("path", i.Path)
	}
	if i.StallFor > 0 {
		add("stall", i.StallFor.String()+"/"+i.StallEvery.String())
	}
	if i.LeakFDEvery > 0 {
		add("leak_fd_every", strconv.Itoa(i.LeakFDEvery))
	}
	if i.LeakBytes > 0 {
		add("leak_bytes", strconv.Itoa(i.LeakBytes))
	}
	if len(parts) > 0 && i.Jitter > 0 && i.Seed != 1 {
		add("seed", strconv.FormatUint(i.Seed, 10))
	}
	return strings.Join(parts, ",")
}

// ParseInjection reads what [Injection.String] writes: keys with values, between
// commas. leak_bytes is a number of bytes, seed is 1 unless it is given.
func ParseInjection(text string) (Injection, error) {
	i := Injection{Seed: 1}
	seen := map[string]bool{}
	for part := range strings.SplitSeq(text, ",") {
		key, value, found := strings.Cut(strings.TrimSpace(part), "=")
		if !found {
			return Injection{}, fmt.Errorf("inject: %q is no KEY=VALUE, such as delay=500us", part)
		}
		if seen[key] {
			return Injection{}, fmt.Errorf("inject: %s is given twice", key)
		}
		seen[key] = true
		if err := i.set(key, value); err != nil {
			return Injection{}, fmt.Errorf("inject: %s=%s: %w", key, value, err)
		}
	}
	return i, i.check()
}

func (i *Injection) set(key, value string) (err error) {
	switch key {
	case "delay":
		i.Delay, err = time.ParseDuration(value)
	case "jitter":
		i.Jitter, err = time.ParseDuration(value)
	case "cpu":
		i.CPU, err = time.ParseDuration(value)
	case "path":
		i.Path = value
	case "stall":
		length, period, found := strings.Cut(value, "/")
		if !found {
			return errors.New("want how long and how often, such as 50ms/1s")
		}
		if i.StallFor, err = time.ParseDuration(length); err == nil {
			i.StallEvery, err = time.ParseDuration(period)
		}
	case "leak_fd_every":
		i.LeakFDEvery, err = strconv.Atoi(value)
	case "leak_bytes":
		i.LeakBytes, err = strconv.Atoi(value)
	case "seed":
		i.Seed, err = strconv.ParseUint(value, 10, 64)
	default:
		return errors.New("the keys are delay, jitter, stall, cpu, path, leak_fd_every, leak_bytes and seed")
	}
	return err
}

// Lateness is how much longer than asked for chunks were held back: what the
// injection itself is worth as a standard.
type Lateness struct {
	Chunks   int64
	P50, P99 time.Duration // at most so much; twice too much at worst
	Max      time.Duration
}

// lateness counts by powers of two of a nanosecond.
type lateness struct {
	counts [64]int64
	max    int64
}

func (l *lateness) add(ns int64) {
	l.counts[bits.Len64(uint64(max(ns, 0)))]++
	l.max = max(l.max, ns)
}

func (l *lateness) summary() Lateness {
	s := Lateness{Max: time.Duration(l.max)}
	for _, n := range l.counts {
		s.Chunks += n
	}
	quantile := func(share float64) time.Duration {
		left := int64(share * float64(s.Chunks))
		for power, n := range l.counts {
			if left -= n; left < 0 {
				return time.Duration(min(int64(1)<<power, l.max))
			}
		}
		return s.Max
	}
	s.P50, s.P99 = quantile(0.5), quantile(0.99)
	return s
}

// Lateness tells how well the delays were kept; to be called after [Server.Serve].
func (s *Server) Lateness() Lateness {
	if s.injector == nil {
		return Lateness{}
	}
	return s.injector.late.summary()
}
