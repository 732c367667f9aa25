package plot

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// The colours of everything that is no data. In a page's SVG they and the lines'
// colours become CSS variables, so that the page decides for light and dark.
var (
	ink   = color.RGBA{0x1f, 0x23, 0x28, 0xff} // names and numbers
	muted = color.RGBA{0x59, 0x63, 0x6e, 0xff} // axes, steps
	faint = color.RGBA{0xd8, 0xde, 0xe4, 0xff} // grid
	paper = color.RGBA{0xff, 0xff, 0xff, 0xff}
)

// hues can be told apart with any common colour blindness (after Okabe and Ito,
// darkened for white paper); dashes differ besides, for print and for the rest.
var hues = []color.RGBA{
	{0x6b, 0x6b, 0x6b, 0xff}, {0x00, 0x72, 0xb2, 0xff}, {0xd5, 0x5e, 0x00, 0xff}, {0x00, 0x87, 0x62, 0xff},
	{0xb0, 0x4f, 0x97, 0xff}, {0x9a, 0x74, 0x00, 0xff}, {0x2c, 0x93, 0xcf, 0xff}, {0x88, 0x22, 0x55, 0xff},
}

// dashes has a length that shares no factor with that of hues: forty pairs differ.
var dashes = [][]vg.Length{{}, {7, 3}, {2, 2}, {9, 3, 2, 3}, {4, 2}}

func hue(place int) color.RGBA { return hues[place%len(hues)] }

func lineStyle(place int) draw.LineStyle {
	return draw.LineStyle{Color: hue(place), Width: vg.Points(1.6), Dashes: dashes[place%len(dashes)]}
}

// letters is a style of text: Liberation Sans, upright.
func letters(size vg.Length, c color.Color, x text.XAlignment, y text.YAlignment) text.Style {
	return text.Style{Color: c, Font: font.Font{Typeface: "Liberation", Variant: "Sans", Size: size},
		XAlign: x, YAlign: y, Handler: plot.DefaultTextHandler}
}

// The measures of a picture, in points.
const (
	pictureWidth = 720 * vg.Length(1)
	panelHeight  = 205 * vg.Length(1)
	barHeight    = 26 * vg.Length(1)
	textSize     = 10 * vg.Length(1)
	titleHeight  = 17 * vg.Length(1)
	gap          = 10 * vg.Length(1)
)
