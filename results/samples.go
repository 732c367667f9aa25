package results

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Sample is a row of samples.csv: one second of one group of processes, or of the
// machine. What was not measured is nil, and an empty cell in the file. Counters
// (CPU, steal, the sample's cost, scrapes missed) only grow within a trial, and differences of them
// count; the rest is as seen at the moment.
type Sample struct {
	TS     float64 // seconds after the run's start
	Block  int
	Target string
	Step   string // the step that ran; empty between steps
	Group  string // target, backend, agents, controller, machine, or a part of one of them

	CPUSeconds       *float64 // user and system, children that ended included
	CPUUserSeconds   *float64
	CPUSystemSeconds *float64
	RSSBytes         *float64
	PSSBytes         *float64
	FDs              *float64
	Threads          *float64
	Processes        *float64

	// Sockets by state; front is the leg from the agents to the target, back the
	// one from the target to the backend.
	FrontEstablished, FrontTimeWait, FrontCloseWait, FrontFinWait *float64
	BackEstablished, BackTimeWait, BackCloseWait, BackFinWait     *float64

	// What the target says of its own workers (Apache's scoreboard), a second ago at most.
	// Closing are connections as well that wait for their clients to end without a worker;
	// graceful belong to a generation that is to end; free are places without a process.
	WorkersBusy, WorkersIdle, WorkersClosing, WorkersGraceful, SlotsFree *float64
	// ScrapesMissed counts the questions that the target did not answer in time.
	ScrapesMissed *float64

	MessagesOutstanding *float64 // sent and not answered yet
	TunnelsOpen         *float64

	StealSeconds      *float64 // CPU time that the hypervisor gave to others
	SocketMemoryBytes *float64 // the kernel's, for all TCP sockets
	EphemeralPorts    *float64 // in use
	LatenessP99Ns     *float64 // of an idle thread that wanted to wake up
	LatenessMaxNs     *float64
	SampleCostSeconds *float64 // CPU time that taking this sample took
}

// BackendInstance begins the group of one of several backends ("backend1"), of which
// only the connections to it are counted; GenerationOf that of the processes which a target
// began between two reloads ("target_g0" before the first), which are among "target", too.
const (
	BackendInstance = "backend"
	GenerationOf    = "target_g"
)

// Machine is the group of what belongs to no process: steal, sockets of the kernel.
const Machine = "machine"

// sampleKeys name the first columns, which every row fills.
var sampleKeys = []string{"t_s", "block", "target", "step", "group"}

// sampleColumns are the measured columns, one table for writing and reading.
var sampleColumns = []struct {
	name string
	of   func(*Sample) **float64
}{
	{"cpu_seconds", func(s *Sample) **float64 { return &s.CPUSeconds }},
	{"cpu_user_seconds", func(s *Sample) **float64 { return &s.CPUUserSeconds }},
	{"cpu_system_seconds", func(s *Sample) **float64 { return &s.CPUSystemSeconds }},
	{"rss_bytes", func(s *Sample) **float64 { return &s.RSSBytes }},
	{"pss_bytes", func(s *Sample) **float64 { return &s.PSSBytes }},
	{"fds", func(s *Sample) **float64 { return &s.FDs }},
	{"threads", func(s *Sample) **float64 { return &s.Threads }},
	{"processes", func(s *Sample) **float64 { return &s.Processes }},
	{"front_established", func(s *Sample) **float64 { return &s.FrontEstablished }},
	{"front_time_wait", func(s *Sample) **float64 { return &s.FrontTimeWait }},
	{"front_close_wait", func(s *Sample) **float64 { return &s.FrontCloseWait }},
	{"front_fin_wait", func(s *Sample) **float64 { return &s.FrontFinWait }},
	{"back_established", func(s *Sample) **float64 { return &s.BackEstablished }},
	{"back_time_wait", func(s *Sample) **float64 { return &s.BackTimeWait }},
	{"back_close_wait", func(s *Sample) **float64 { return &s.BackCloseWait }},
	{"back_fin_wait", func(s *Sample) **float64 { return &s.BackFinWait }},
	{"workers_busy", func(s *Sample) **float64 { return &s.WorkersBusy }},
	{"workers_idle", func(s *Sample) **float64 { return &s.WorkersIdle }},
	{"workers_closing", func(s *Sample) **float64 { return &s.WorkersClosing }},
	{"workers_graceful", func(s *Sample) **float64 { return &s.WorkersGraceful }},
	{"slots_free", func(s *Sample) **float64 { return &s.SlotsFree }},
	{"scrapes_missed", func(s *Sample) **float64 { return &s.ScrapesMissed }},
	{"messages_outstanding", func(s *Sample) **float64 { return &s.MessagesOutstanding }},
	{"tunnels_open", func(s *Sample) **float64 { return &s.TunnelsOpen }},
	{"steal_seconds", func(s *Sample) **float64 { return &s.StealSeconds }},
	{"socket_memory_bytes", func(s *Sample) **float64 { return &s.SocketMemoryBytes }},
	{"ephemeral_ports", func(s *Sample) **float64 { return &s.EphemeralPorts }},
	{"lateness_p99_ns", func(s *Sample) **float64 { return &s.LatenessP99Ns }},
	{"lateness_max_ns", func(s *Sample) **float64 { return &s.LatenessMaxNs }},
	{"sample_cost_seconds", func(s *Sample) **float64 { return &s.SampleCostSeconds }},
}

