// Package synthetic makes run directories that look like real ones, for tests of
// what reads them. The same options give the same figures every time.
package synthetic

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"wsgauge/results"
)

// Options shape a run.
type Options struct {
	Blocks   int
	Targets  int // the first so many of the known targets; 5 are the quickstart's
	Messages int // a trial, over 3 s; 0 is 9000
	// Eventful runs have more to show: signals, a backend that is killed, failures, plain
	// requests, and the workers of those targets that are Apache.
	Eventful bool
	// Run is called before run.json is written.
	Run func(*results.Run)
	// Trial is called before a trial is written.
	Trial func(*results.Trial)
}

// profile is how a target behaves.
type profile struct {
	name, kind, config     string
	p50Us, spread, tail    float64 // log-normal of the median, and a rare slow one
	cpuUs, pssKiB          float64 // a message, a tunnel
	fds, threads, children float64 // with 300 tunnels
}

var profiles = []profile{
	{"direct", "direct", "", 118, 0.18, 900, 0, 0, 0, 0, 0},
	{"tunnel", "tunnel", "wsgauge tunnel --listen 127.0.1.2:23001 --backend 127.0.1.3:24001", 171, 0.22, 1400, 21, 1.1, 611, 7, 1},
	{"event", "apache", "ServerLimit 8\nThreadsPerChild 64\nMaxRequestWorkers 512\n<Location \"/\">\n  ProxyPass \"ws://127.0.1.3:24001/\"\n</Location>\n", 248, 0.33, 4200, 46, 41, 1790, 538, 9},
	{"worker", "apache", "ServerLimit 8\nThreadsPerChild 64\nMaxRequestWorkers 512\n", 252, 0.34, 4300, 47, 42, 1784, 530, 9},
	{"prefork", "apache", "MaxRequestWorkers 400\n", 301, 0.41, 9800, 58, 212, 4630, 401, 401},
	{"nginx", "nginx", "worker_processes 1;\n", 176, 0.22, 1500, 22, 3.2, 630, 2, 2},
	{"haproxy", "haproxy", "global\n  maxconn 4000\n", 187, 0.22, 1600, 25, 18, 640, 2, 2},
	{"caddy-with-a-longer-name", "caddy", "reverse_proxy 127.0.1.3:24001\n", 402, 0.5, 12000, 97, 74, 655, 14, 1},
}

const connections = 300

