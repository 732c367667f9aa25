package plot

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"wsgauge/results"
)

// maxName bounds a line's name, in letters, and maxBarName that of a bar.
const (
	maxName    = 24
	maxBarName = 44
)

func nameStyle(place int) text.Style {
	return letters(textSize, hue(place), text.XLeft, text.YCenter)
}

func shortName(name string) string { return shortened(name, maxName) }

func shortened(name string, most int) string {
	if r := []rune(name); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return name
}

// Between the data and a name: the way to it, and a piece of the line.
const (
	leader = 14 * vg.Length(1)
	sample = 16 * vg.Length(1)
	// A longer way would look like the line's own.
	longestLeader = 150 * vg.Length(1)
)

// nameWidth is the room that the lines' names take to the right of the data.
func (p *Panel) nameWidth() vg.Length {
	width := vg.Length(0)
	for _, l := range p.Lines {
		if len(l.X) > 0 && !l.Thin {
			width = max(width, nameStyle(l.Place).Width(shortName(l.Name)))
		}
	}
	if width > 0 {
		width += leader + sample + 8
	}
	return width
}

// label is a line's name: where the line ends, and the height that its name wants.
type label struct {
	line   *Line
	end    vg.Point
	wanted vg.Length
}

// names sets each line's name to the right of its end, apart from the others, with
// a piece of the line and a thin one that leads to it.
func (p *Panel) names(g *plot.Plot, area, canvas draw.Canvas) {
	data := g.DataCanvas(area)
	x, y := g.Transforms(&data)
	var list []label
	for i := range p.Lines {
		if l := &p.Lines[i]; len(l.X) > 0 && !l.Thin {
			end := vg.Point{X: x(l.X[len(l.X)-1]), Y: y(l.Y[len(l.Y)-1])}
			list = append(list, label{l, end, end.Y})
		}
	}
	places, moved := place(list, data)
	led := moved <= 3*textSize
	if !led {
		// They end in a bundle, at zero for instance: names by the height that the
		// lines mostly had are easier to match, and need no line to lead there.
		for i := range list {
			list[i].wanted = y(results.Median(list[i].line.Y))
		}
		places, _ = place(list, data)
	}
	for i, l := range list {
		style := nameStyle(l.line.Place)
		at := vg.Point{X: data.Max.X + leader, Y: places[i]}
		if led && !l.line.Stems && data.Max.X-l.end.X < longestLeader {
			thin := draw.LineStyle{Color: style.Color, Width: vg.Points(0.5)}
			canvas.StrokeLines(thin, []vg.Point{l.end, {X: data.Max.X + 3, Y: l.end.Y}, {X: at.X - 1, Y: at.Y}})
		}
		canvas.StrokeLine2(lineStyle(l.line.Place), at.X, at.Y, at.X+sample, at.Y)
		canvas.FillText(style, vg.Point{X: at.X + sample + 4, Y: at.Y + lift}, shortName(l.line.Name))
	}
}

// lift brings letters to the middle of what stands beside them: centred text is
// centred with the room for descenders.
const lift = 1 * vg.Length(1)

// place sorts the labels by the height they want and spreads them; moved is how far
// the worst had to give way.
func place(list []label, data draw.Canvas) (places []vg.Length, moved vg.Length) {
	slices.SortStableFunc(list, func(a, b label) int {
		return cmp.Or(cmp.Compare(a.wanted, b.wanted), b.line.Place-a.line.Place)
	})
	wanted := make([]float64, len(list))
	for i, l := range list {
		wanted[i] = float64(l.wanted)
	}
	for i, v := range spread(wanted, float64(textSize)+2, float64(data.Min.Y), float64(data.Max.Y)) {
		places = append(places, vg.Length(v))
		moved = max(moved, vg.Length(math.Abs(v-wanted[i])))
	}
	return places, moved
}

// spread moves ascending positions as little as it takes for them to lie at least
// apart from each other and, where there is room for all, between low and high.
// Neighbours that would touch form a block around the mean of what they wanted.
func spread(wanted []float64, apart, low, high float64) []float64 {
	type block struct {
		first, n int
		center   float64 // of the block
	}
	var blocks []block
	clamp := func(b *block) {
		half := float64(b.n-1) * apart / 2
		b.center = max(min(b.center, high-half), low+half)
	}
	for i, w := range wanted {
		b := block{i, 1, w}
		clamp(&b)
		for len(blocks) > 0 {
			before := blocks[len(blocks)-1]
			if before.center+float64(before.n-1)*apart/2+apart <= b.center-float64(b.n-1)*apart/2+1e-9 {
				break
			}
			sum := 0.0
			for _, v := range wanted[before.first : b.first+b.n] {
				sum += v
			}
			b = block{before.first, before.n + b.n, sum / float64(before.n+b.n)}
			clamp(&b)
			blocks = blocks[:len(blocks)-1]
		}
		blocks = append(blocks, b)
	}
	out := make([]float64, 0, len(wanted))
	for _, b := range blocks {
		for k := range b.n {
			out = append(out, b.center+(float64(k)-float64(b.n-1)/2)*apart)
		}
	}
	return out
}
