package plot

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// barAxes sets up horizontal bars from zero, the first target on top.
func (p *Panel) barAxes(g *plot.Plot) {
	high := 0.0
	for _, b := range p.Bars {
		high = max(high, b.High)
	}
	if high <= 0 {
		high = 1
	}
	// Room to the right for the values.
	g.X.Min, g.X.Max = 0, high*1.16
	g.X.Tick.Marker = linearTicks{p.X.Unit}
	g.Y.Min, g.Y.Max = -0.5, float64(len(p.Bars))-0.5
	g.Y.LineStyle.Width = 0
	g.Y.Padding = 0
	g.Y.Tick.Length = 0
	var ticks plot.ConstantTicks
	for i, b := range p.Bars {
		ticks = append(ticks, plot.Tick{Value: float64(len(p.Bars) - 1 - i), Label: shortened(b.Name, maxBarName)})
	}
	g.Y.Tick.Marker = ticks
	g.Add(bars(p.Bars))
}

// bars draws bars with their values beside, and the spread of the trials.
type bars []Bar

// Plot implements plot.Plotter.
func (list bars) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for _, t := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
		c.StrokeLine2(draw.LineStyle{Color: faint, Width: vg.Points(0.6)}, x(t.Value), c.Min.Y, x(t.Value), c.Max.Y)
	}
	const half = barHeight * 0.3
	for i, b := range list {
		at := y(float64(len(list) - 1 - i))
		style := letters(textSize, ink, text.XLeft, text.YCenter)
		if !b.Known {
			style.Color = muted
			c.FillText(style, vg.Point{X: x(0) + 4, Y: at + lift}, b.Text)
			continue
		}
		left, right := x(min(b.Value, 0)), x(max(b.Value, 0))
		c.FillPolygon(hue(b.Place), []vg.Point{{X: left, Y: at - half}, {X: right, Y: at - half}, {X: right, Y: at + half}, {X: left, Y: at + half}})
		if b.High > b.Low {
			c.StrokeLine2(draw.LineStyle{Color: ink, Width: vg.Points(1)}, x(b.Low), at, x(b.High), at)
		}
		c.FillText(style, vg.Point{X: max(right, x(b.High)) + 5, Y: at + lift}, b.Text)
	}
}