// Write makes the run directory.
func Write(dir string, o Options) (err error) {
	if o.Messages == 0 {
		o.Messages = 9000
	}
	d, err := results.Create(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	w := &writer{dir: d, o: o, run: runRecord(o), rng: rand.New(rand.NewPCG(1, 2))}
	if err := d.ScenarioFile([]byte("name: quickstart\nabout: What does each proxy add to a direct connection?\n")); err != nil {
		return err
	}
	at := 2.0
	for block := 1; block <= o.Blocks; block++ {
		for _, i := range w.rng.Perm(o.Targets) {
			w.run.Order[block-1] = append(w.run.Order[block-1], profiles[i].name)
			if at, err = w.trial(block, profiles[i], at); err != nil {
				return err
			}
		}
	}
	w.run.EndedAt = w.run.StartedAt.Add(time.Duration(at * float64(time.Second)))
	if o.Run != nil {
		o.Run(w.run)
	}
	return d.WriteRun(w.run)
}

func runRecord(o Options) *results.Run {
	r := &results.Run{
		Format: results.Format, Scenario: "quickstart", About: "What does each proxy add to a direct connection?",
		Command: []string{"wsgauge", "run", "quickstart"}, StartedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Status: "complete",
		Tool: results.Tool{Version: "0.1.0", Go: "go1.26.0", SHA256: "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"},
		Host: results.Host{Name: "bench", OS: "Debian GNU/Linux 13", Kernel: "6.12.0-1-amd64", Arch: "amd64", CPU: "A Processor", CPUs: 2, MemoryBytes: 24 << 30,
			Sysctls: map[string]string{"net.core.somaxconn": "4096", "net.ipv4.ip_local_port_range": "32768 60999"}},
		Limits:    results.Limits{NofileSoft: 1024, NofileHard: 1048576, Nproc: 96000, PidMax: 4194304},
		Placement: results.Placement{Agents: "0", Backend: "0", Target: "1", Controller: "0", AgentsNice: -10},
		Seed:      1, Agents: 1, Blocks: o.Blocks, Order: make([][]string, o.Blocks), Expect: []string{"failures == 0"},
		Params: map[string]string{"rate": "1000/s", "n": "300"},
	}
	for _, p := range profiles[:o.Targets] {
		info := results.TargetInfo{Name: p.name, Kind: p.kind, Config: p.config}
		if p.kind == "apache" {
			info.Version, info.Path = "Apache/2.4.71 (Debian)", "/usr/sbin/apache2"
			info.SHA256 = "d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35"
		}
		r.Targets = append(r.Targets, info)
	}
	return r
}

type writer struct {
	dir *results.Dir
	o   Options
	run *results.Run
	rng *rand.Rand
}

// trial writes one trial of four steps that begins at second at of the run, and
// returns when the next may begin.
func (w *writer) trial(block int, p profile, at float64) (float64, error) {
	t := &results.Trial{Block: block, Target: p.name, Valid: true, StartedS: at, Log: map[string]int64{}}
	steps := []results.Step{
		{ID: "1", Step: "connect", StartedS: 1, EndedS: 1.4},
		{ID: "load", Step: "send", StartedS: 1.4, EndedS: 4.5},
		{ID: "3", Step: "hold", StartedS: 4.5, EndedS: 5.5},
		{ID: "4", Step: "close", StartedS: 5.5, EndedS: 5.6},
	}
	for i := range steps {
		steps[i].Group, steps[i].Iteration = "main", 1
	}
	steps[0].Connections = results.Connections{Attempted: connections, Opened: connections, Peak: connections}
	steps[3].Closures = map[string]int64{"closed_by_us": connections}
	send := &steps[1]
	send.Messages = results.Messages{Scheduled: int64(w.o.Messages), Sent: int64(w.o.Messages), Answered: int64(w.o.Messages), OnTime: int64(w.o.Messages),
		Received: int64(w.o.Messages), PerSecond: float64(w.o.Messages) / 3, BytesSent: int64(w.o.Messages) * 128, BytesReceived: int64(w.o.Messages) * 128}
	if err := w.latencies(t, send, p, at); err != nil {
		return 0, err
	}
	t.Figures = send.Figures
	for place, us := range map[**results.Quantiles]float64{&t.DialLag: 3, &t.Dial: 90, &t.Upgrade: 3 * p.p50Us} {
		*place = &results.Quantiles{Count: connections, Mean: us * 1e3, P50: new(us * 1e3), P90: new(us * 2e3), Max: us * 4e3}
	}
	t.Connections, t.Closures = steps[0].Connections, steps[3].Closures
	t.Steps = steps
	t.Resources = w.resources(p)
	send.Resources = t.Resources
	if w.o.Eventful {
		if err := w.eventful(t, p, at); err != nil {
			return 0, err
		}
	}
	t.EndedS = at + 6
	if w.o.Trial != nil {
		w.o.Trial(t)
	}
	return at + 7, errors.Join(w.samples(block, p, at), w.events(t), w.dir.AppendTrial(t))
}

// latencies records what the send step saw, second by second.
func (w *writer) latencies(t *results.Trial, send *results.Step, p profile, at float64) error {
	drift := 1 + 0.04*w.rng.NormFloat64()
	metrics := []string{"response_time", "service_time", "send_lag"}
	sums := map[string]*histogram{}
	for _, m := range metrics {
		sums[m] = newHistogram(m)
	}
	for second := range 3 {
		one := map[string]*histogram{}
		for _, m := range metrics {
			one[m] = newHistogram(m)
		}
		for range w.o.Messages / 3 {
			lag := 20e3 * math.Exp(0.4*w.rng.NormFloat64())
			service := p.p50Us * 1e3 * drift * math.Exp(p.spread*w.rng.NormFloat64())
			if w.rng.Float64() < 0.012 {
				service += w.rng.ExpFloat64() * p.tail * 1e3
			}
			one["send_lag"].record(lag)
			one["service_time"].record(service)
			one["response_time"].record(service + lag)
		}
		start := w.run.StartedAt.Add(time.Duration((at + 1.4 + float64(second)) * float64(time.Second)))
		for _, m := range metrics {
			sums[m].h.Merge(one[m].h)
			if err := w.dir.Interval(results.IntervalTag(t.Block, p.name, send.ID, m), start, 1, one[m].h); err != nil {
				return err
			}
		}
	}
	send.ResponseTime = results.Summarise(sums["response_time"].h, 0, 0)
	send.ServiceTime = results.Summarise(sums["service_time"].h, 0, 0)
	send.SendLag = results.Summarise(sums["send_lag"].h, 0, 0)
	return nil
}

func (w *writer) resources(p profile) map[string]*results.Resources {
	noise := 1 + 0.02*w.rng.NormFloat64()
	cpu := p.cpuUs * noise * float64(w.o.Messages) / 1e6
	r := map[string]*results.Resources{
		"backend":    {CPUSeconds: new(0.3 * noise), CPUUsPerMessage: new(12.4 * noise), RSSPeakBytes: new(21e6), FDsPeak: new(312.0), ThreadsPeak: new(6.0), ProcessesPeak: new(1.0)},
		"agents":     {CPUSeconds: new(0.4 * noise), CPUUsPerMessage: new(17.9 * noise), RSSPeakBytes: new(33e6), FDsPeak: new(318.0), ThreadsPeak: new(9.0), ProcessesPeak: new(1.0)},
		"controller": {CPUSeconds: new(0.1)},
	}
	if p.kind == "direct" {
		return r
	}
	r["target"] = &results.Resources{CPUSeconds: new(cpu), CPUUserSeconds: new(cpu * 0.3), CPUSystemSeconds: new(cpu * 0.7), CPUUsPerMessage: new(p.cpuUs * noise),
		RSSPeakBytes: new(3e7 + p.pssKiB*1024*connections*2), PSSPeakBytes: new(9e6 + p.pssKiB*1024*connections), PSSBytesPerTunnel: new(p.pssKiB * 1024 * noise),
		FDsPeak: new(p.fds), ThreadsPeak: new(p.threads), ProcessesPeak: new(p.children)}
	return r
}

// samples writes six seconds of the groups.
func (w *writer) samples(block int, p profile, at float64) error {
	var errs []error
	cpu := 0.0
	for second := range 6 {
		step := []string{"", "load", "load", "load", "3", "4"}[second]
		open := []float64{0, 1, 1, 1, 1, 0}[second]
		if step == "load" {
			cpu += p.cpuUs * float64(w.o.Messages) / 3e6 * (1 + 0.05*w.rng.NormFloat64())
		}
		base := results.Sample{TS: at + float64(second) + 0.5, Block: block, Target: p.name, Step: step}
		if p.kind != "direct" {
			s := base
			s.Group, s.CPUSeconds = "target", new(0.02+cpu)
			s.FDs, s.Threads, s.Processes = new(p.fds*0.05+p.fds*0.95*open), new(p.threads), new(p.children)
			s.RSSBytes = new(3e7 + p.pssKiB*1024*connections*2*open)
			if w.o.Eventful && p.kind == "apache" {
				workers(&s, second)
			}
			if second == 3 {
				s.PSSBytes = new(9e6 + p.pssKiB*1024*connections)
			}
			errs = append(errs, w.dir.AppendSample(s))
		}
		for _, group := range []string{"backend", "agents"} {
			s := base
			s.Group, s.CPUSeconds, s.FDs, s.Threads, s.Processes = group, new(0.1*float64(second)), new(312*open), new(6.0), new(1.0)
			if group == "agents" {
				s.TunnelsOpen, s.MessagesOutstanding = new(connections*open), new(open)
			}
			errs = append(errs, w.dir.AppendSample(s))
		}
		m := base
		m.Group, m.StealSeconds, m.SocketMemoryBytes, m.EphemeralPorts, m.LatenessP99Ns = results.Machine, new(0.0), new(4096*700*open), new(600*open), new(61e3)
		errs = append(errs, w.dir.AppendSample(m))
	}
	return errors.Join(errs...)
}

func (w *writer) events(t *results.Trial) error {
	errs := []error{w.dir.AppendEvent(results.Event{AtS: t.StartedS, Block: t.Block, Target: t.Target, Kind: "trial_start"})}
	for _, s := range t.Steps {
		start := results.Event{AtS: t.StartedS + s.StartedS, Block: t.Block, Target: t.Target, Step: s.ID, Kind: "step_start"}
		end := start
		end.AtS, end.Kind = t.StartedS+s.EndedS, "step_end"
		errs = append(errs, w.dir.AppendEvent(start), w.dir.AppendEvent(end))
	}
	errs = append(errs, w.dir.AppendEvent(results.Event{AtS: t.EndedS, Block: t.Block, Target: t.Target, Kind: "trial_end", Text: t.Error}))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("writing events: %w", err)
	}
	return nil
}
