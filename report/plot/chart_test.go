package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wsgauge/report/internal/synthetic"
	"wsgauge/results"
)

var update = flag.Bool("update", false, "write the golden files anew")

func open(t *testing.T, o synthetic.Options) *results.RunData {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	if err := synthetic.Write(dir, o); err != nil {
		t.Fatal(err)
	}
	d, err := results.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// The data behind each plot: what would be drawn, and the table beside it.
func TestData(t *testing.T) {
	d := open(t, synthetic.Options{Blocks: 2, Targets: 3, Trial: func(t *results.Trial) {
		if t.Block == 1 && t.Target == "event" {
			// Its lines over time are those of block 2, its percentiles too.
			t.Valid, t.Error = false, "the target died"
		}
	}})
	addParts(d)
	charts, problems := Charts(d)
	if len(problems) > 0 {
		t.Errorf("problems: %v", problems)
	}
	for i := range charts {
		c := &charts[i]
		if c.Optional && c.Empty() {
			continue
		}
		golden(t, c.Name+".txt", []byte(dump(c)))
		if c.Alt == "" || c.Caption == "" || c.Empty() || len(c.Table.Rows) == 0 {
			t.Errorf("%s: alt %q, caption %q, %d rows", c.Name, c.Alt, c.Caption, len(c.Table.Rows))
		}
		for _, row := range c.Table.Rows {
			if len(row) != len(c.Table.Head) {
				t.Errorf("%s: a row of %d cells under %d headings", c.Name, len(row), len(c.Table.Head))
			}
		}
	}
}

// What a tunnel took to open is compared where steps that open it differ, by TLS.
func TestOpenings(t *testing.T) {
	secured := func(trial *results.Trial) {
		again := trial.Steps[0]
		again.ID = "again"
		trial.Steps = append(trial.Steps, again)
		for _, i := range []int{0, 4} {
			us := float64(1000 + 100*trial.Block - 150*i)
			trial.Steps[i].TLS = &results.Quantiles{Count: 300, P50: new(us * 1e3)}
			trial.Steps[i].Resources = map[string]*results.Resources{"target": {CPUSeconds: new(us * 300 / 1e6)}}
		}
		if trial.Target == "direct" {
			trial.Steps[0].Resources, trial.Steps[4].Resources = nil, nil
		}
		if trial.Target == "event" && trial.Block == 2 {
			trial.Invalid = append(trial.Invalid, results.Invalid{Reason: "late", Step: "again", Figures: []string{"tls"}})
		}
	}
	charts, _ := Charts(open(t, synthetic.Options{Blocks: 2, Targets: 3, Messages: 300, Trial: secured}))
	found := false
	for i := range charts {
		if c := &charts[i]; c.Name == "openings-step" {
			found = true
			golden(t, "openings-step.txt", []byte(dump(c)))
		}
	}
	if !found {
		t.Error("there is no such chart")
	}
}

// A run in which something happened has more charts, and events in all that have a time.
func TestEventful(t *testing.T) {
	charts, problems := Charts(open(t, synthetic.Options{Blocks: 2, Targets: 5, Messages: 3000, Eventful: true}))
	if len(problems) > 0 {
		t.Errorf("problems: %v", problems)
	}
	more := map[string]bool{"workers-time": true, "http-percentile": true, "http-time": true, "tunnels-time": true, "failures-class": true}
	for i := range charts {
		c := &charts[i]
		if more[c.Name] && !c.Empty() {
			delete(more, c.Name)
			golden(t, "eventful-"+c.Name+".txt", []byte(dump(c)))
		}
		for _, row := range c.Table.Rows {
			if len(row) != len(c.Table.Head) {
				t.Errorf("%s: a row of %d cells under %d headings", c.Name, len(row), len(c.Table.Head))
			}
		}
		for _, p := range c.Panels {
			if !strings.HasSuffix(c.Name, "-time") {
				continue
			}
			// The reload of event and worker is one, that of prefork was earlier, the tunnel
			// has none; the backends of all ended at the same time.
			got := ""
			for _, e := range p.Events {
				got += fmt.Sprintf("%.1f s, %d: %s; ", e.X, e.Place, e.Text)
			}
			if got != "1.4 s, 4: graceful; 1.5 s, -1: graceful; 3.0 s, -1: backend kill; " {
				t.Errorf("%s has the events %s", c.Name, got)
			}
		}
	}
	if len(more) > 0 {
		t.Errorf("these charts are missing: %v", more)
	}
	dir := t.TempDir()
	if err := WriteFiles(dir, charts); err != nil {
		t.Fatal(err)
	}
	for i := range charts {
		look(t, dir, &charts[i])
	}
}

// addParts adds samples of two backends to every trial, and of two generations to those of
// event.
func addParts(d *results.RunData) {
	for _, trial := range d.Trials {
		for i := range 3 {
			at := trial.StartedS + float64(i)
			add := func(group string, v results.Sample) {
				v.TS, v.Block, v.Target, v.Group = at, trial.Block, trial.Target, group
				d.Samples = append(d.Samples, v)
			}
			add("backend1", results.Sample{BackEstablished: new(float64(10 * i))})
			add("backend2", results.Sample{BackEstablished: new(float64(20 - 10*i))})
			if trial.Target == "event" {
				add("target_g0", results.Sample{Threads: new(float64(50 - 25*i)), Processes: new(2.0), PSSBytes: new(4e6)})
				add("target_g1", results.Sample{Threads: new(50.0), Processes: new(2.0)})
			}
		}
	}
}

func dump(c *Chart) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n%s\n", c.Title, c.Caption, c.Alt)
	for _, p := range c.Panels {
		fmt.Fprintf(&b, "\npanel %q x %+v y %+v marks %v\n", p.Title, p.X, p.Y, p.Marks)
		for _, e := range p.Events {
			fmt.Fprintf(&b, "event %.4g of %d: %s\n", e.X, e.Place, e.Text)
		}
		for _, l := range p.Lines {
			fmt.Fprintf(&b, "line %d %s\n", l.Place, l.Name)
			for i := range l.X {
				fmt.Fprintf(&b, "  %.4g %.4g\n", l.X[i], l.Y[i])
			}
		}
		for _, x := range p.Bars {
			fmt.Fprintf(&b, "bar %d %s %v %.4g %.4g…%.4g %s\n", x.Place, x.Name, x.Known, x.Value, x.Low, x.High, x.Text)
		}
	}
	b.WriteString("\n" + strings.Join(c.Table.Head, " | ") + "\n")
	for _, row := range c.Table.Rows {
		b.WriteString(strings.Join(row, " | ") + "\n")
	}
	return b.String()
}

