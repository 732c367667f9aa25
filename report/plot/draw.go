package plot

import (
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// height is that of the chart's picture.
func (c *Chart) height() vg.Length {
	h := vg.Length(0)
	for i := range c.Panels {
		h += c.Panels[i].height()
	}
	return h + gap
}

func (p *Panel) height() vg.Length {
	if len(p.Bars) > 0 {
		return barHeight*vg.Length(len(p.Bars)) + 36 + p.head()
	}
	return panelHeight + p.head()
}

// head is the room above the data for the title and the steps' names.
func (p *Panel) head() vg.Length {
	h := gap / 2
	if p.Title != "" {
		h += titleHeight
	}
	if len(p.Marks) > 0 {
		h += textSize
	}
	return h
}

// draw sets the panels below each other, their data areas flush.
func (c *Chart) draw(canvas draw.Canvas) {
	plots := make([]*plot.Plot, len(c.Panels))
	low, high := math.Inf(1), math.Inf(-1)
	for i := range c.Panels {
		if !c.Panels[i].empty() {
			l, h := c.Panels[i].extent(func(l Line) []float64 { return l.X })
			low, high = min(low, l), max(high, h)
			for _, e := range c.Panels[i].Events {
				low, high = min(low, e.X), max(high, e.X)
			}
		}
	}
	margin := vg.Length(0) // right of the data: the lines' names
	indent := vg.Length(0) // left of it: the axis
	for i := range c.Panels {
		plots[i] = c.Panels[i].plot(i == len(c.Panels)-1, low, high)
		margin = max(margin, c.Panels[i].nameWidth())
		indent = max(indent, axisWidth(plots[i], canvas))
	}
	top := canvas.Max.Y
	for i := range c.Panels {
		p := &c.Panels[i]
		area := draw.Crop(canvas, gap, -gap, 0, 0)
		area.Max.Y, area.Min.Y = top, top-p.height()
		top = area.Min.Y
		if p.Title != "" {
			area.FillText(letters(textSize+1, ink, text.XLeft, text.YTop), vg.Point{X: area.Min.X, Y: area.Max.Y - 4}, p.Title)
		}
		area = draw.Crop(area, indent-axisWidth(plots[i], canvas), -margin, 4, -p.head())
		plots[i].Draw(area)
		if len(p.Bars) == 0 {
			p.names(plots[i], area, canvas)
		}
	}
}

func axisWidth(p *plot.Plot, c draw.Canvas) vg.Length { return p.DataCanvas(c).Min.X - c.Min.X }

// plot makes the panel's axes, grid, steps and lines. Only the lowest panel names
// the x axis that all share, from low to high.
func (p *Panel) plot(lowest bool, low, high float64) *plot.Plot {
	g := plot.New()
	g.BackgroundColor = nil
	for _, a := range []*plot.Axis{&g.X, &g.Y} {
		a.LineStyle.Color, a.Tick.LineStyle.Color = muted, muted
		a.Tick.Label.Font.Size, a.Label.TextStyle.Font.Size = textSize, textSize
		a.Tick.Label.Color, a.Label.TextStyle.Color = ink, muted
		a.Tick.Length = 4
		a.Padding = 4
		a.Tick.Label.Font.Typeface, a.Tick.Label.Font.Variant = "Liberation", "Sans"
		a.Label.TextStyle.Font.Typeface, a.Label.TextStyle.Font.Variant = "Liberation", "Sans"
	}
	if lowest {
		g.X.Label.Text = p.X.Label
	}
	if len(p.Bars) > 0 {
		p.barAxes(g)
		return g
	}
	g.Y.Label.Text = p.Y.Label
	p.X.set(&g.X, low, high)
	low, high = p.extent(func(l Line) []float64 { return l.Y })
	if p.Holds[0] > 0 {
		low, high = min(low, p.Holds[0]), max(high, p.Holds[1])
	}
	p.Y.set(&g.Y, low, high)
	g.Add(grid{x: p.X.Nines}, steps(p.Marks))
	g.Add(happenings(p.Events))
	for _, l := range p.Lines {
		g.Add(stroke(l))
	}
	return g
}

// extent is the range of the lines' values; of none it is one to ten.
func (p *Panel) extent(of func(Line) []float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, l := range p.Lines {
		for _, v := range of(l) {
			low, high = min(low, v), max(high, v)
		}
	}
	if low > high {
		return 1, 10
	}
	return low, high
}

// set gives an axis its range, scale and ticks. LogScale panics at zero, and lines
// hold no such values on a logarithmic axis.
func (a Axis) set(g *plot.Axis, low, high float64) {
	switch {
	case a.Nines:
		g.Min, g.Max, g.Tick.Marker = 0, max(high, 1), ninesTicks{}
	case a.Log:
		g.Min, g.Max = logRange(low, high)
		g.Scale, g.Tick.Marker = plot.LogScale{}, logTicks{a.Unit}
	default:
		// From zero, so that heights can be compared.
		g.Min, g.Max = min(low, 0), max(high, 0)
		if g.Max == g.Min {
			g.Max = g.Min + 1
		}
		if a.Unit != "s" {
			step := linearTicks{a.Unit}.step(g.Max - g.Min)
			g.Max = math.Ceil(g.Max/step-1e-9) * step
		}
		g.Tick.Marker = linearTicks{a.Unit}
	}
}

// grid draws a faint line at every labelled tick of y, and of x where asked.
type grid struct{ x bool }

// Plot implements plot.Plotter.
func (g grid) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	style := draw.LineStyle{Color: faint, Width: vg.Points(0.6)}
	for _, t := range p.Y.Tick.Marker.Ticks(p.Y.Min, p.Y.Max) {
		if t.Label != "" {
			c.StrokeLine2(style, c.Min.X, y(t.Value), c.Max.X, y(t.Value))
		}
	}
	if !g.x {
		return
	}
	for _, t := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
		c.StrokeLine2(style, x(t.Value), c.Min.Y, x(t.Value), c.Max.Y)
	}
}

