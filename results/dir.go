package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The files of a run directory.
const (
	runFile       = "run.json"
	scenarioFile  = "scenario.yaml"
	trialsFile    = "trials.jsonl"
	intervalsFile = "intervals.hlog"
	samplesFile   = "samples.csv"
	eventsFile    = "events.jsonl"
	logsDir       = "logs"
)

// Dir is a run directory that is being written. Its files only ever grow, but for
// run.json, which is replaced as a whole; each line is handed to the kernel in one
// write, so that a crash of the writer tears at most the last one. All methods may
// be called from several goroutines.
type Dir struct {
	path string

	mu                      sync.Mutex
	trials, events, samples *os.File
	intervals               *os.File
	hlog                    *hdrhistogram.HistogramLogWriter
	runMu                   sync.Mutex // run.json is replaced by one writer at a time
}

// Create makes the run directory with its empty files. A directory that exists
// has to be empty: records of two runs never mix.
func Create(dir string) (*Dir, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, unwritable(dir, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, unwritable(dir, err)
	}
	if len(entries) > 0 {
		return nil, fmt.Errorf("creating the run directory %s: it exists and is not empty (it holds %s); give another with --out, or remove it",
			dir, entries[0].Name())
	}
	d := &Dir{path: dir}
	for name, f := range map[string]**os.File{trialsFile: &d.trials, eventsFile: &d.events, samplesFile: &d.samples, intervalsFile: &d.intervals} {
		if *f, err = os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o644); err != nil {
			return nil, errors.Join(unwritable(dir, err), d.Close())
		}
	}
	if err := d.heads(time.Now()); err != nil {
		return nil, errors.Join(unwritable(dir, err), d.Close())
	}
	return d, nil
}

// heads writes what the files begin with. The base time of the intervals is a whole
// second, since the log's format has no finer one.
func (d *Dir) heads(now time.Time) error {
	if _, err := d.samples.Write(sampleHeader()); err != nil {
		return err
	}
	base := now.Unix() * 1000
	var head bytes.Buffer
	w := hdrhistogram.NewHistogramLogWriter(&head)
	if err := errors.Join(w.OutputComment("[Logged by wsgauge: values in nanoseconds, Interval_Max in milliseconds]"),
		w.OutputLogFormatVersion(), w.OutputStartTime(base), w.OutputBaseTime(base), w.OutputLegend()); err != nil {
		return err
	}
	if _, err := d.intervals.Write(head.Bytes()); err != nil {
		return err
	}
	d.hlog = hdrhistogram.NewHistogramLogWriter(d.intervals)
	d.hlog.SetBaseTime(base)
	return nil
}

// unwritable explains why a run directory cannot be made, and what to do.
func unwritable(dir string, err error) error {
	what := "creating the run directory " + dir
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: %w; give a directory you may write to with --out", what, err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%s: %w; give one on a writable file system with --out", what, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%s: %w; free some space, or give another place with --out", what, err)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%s: %w; a part of the path is a file: give another with --out", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// Path returns the directory's path.
func (d *Dir) Path() string { return d.path }

// Close closes the files. Nothing may be appended afterwards; run.json can still
// be written.
func (d *Dir) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for _, f := range []*os.File{d.trials, d.events, d.samples, d.intervals} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// WriteRun replaces run.json as a whole: a reader sees the old one or the new one.
func (d *Dir) WriteRun(r *Run) error {
	d.runMu.Lock()
	defer d.runMu.Unlock()
	return WriteRun(d.path, r)
}

// WriteRun replaces run.json of a run directory, as a whole. An empty Format is
// written as the current one.
func WriteRun(dir string, r *Run) error {
	p, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", runFile, err)
	}
	if err := replace(filepath.Join(dir, runFile), append(p, '\n')); err != nil {
		return fmt.Errorf("writing %s: %w", runFile, err)
	}
	return nil
}

// replace writes a file beside the old one and puts it in its place.
func replace(path string, p []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(p)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		// Without it a crash of the machine may leave the new name on an empty file.
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// AppendTrial adds a line to trials.jsonl.
func (d *Dir) AppendTrial(t *Trial) error { return d.appendJSON(trialsFile, d.trials, t) }

// AppendEvent adds a line to events.jsonl.
func (d *Dir) AppendEvent(e Event) error { return d.appendJSON(eventsFile, d.events, e) }

func (d *Dir) appendJSON(name string, f *os.File, v any) error {
	p, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("adding to %s: %w", name, err)
	}
	return d.append(name, f, append(p, '\n'))
}

// AppendSample adds a row to samples.csv.
func (d *Dir) AppendSample(s Sample) error {
	p, err := s.row()
	if err != nil {
		return fmt.Errorf("adding to %s: %w", samplesFile, err)
	}
	return d.append(samplesFile, d.samples, p)
}

func (d *Dir) append(name string, f *os.File, line []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := f.Write(line); err != nil {
		return fmt.Errorf("adding to %s: %w", name, err)
	}
	return nil
}

// IntervalTag is the tag of a line of intervals.hlog.
func IntervalTag(block int, target, step, metric string) string {
	return strconv.Itoa(block) + "." + target + "." + step + "." + metric
}

// Interval adds a line to intervals.hlog: what h recorded from start on for so
// many seconds. The log keeps times to a millisecond. The tag is made by
// [IntervalTag]; h keeps its own tag and times.
func (d *Dir) Interval(tag string, start time.Time, seconds float64, h *hdrhistogram.Histogram) error {
	if tag == "" || strings.ContainsFunc(tag, func(r rune) bool { return r <= ' ' || r == ',' || r == 0x7f }) {
		return fmt.Errorf("adding to %s: a tag must be a word without commas, not %q", intervalsFile, tag)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	oldTag, oldStart, oldEnd := h.Tag(), h.StartTimeMs(), h.EndTimeMs()
	h.SetTag(tag)
	h.SetStartTimeMs(start.UnixMilli())
	h.SetEndTimeMs(start.UnixMilli() + int64(seconds*1000+0.5))
	err := d.hlog.OutputIntervalHistogram(h)
	h.SetTag(oldTag)
	h.SetStartTimeMs(oldStart)
	h.SetEndTimeMs(oldEnd)
	if err != nil {
		return fmt.Errorf("adding to %s: %w", intervalsFile, err)
	}
	return nil
}

// ScenarioFile keeps the scenario as it was run.
func (d *Dir) ScenarioFile(src []byte) error {
	if err := replace(filepath.Join(d.path, scenarioFile), src); err != nil {
		return fmt.Errorf("writing %s: %w", scenarioFile, err)
	}
	return nil
}

// LogDir makes and returns the place of a trial's generated configuration and
// logs: logs/<block>-<target>.
func (d *Dir) LogDir(block int, target string) (string, error) {
	dir := filepath.Join(d.path, logsDir, fmt.Sprintf("%d-%s", block, target))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("making the place of a trial's logs: %w", err)
	}
	return dir, nil
}