// Whatever a run holds or lacks, it can be drawn, and what is drawn is a picture.
func TestDrawing(t *testing.T) {
	for name, o := range map[string]synthetic.Options{
		"nothing":       {},
		"eight":         {Blocks: 1, Targets: 8, Messages: 3000},
		"few messages":  {Blocks: 1, Targets: 2, Messages: 3},
		"direct alone":  {Blocks: 1, Targets: 1, Messages: 300},
		"all spoiled":   {Blocks: 1, Targets: 2, Messages: 300, Trial: func(t *results.Trial) { t.Error = "died" }},
		"strange names": {Blocks: 1, Targets: 2, Messages: 300, Run: func(r *results.Run) { r.Targets[1].Name = `a<b>&"'` }},
	} {
		t.Run(name, func(t *testing.T) {
			charts, _ := Charts(open(t, o))
			dir := t.TempDir()
			// Left by an earlier report: it must not outlive the data that it showed.
			for _, name := range []string{"memory-tunnel.svg", "workers-time.svg"} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte("old"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := WriteFiles(dir, charts); err != nil {
				t.Fatal(err)
			}
			for i := range charts {
				look(t, dir, &charts[i])
			}
		})
	}
}

func look(t *testing.T, dir string, c *Chart) {
	t.Helper()
	svg, err := os.ReadFile(filepath.Join(dir, c.Name+".svg"))
	if c.Empty() {
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: there is a file of nothing: %v", c.Name, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	inline, err := c.Inline()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range [][]byte{svg, []byte(inline)} {
		wellFormed(t, c.Name, p)
		if bytes.Contains(p, []byte("NaN")) || bytes.Contains(p, []byte("Inf")) {
			t.Errorf("%s: a number is none", c.Name)
		}
	}
	for name, value := range Colours() {
		if strings.Contains(inline, value) {
			t.Errorf("%s: the page's SVG has the colour %s instead of --%s", c.Name, value, name)
		}
	}
	f, err := os.Open(filepath.Join(dir, c.Name+".png"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if picture, err := png.DecodeConfig(f); err != nil || picture.Width != 1500 || picture.Height < 100 {
		t.Errorf("%s.png: %+v, %v", c.Name, picture, err)
	}
}

func wellFormed(t *testing.T, name string, p []byte) {
	t.Helper()
	for d := xml.NewDecoder(bytes.NewReader(p)); ; {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
	}
}

// A second of less than 2000 messages has no p99: the slowest stands in its place.
func TestSlowestWhereNoP99(t *testing.T) {
	charts, _ := Charts(open(t, synthetic.Options{Blocks: 1, Targets: 1, Messages: 3000}))
	if got := charts[2].Panels[1].Title; got != "slowest of each second" {
		t.Errorf("the second panel is %q", got)
	}
	charts, _ = Charts(open(t, synthetic.Options{Blocks: 1, Targets: 1, Messages: 9000}))
	if got := charts[2].Panels[1].Title; got != "p99 of each second" {
		t.Errorf("the second panel is %q", got)
	}
}

// A torn histogram in the middle of the log is said, and the rest is drawn.
func TestBrokenInterval(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	if err := synthetic.Write(dir, synthetic.Options{Blocks: 1, Targets: 1}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "intervals.hlog")
	p, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(p, []byte("HISTF"), []byte("HISTX"), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	d, err := results.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	charts, problems := Charts(d)
	if len(problems) == 0 || !strings.Contains(problems[0], "1.direct.load.response_time") {
		t.Errorf("problems: %v", problems)
	}
	if n := len(charts[2].Panels[0].Lines[0].X); n != 2 {
		t.Errorf("%d seconds are drawn, 2 are whole", n)
	}
}

// A day's run makes no larger picture than an hour's, and no peak is lost.
func TestThinned(t *testing.T) {
	var l Line
	for i := range 100_000 {
		y := 1.0
		if i == 77_777 {
			y = 99
		}
		l.add(float64(i), y, true)
	}
	l.add(1, 0, true)
	l.add(1, math.NaN(), false)
	if len(l.X) != 100_000 {
		t.Error("what no axis can show was kept")
	}
	thin := l.thinned()
	peak := false
	for i, y := range thin.Y {
		peak = peak || y == 99
		if i > 0 && thin.X[i] <= thin.X[i-1] {
			t.Fatal("the points are out of order")
		}
	}
	if len(thin.X) != maxPoints || !peak {
		t.Errorf("%d points, the peak is there: %v", len(thin.X), peak)
	}
	table := Table{Rows: make([][]string, 10_000)}
	if n := len(table.bounded().Rows); n > 600 || n < 300 {
		t.Errorf("a table of %d rows", n)
	}
}

func TestSeconds(t *testing.T) {
	for s, want := range map[float64]string{1.904: "1.9s", 61: "1m1s", 0: "0s"} {
		if got := seconds(s); got != want {
			t.Errorf("%v is %q, want %q (%v)", s, got, want, time.Duration(s))
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test -update writes it anew):\n%s", path, got)
	}
}

// A mark stands for the lines of all targets, so there is none where their steps begin at
// other times.
func TestMarks(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*results.Trial)
		marked bool
	}{
		"alike":        {func(*results.Trial) {}, true},
		"almost alike": {func(t *results.Trial) { t.Steps[1].StartedS += 0.08 }, true}, // of 5 s
		"started slowly": {func(t *results.Trial) {
			for i := range t.Steps {
				t.Steps[i].StartedS += 3
			}
		}, true},
		"later":               {func(t *results.Trial) { t.Steps[1].StartedS += 0.2 }, false},
		"one step less":       {func(t *results.Trial) { t.Steps = t.Steps[:3] }, false},
		"another step":        {func(t *results.Trial) { t.Steps[2].ID = "other" }, false},
		"in another order":    {func(t *results.Trial) { t.Steps[0], t.Steps[1] = t.Steps[1], t.Steps[0] }, true},
		"in a trial not used": {func(t *results.Trial) { t.Steps[1].StartedS, t.Error = 9, "died" }, true},
	} {
		charts, _ := Charts(open(t, synthetic.Options{Blocks: 2, Targets: 3, Messages: 9000, Trial: func(trial *results.Trial) {
			if trial.Target == "event" && trial.Block == 1 {
				c.change(trial)
			}
		}}))
		for _, chart := range charts {
			if !strings.HasSuffix(chart.Name, "-time") || chart.Empty() { // parts have marks of their own target
				continue
			}
			for _, p := range chart.Panels {
				if got := len(p.Marks) == 4; got != c.marked || !c.marked && len(p.Marks) > 0 {
					t.Errorf("%s: %s has the marks %v", name, chart.Name, p.Marks)
				}
			}
			if strings.Contains(chart.Caption, "Dotted lines") != c.marked || strings.Contains(chart.Caption, "none is marked") == c.marked {
				t.Errorf("%s: %s says %q", name, chart.Name, chart.Caption)
			}
		}
	}
}
