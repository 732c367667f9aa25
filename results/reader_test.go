package results

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// testdata/run-1 was written by the first version of the format and stays as it is.
func TestOldFormat1(t *testing.T) {
	d, err := Open("testdata/run-1")
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Problems) > 0 {
		t.Errorf("problems: %v", d.Problems)
	}
	if d.Run.Scenario != "quickstart" || len(d.Scenario) == 0 || len(d.Trials) != 3 || len(d.Samples) != 66 || len(d.Events) != 30 || len(d.Intervals) != 27 {
		t.Errorf("%q: %d trials, %d samples, %d events, %d intervals", d.Run.Scenario, len(d.Trials), len(d.Samples), len(d.Events), len(d.Intervals))
	}
	for _, trial := range d.Trials {
		var n int64
		for _, i := range d.Intervals {
			if i.Target == trial.Target && i.Metric == "response_time" && i.Step == "load" && i.Block == 1 {
				h, err := i.Histogram()
				if err != nil {
					t.Fatal(err)
				}
				n += h.TotalCount()
			}
		}
		if n != trial.ResponseTime.Count || n != 3000 {
			t.Errorf("%s: %d values in the intervals, %d in the trial, 3000 written", trial.Target, n, trial.ResponseTime.Count)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, c := range []struct{ run, want string }{
		{"", "there is no run.json in it"},
		{`{"format":"wsgauge/run/2"}`, "wsgauge/run/2 is newer than this wsgauge reads (wsgauge/run/1)"},
		{`{"format":"wsgauge/run/20","seed":"words now"}`, "wsgauge/run/20 is newer"},
		{`{"format":"other/1"}`, `"other/1", which is none of wsgauge's`},
		{`{"format":"wsgauge/run/0"}`, "which is none of wsgauge's"},
		{`{}`, `the format ""`},
		{`{"format":`, "reading run.json"},
	} {
		dir := t.TempDir()
		if c.run != "" {
			write(t, filepath.Join(dir, runFile), c.run)
		}
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%q: %v, want one that says %q", c.run, err, c.want)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "no run.json") {
		t.Errorf("a directory that is not there: %v", err)
	}
}

// A crash may tear the last line of every file at any byte: all before it is read.
func TestTornFiles(t *testing.T) {
	for _, c := range []struct {
		file  string
		count func(*RunData) int
	}{
		{trialsFile, func(d *RunData) int { return len(d.Trials) }},
		{eventsFile, func(d *RunData) int { return len(d.Events) }},
		{samplesFile, func(d *RunData) int { return len(d.Samples) }},
		{intervalsFile, func(d *RunData) int { return len(d.Intervals) }},
	} {
		dir := copyRun(t)
		path := filepath.Join(dir, c.file)
		p, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		whole, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		last := bytes.LastIndexByte(p[:len(p)-1], '\n') + 1
		for _, cut := range []int{last + 1, (last + len(p)) / 2, len(p) - 1} {
			write(t, path, string(p[:cut]))
			d, err := Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			if c.count(d) != c.count(whole)-1 || len(d.Problems) != 1 || !strings.Contains(d.Problems[0], "the last line of "+c.file+" is torn") {
				t.Errorf("%s cut at %d of %d: %d of %d, problems %v", c.file, cut, len(p), c.count(d), c.count(whole), d.Problems)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if d, err := Open(dir); err != nil || len(d.Problems) != 1 || !strings.Contains(d.Problems[0], c.file+" cannot be read") {
			t.Errorf("without %s: %v", c.file, err)
		}
	}
}

// What a later version adds is passed over.
func TestUnknownFields(t *testing.T) {
	dir := copyRun(t)
	for file, change := range map[string]func([]byte) []byte{
		runFile: func(p []byte) []byte { return bytes.Replace(p, []byte(`{`), []byte(`{"weather":"fine",`), 1) },
		trialsFile: func(p []byte) []byte {
			return bytes.ReplaceAll(p, []byte(`{"block"`), []byte(`{"moon":[1,{}],"block"`))
		},
		samplesFile: func(p []byte) []byte { return bytes.ReplaceAll(p, []byte("\n"), []byte(",x\n")) },
	} {
		path := filepath.Join(dir, file)
		p, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		write(t, path, string(change(p)))
	}
	d, err := Open(dir)
	if err != nil || len(d.Problems) > 0 || len(d.Trials) != 3 || len(d.Samples) != 66 {
		t.Errorf("%v; problems %v", err, d.Problems)
	}
}

func copyRun(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	if err := os.CopyFS(dir, os.DirFS("testdata/run-1")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Whatever the bytes, reading neither fails nor panics, and what was read can be
// written and read again.
func FuzzTrials(f *testing.F) {
	p, err := os.ReadFile("testdata/run-1/trials.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(p[:bytes.IndexByte(p, '\n')+1])
	f.Add([]byte("{\"target\":\"a\",\"steps\":[{}],\"resources\":{\"target\":null}}\n\n{\"target\":1}\nnull\n[]\n{\"target\":\"b\"}"))
	f.Fuzz(func(t *testing.T, p []byte) {
		d := &RunData{Run: &Run{}}
		d.readTrials(p)
		for i := range d.Trials {
			trial := &d.Trials[i]
			for _, name := range []string{"failures", "response_time.p99", "resources.target.fds_peak", "log.x", "http.response_time.p50"} {
				trial.Figure("", name)
				trial.Figure("load", name)
				trial.Spoiled("load", name)
				trial.Censored("", name)
			}
			line, err := json.Marshal(trial)
			if err != nil {
				t.Fatalf("%v: %+v", err, trial)
			}
			again := &RunData{}
			again.readTrials(append(line, '\n'))
			if len(again.Trials) != 1 {
				t.Fatalf("it is not read again: %v\n%s", again.Problems, line)
			}
		}
	})
}

func FuzzSamples(f *testing.F) {
	f.Add([]byte("t_s,block,target,step,group,fds\n1,1,a,b,target,5\n2,1,a,\"b\n"))
	f.Add(append(sampleHeader(), "1,2,3\n"...))
	f.Fuzz(func(t *testing.T, p []byte) {
		d := &RunData{}
		d.readSamples(p)
		for i := range d.Samples {
			row, err := d.Samples[i].row()
			if err != nil {
				continue // a carriage return in a quoted word
			}
			again := &RunData{}
			again.readSamples(append(sampleHeader(), row...))
			if len(again.Samples) != 1 || again.Samples[0].TS != d.Samples[i].TS {
				t.Fatalf("it is not read again: %v\n%q", again.Problems, row)
			}
		}
	})
}

func FuzzIntervals(f *testing.F) {
	p, err := os.ReadFile("testdata/run-1/intervals.hlog")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(p[:bytes.LastIndexByte(p[:len(p)/10], '\n')+1])
	f.Add([]byte("#[BaseTime: 1 (seconds since epoch)]\nTag=1.a.4.1.dial,0.5,1,2,HISTFAAA\nTag=1.a,1,1,1,x\nTag=,,,,\n"))
	f.Fuzz(func(t *testing.T, p []byte) {
		d := &RunData{}
		d.readIntervals(p)
		for i := range d.Intervals {
			if _, err := d.Intervals[i].Histogram(); err != nil && err.Error() == "" {
				t.Fatal("an error must say what is wrong")
			}
		}
	})
}
