package results

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// formatVersion is the number at the end of Format.
const formatVersion = 1

// RunData is what a run directory holds, as far as it is whole.
type RunData struct {
	Path      string
	Run       *Run
	Scenario  []byte // the file as it was run
	Trials    []Trial
	Events    []Event
	Samples   []Sample
	Intervals []Interval
	// Problems says, in sentences, what was missing or torn and is left out.
	Problems []string
}

// Interval is one line of intervals.hlog.
type Interval struct {
	Block                int
	Target, Step, Metric string
	Start                time.Time
	Seconds              float64
	payload              string
}

// Histogram decodes the line's histogram, in nanoseconds. It takes some 200 KiB, so
// that it is made anew at each call and not kept.
func (i *Interval) Histogram() (*hdrhistogram.Histogram, error) {
	h, err := hdrhistogram.Decode([]byte(i.payload))
	if err != nil {
		return nil, fmt.Errorf("decoding %s: %w", IntervalTag(i.Block, i.Target, i.Step, i.Metric), err)
	}
	return h, nil
}

// Open reads a run directory: what is whole in it. It fails when the directory is
// not a run or was written in a format that is newer than this package knows.
func Open(dir string) (*RunData, error) {
	d := &RunData{Path: dir}
	p, err := os.ReadFile(filepath.Join(dir, runFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("opening the run %s: there is no %s in it; give a directory that wsgauge run left", dir, runFile)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the run %s: %w", dir, err)
	}
	if d.Run, err = readRun(p); err != nil {
		return nil, fmt.Errorf("opening the run %s: %w", dir, err)
	}
	d.Scenario = d.file(scenarioFile)
	d.readTrials(d.file(trialsFile))
	d.readEvents(d.file(eventsFile))
	d.readSamples(d.file(samplesFile))
	d.readIntervals(d.file(intervalsFile))
	return d, nil
}

// readRun reads run.json. The format is looked at first, since the rest of a newer
// one may mean something else.
func readRun(p []byte) (*Run, error) {
	var head struct {
		Format string `json:"format"`
	}
	if err := json.Unmarshal(p, &head); err != nil {
		return nil, fmt.Errorf("reading %s: %w", runFile, err)
	}
	version, ok := strings.CutPrefix(head.Format, "wsgauge/run/")
	n, err := strconv.Atoi(version)
	switch {
	case !ok || err != nil || n < 1:
		return nil, fmt.Errorf("%s has the format %q, which is none of wsgauge's", runFile, head.Format)
	case n > formatVersion:
		return nil, fmt.Errorf("%s is newer than this wsgauge reads (%s); read it with a newer wsgauge", head.Format, Format)
	}
	r := &Run{}
	if err := json.Unmarshal(p, r); err != nil {
		return nil, fmt.Errorf("reading %s: %w", runFile, err)
	}
	return r, nil
}

func (d *RunData) problem(format string, args ...any) {
	d.Problems = append(d.Problems, fmt.Sprintf(format, args...))
}

// file reads one of the directory's files; one that is missing is a problem, not
// an error: a crash may have come before it.
func (d *RunData) file(name string) []byte {
	p, err := os.ReadFile(filepath.Join(d.Path, name))
	if err != nil {
		d.problem("%s cannot be read: %v", name, errors.Unwrap(err))
		return nil
	}
	return p
}

// lines gives the whole lines of a file to f; a line without its end is torn, and
// dropped, as is one that f cannot read.
func (d *RunData) lines(name string, p []byte, f func(line []byte) error) {
	for n := 1; len(p) > 0; n++ {
		line, rest, whole := bytes.Cut(p, []byte("\n"))
		p = rest
		if !whole {
			d.problem("the last line of %s is torn (%d bytes); it is left out", name, len(line))
			return
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if err := f(line); err != nil {
			d.problem("line %d of %s is not whole and is left out: %v", n, name, err)
		}
	}
}

func (d *RunData) readTrials(p []byte) {
	d.lines(trialsFile, p, func(line []byte) error {
		var t Trial
		if err := json.Unmarshal(line, &t); err != nil {
			return err
		}
		if t.Target == "" {
			return errors.New("it names no target")
		}
		d.Trials = append(d.Trials, t)
		return nil
	})
}

func (d *RunData) readEvents(p []byte) {
	d.lines(eventsFile, p, func(line []byte) error {
		var e Event
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		d.Events = append(d.Events, e)
		return nil
	})
}

func (d *RunData) readSamples(p []byte) {
	var r *sampleReader
	d.lines(samplesFile, p, func(line []byte) error {
		fields, err := csv.NewReader(bytes.NewReader(line)).Read()
		if err != nil {
			return err
		}
		if r == nil {
			r, err = newSampleReader(fields)
			return err
		}
		s, err := r.read(fields)
		if err == nil {
			d.Samples = append(d.Samples, s)
		}
		return err
	})
}

var baseTime = regexp.MustCompile(`^#\[BaseTime: ([0-9.]+) `)

// readIntervals reads the log of HdrHistogram's own format. It keeps the histograms
// encoded: a day has half a million, and decoded each takes 200 KiB.
func (d *RunData) readIntervals(p []byte) {
	var base float64
	d.lines(intervalsFile, p, func(line []byte) error {
		if m := baseTime.FindSubmatch(line); m != nil {
			var err error
			base, err = number(string(m[1]))
			return err
		}
		if line[0] == '#' || line[0] == '"' {
			return nil
		}
		i, err := parseInterval(string(line), base)
		if err == nil {
			d.Intervals = append(d.Intervals, i)
		}
		return err
	})
}

// parseInterval reads Tag=…,start,length,max,histogram.
func parseInterval(line string, base float64) (i Interval, err error) {
	tag, ok := strings.CutPrefix(line, "Tag=")
	f := strings.Split(tag, ",")
	if !ok || len(f) != 5 {
		return i, errors.New("it is not Tag=…, start, length, maximum, histogram")
	}
	if i, err = parseTag(f[0]); err != nil {
		return i, err
	}
	start, err1 := number(f[1])
	i.Seconds, err = number(f[2])
	if err = errors.Join(err1, err); err != nil {
		return i, err
	}
	at := start + base
	if at < 0 || at > 1e11 || i.Seconds < 0 {
		return i, fmt.Errorf("the times %s and %s are impossible", f[1], f[2])
	}
	i.Start = time.UnixMilli(int64(at*1000 + 0.5)).UTC()
	i.payload = strings.TrimRight(f[4], "\r")
	return i, nil
}

// parseTag takes <block>.<target>.<step>.<metric> apart; only the step may hold
// dots itself.
func parseTag(tag string) (i Interval, err error) {
	block, rest, ok1 := strings.Cut(tag, ".")
	target, rest, ok2 := strings.Cut(rest, ".")
	dot := strings.LastIndexByte(rest, '.')
	if i.Block, err = strconv.Atoi(block); err != nil || !ok1 || !ok2 || dot < 0 {
		return i, fmt.Errorf("the tag %q is not <block>.<target>.<step>.<metric>", tag)
	}
	i.Target, i.Step, i.Metric = target, rest[:dot], rest[dot+1:]
	return i, nil
}
