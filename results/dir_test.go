package results

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

func TestCreateRefuses(t *testing.T) {
	full := t.TempDir()
	write(t, filepath.Join(full, "notes.txt"), "mine")
	file := filepath.Join(full, "notes.txt")
	for _, c := range []struct{ dir, want string }{
		{full, "exists and is not empty (it holds notes.txt)"},
		{filepath.Join(file, "run"), "a part of the path is a file"},
	} {
		_, err := Create(c.dir)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.dir) || !strings.Contains(err.Error(), "--out") {
			t.Errorf("Create(%s) = %v, want one that says %q, and what to do", c.dir, err, c.want)
		}
	}
	if p, err := os.ReadFile(file); err != nil || string(p) != "mine" {
		t.Errorf("the user's file is %q, %v", p, err)
	}
	if os.Getuid() == 0 {
		t.Log("not tried as root, who may write anywhere: a directory without permission")
		return
	}
	closed := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(closed, 0o500); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(filepath.Join(closed, "run")); err == nil || !strings.Contains(err.Error(), "you may write to") {
		t.Errorf("a closed directory: %v", err)
	}
}

// Many goroutines at once: every line comes out whole, and once.
func TestAppendsAreWhole(t *testing.T) {
	d, err := Create(filepath.Join(t.TempDir(), "a", "run"))
	if err != nil {
		t.Fatal(err)
	}
	const writers, each = 8, 25
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			h := NewHistogram("dial")
			Record(h, int64(w+1)*1e6)
			for i := range each {
				at := float64(i) / 3
				for _, err := range []error{
					d.AppendTrial(&Trial{Block: w, Target: fmt.Sprint("t", i), Error: strings.Repeat("long ", 2000)}),
					d.AppendEvent(Event{AtS: at, Block: w, Kind: "note", Text: "line\nbreak"}),
					d.AppendSample(Sample{TS: at, Block: w, Target: "t", Step: `with,"quotes"`, Group: "target", CPUSeconds: new(0.1 + 0.2), FDs: new(0.0)}),
					d.Interval(IntervalTag(w, "t", "4.1", "dial"), time.UnixMilli(1767323045123), 0.25, h),
					d.WriteRun(&Run{Scenario: "s", Status: "running"}),
				} {
					if err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := Open(d.Path())
	if err != nil {
		t.Fatal(err)
	}
	if n := writers * each; len(r.Trials) != n || len(r.Events) != n || len(r.Samples) != n || len(r.Intervals) != n {
		t.Fatalf("%d trials, %d events, %d samples, %d intervals; want %d of each", len(r.Trials), len(r.Events), len(r.Samples), len(r.Intervals), n)
	}
	// Nobody called ScenarioFile.
	if len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "scenario.yaml") {
		t.Errorf("problems: %v", r.Problems)
	}
	s := r.Samples[0]
	if s.Step != `with,"quotes"` || *s.CPUSeconds != 0.1+0.2 || s.FDs == nil || *s.FDs != 0 || s.Threads != nil {
		t.Errorf("the sample came back as %+v", s)
	}
	i := r.Intervals[0]
	h, err := i.Histogram()
	if err != nil {
		t.Fatal(err)
	}
	if i.Step != "4.1" || i.Metric != "dial" || i.Seconds != 0.25 || i.Start.UnixMilli() != 1767323045123 || h.TotalCount() != 1 || h.Max()/1e6 != int64(i.Block+1) {
		t.Errorf("the interval came back as %+v, maximum %d", i, h.Max())
	}
	leftovers, err := filepath.Glob(filepath.Join(d.Path(), ".*"))
	if err != nil || len(leftovers) > 0 {
		t.Errorf("left over: %v, %v", leftovers, err)
	}
}

// The log is HdrHistogram's own: its reader takes it, with tag, times and maximum.
func TestIntervalsAreHdrHistograms(t *testing.T) {
	d, err := Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h := NewHistogram("response_time")
	Record(h, 41_200_000)
	h.SetTag("mine")
	at := time.Now().Add(1500 * time.Millisecond).Truncate(time.Millisecond)
	if err := d.Interval("1.event.load.response_time", at, 1, h); err != nil {
		t.Fatal(err)
	}
	if h.Tag() != "mine" {
		t.Error("the histogram's own tag was lost")
	}
	if err := d.Interval("a tag", at, 1, h); err == nil {
		t.Error("a tag with a space was taken")
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	p, err := os.ReadFile(filepath.Join(d.Path(), intervalsFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"#[Histogram log format version 1.3]\n", "#[BaseTime: ", "#[StartTime: ",
		"\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n"} {
		if !bytes.Contains(p, []byte(want)) {
			t.Errorf("there is no %q in\n%s", want, p)
		}
	}
	// Interval_Max is in milliseconds, as HdrHistogram's tools write it for values
	// in nanoseconds.
	if line := string(p[bytes.LastIndex(p[:len(p)-1], []byte("\n"))+1:]); !strings.Contains(line, ",1.000000,41.2") {
		t.Errorf("the line is %q", line)
	}
	r := hdrhistogram.NewHistogramLogReader(bytes.NewReader(p))
	got, err := r.NextIntervalHistogram()
	if err != nil || got == nil {
		t.Fatal(got, err)
	}
	if got.Tag() != "1.event.load.response_time" || got.Max() != h.Max() || got.TotalCount() != 1 {
		t.Errorf("read back: tag %q, max %d, count %d", got.Tag(), got.Max(), got.TotalCount())
	}
	// The reader takes seconds as floating point, which may lose the last millisecond.
	if off := got.StartTimeMs() - at.UnixMilli(); off < -1 || off > 0 {
		t.Errorf("the start is %d ms off", off)
	}
}

func TestLogDir(t *testing.T) {
	d, err := Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	dir, err := d.LogDir(2, "event")
	if err != nil || dir != filepath.Join(d.Path(), "logs", "2-event") {
		t.Fatal(dir, err)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		t.Error(info, err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