// steps draws a dotted line where each step begins, and its name where there is
// room for it.
type steps []Mark

// Plot implements plot.Plotter.
func (s steps) Plot(c draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&c)
	style := draw.LineStyle{Color: muted, Width: vg.Points(0.6), Dashes: []vg.Length{1, 2}}
	name := letters(textSize-2, muted, text.XLeft, text.YBottom)
	free := c.Min.X
	for _, m := range s {
		at := x(m.X)
		if m.X < p.X.Min || m.X > p.X.Max || len(s) > 40 {
			continue
		}
		c.StrokeLine2(style, at, c.Min.Y, at, c.Max.Y)
		if at >= free && at+name.Width(m.Text) <= c.Max.X+gap {
			c.FillText(name, vg.Point{X: at + 1, Y: c.Max.Y + 2}, m.Text)
			free = at + name.Width(m.Text) + 4
		}
	}
}

// stroke draws a line, and its points too when they are few.
type stroke Line

// Plot implements plot.Plotter.
func (s stroke) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	var points []vg.Point
	for i := range s.X {
		points = append(points, vg.Point{X: x(s.X[i]), Y: y(s.Y[i])})
	}
	style := lineStyle(s.Place)
	if s.Stems {
		// Beside those of other targets at the same time, not over them.
		aside := vg.Length(s.Place%len(hues)) * 2.5
		for _, pt := range points {
			pt.X += aside
			c.StrokeLine2(draw.LineStyle{Color: style.Color, Width: vg.Points(1.6)}, pt.X, y(0), pt.X, pt.Y)
			c.DrawGlyphNoClip(draw.GlyphStyle{Color: style.Color, Radius: 2.2, Shape: draw.CircleGlyph{}}, pt)
		}
		return
	}
	if s.Thin {
		style.Width /= 3
	}
	for from, i := 0, 1; i <= len(points); i++ {
		if i == len(points) || s.Gap > 0 && s.X[i]-s.X[i-1] > s.Gap {
			c.StrokeLines(style, points[from:i])
			from = i
		}
	}
	if len(points) > 12 || s.Thin {
		return
	}
	for _, pt := range points {
		c.DrawGlyphNoClip(draw.GlyphStyle{Color: style.Color, Radius: 2.2, Shape: draw.CircleGlyph{}}, pt)
	}
}