func sampleHeader() []byte {
	names := append([]string{}, sampleKeys...)
	for _, c := range sampleColumns {
		names = append(names, c.name)
	}
	return []byte(strings.Join(names, ",") + "\n")
}

// row is the sample as a line of the file.
func (s *Sample) row() ([]byte, error) {
	for _, word := range []string{s.Target, s.Step, s.Group} {
		// A quoted line break would let a torn row swallow the ones after it.
		if strings.ContainsAny(word, "\r\n") {
			return nil, fmt.Errorf("%q holds a line break", word)
		}
	}
	fields := []string{cell(&s.TS), strconv.Itoa(s.Block), s.Target, s.Step, s.Group}
	for _, c := range sampleColumns {
		fields = append(fields, cell(*c.of(s)))
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if err := w.Write(fields); err != nil {
		return nil, err
	}
	w.Flush()
	return b.Bytes(), w.Error()
}

// cell is a number as briefly as it can be read back exactly; what was not
// measured, or is no number, is empty.
func cell(v *float64) string {
	if v == nil || math.IsNaN(*v) || math.IsInf(*v, 0) {
		return ""
	}
	return strconv.FormatFloat(*v, 'f', -1, 64)
}

// sampleReader maps the columns of a file, which may have been written by another
// version, to fields.
type sampleReader struct{ column []string }

func newSampleReader(header []string) (*sampleReader, error) {
	have := map[string]bool{}
	for _, name := range header {
		have[name] = true
	}
	for _, name := range sampleKeys {
		if !have[name] {
			return nil, fmt.Errorf("there is no column %q", name)
		}
	}
	return &sampleReader{column: header}, nil
}

// read takes one row. Columns it does not know are passed over.
func (r *sampleReader) read(fields []string) (s Sample, err error) {
	if len(fields) != len(r.column) {
		return s, fmt.Errorf("%d cells, not %d", len(fields), len(r.column))
	}
	for i, name := range r.column {
		if err := s.set(name, fields[i]); err != nil {
			return s, fmt.Errorf("%s: %w", name, err)
		}
	}
	return s, nil
}

func (s *Sample) set(name, text string) (err error) {
	switch name {
	case "t_s":
		s.TS, err = number(text)
		return err
	case "block":
		s.Block, err = strconv.Atoi(text)
		return err
	case "target":
		s.Target = text
	case "step":
		s.Step = text
	case "group":
		s.Group = text
	}
	if text == "" {
		return nil
	}
	for _, c := range sampleColumns {
		if c.name == name {
			v, err := number(text)
			if err != nil {
				return err
			}
			*c.of(s) = &v
		}
	}
	return nil
}

func number(text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err == nil && (math.IsNaN(v) || math.IsInf(v, 0)) {
		return 0, fmt.Errorf("%q is no number", text)
	}
	return v, err
}
