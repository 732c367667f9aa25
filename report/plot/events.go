package plot

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"wsgauge/results"
)

// Event is something that was done: a signal to a target, a kill of its backends. Place
// says to which target, and chooses the colour; it is -1 where it was done to several at
// the same time.
type Event struct {
	X     float64
	Place int
	Text  string
}

// mark gives panels the steps' marks and the events, of the trials that stand for the
// targets by a figure, and returns what a caption has to say about them.
func (s *source) mark(figure string, panels ...*Panel) (about string) {
	marks, about := s.marks(figure)
	events := s.events(figure)
	if len(events) > 0 {
		about += " Vertical lines with a word: what was done to the target of that colour, or to all where they are grey, or to the backends."
	}
	for _, p := range panels {
		p.Marks, p.Events = marks, events
	}
	return about
}

// nothingDone begins the text of an event that was left out: the target knows no such thing.
const nothingDone = "nothing was done"

// maxEvents bounds what is drawn: more would hide the lines.
const maxEvents = 60

// events are the signals and the kills and restarts of backends.
func (s *source) events(figure string) []Event {
	places, trials := map[trialKey]int{}, map[trialKey]*results.Trial{}
	axis := 0.0
	for place, t := range s.targets {
		if trial := example(t, figure); trial != nil {
			places[keyOf(trial)], trials[keyOf(trial)] = place, trial
			axis = max(axis, trial.EndedS-origin(trial))
		}
	}
	var list []Event
	for _, e := range s.data.Events {
		trial := trials[trialKey{e.Block, e.Target}]
		if trial == nil || e.Kind != "signal" && e.Kind != "backend" || e.Class == "" || strings.HasPrefix(e.Text, nothingDone) {
			continue
		}
		text := e.Class
		if e.Kind == "backend" {
			text = "backend " + text
		}
		list = append(list, Event{e.AtS - origin(trial), places[keyOf(trial)], text})
	}
	slices.SortStableFunc(list, func(a, b Event) int { return cmp.Compare(a.X, b.X) })
	list = joined(list, marksApart*axis)
	if len(list) > maxEvents {
		return list[:maxEvents]
	}
	return list
}

// joined makes one event of those that were done to several targets at about the same time.
func joined(list []Event, apart float64) (out []Event) {
	taken := make([]bool, len(list))
	for i, e := range list {
		if taken[i] {
			continue
		}
		sum, n := e.X, 1.0
		places := []int{e.Place}
		for k := i + 1; k < len(list) && list[k].X-e.X <= apart; k++ {
			if !taken[k] && list[k].Text == e.Text && !slices.Contains(places, list[k].Place) {
				taken[k] = true
				sum, n, places = sum+list[k].X, n+1, append(places, list[k].Place)
			}
		}
		if len(places) > 1 {
			e.X, e.Place = sum/n, -1
		}
		out = append(out, e)
	}
	return out
}

// happenings draws events as lines from top to bottom, with a word along each where there
// is room for it.
type happenings []Event

// Plot implements plot.Plotter.
func (list happenings) Plot(c draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&c)
	name := letters(textSize-2, muted, text.XLeft, text.YBottom)
	name.Rotation = math.Pi / 2
	free := c.Min.X - textSize
	for _, e := range list {
		if e.X < p.X.Min || e.X > p.X.Max {
			continue
		}
		at := x(e.X)
		name.Color = muted
		if e.Place >= 0 {
			name.Color = hue(e.Place)
		}
		c.StrokeLine2(draw.LineStyle{Color: name.Color, Width: vg.Points(0.9)}, at, c.Min.Y, at, c.Max.Y)
		if at < free {
			continue
		}
		c.FillText(name, vg.Point{X: at - 2, Y: c.Max.Y - name.Width(e.Text) - 3}, e.Text)
		free = at + textSize - 1
	}
}
