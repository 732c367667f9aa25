package plot

import (
	"bytes"
	"errors"
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// dotsPerInch makes a picture of 720 points 1500 dots wide.
const dotsPerInch = 150

// WriteFiles writes every chart that is not empty as SVG and PNG into a directory,
// which it makes, and takes away what an earlier report left there under the same
// names.
func WriteFiles(dir string, charts []Chart) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("writing plots: %w", err)
	}
	for i := range charts {
		c := &charts[i]
		svg, png := filepath.Join(dir, c.Name+".svg"), filepath.Join(dir, c.Name+".png")
		if c.Empty() {
			for _, path := range []string{svg, png} {
				if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
					return fmt.Errorf("writing plots: %w", err)
				}
			}
			continue
		}
		picture, err := c.PNG()
		if err != nil {
			return err
		}
		text, err := c.SVG()
		if err != nil {
			return err
		}
		if err := errors.Join(os.WriteFile(svg, text, 0o644), os.WriteFile(png, picture, 0o644)); err != nil {
			return fmt.Errorf("writing plots: %w", err)
		}
	}
	return nil
}

// PNG draws the chart on white.
func (c *Chart) PNG() ([]byte, error) {
	canvas := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(pictureWidth, c.height()), vgimg.UseDPI(dotsPerInch), vgimg.UseBackgroundColor(paper))}
	c.draw(draw.New(canvas))
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("drawing %s: %w", c.Name, err)
	}
	return b.Bytes(), nil
}

// SVG draws the chart on white, as a file of its own.
func (c *Chart) SVG() ([]byte, error) {
	canvas := vgsvg.New(pictureWidth, c.height())
	whole := draw.New(canvas)
	whole.FillPolygon(paper, []vg.Point{whole.Min, {X: whole.Max.X, Y: whole.Min.Y}, whole.Max, {X: whole.Min.X, Y: whole.Max.Y}})
	return c.svg(canvas, whole)
}

func (c *Chart) svg(canvas *vgsvg.Canvas, whole draw.Canvas) ([]byte, error) {
	c.draw(whole)
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("drawing %s: %w", c.Name, err)
	}
	// Elsewhere there may be no Liberation Sans, and the next choice would have serifs.
	p := bytes.ReplaceAll(b.Bytes(), []byte("font-family:Liberation Sans;font-variant:normal;font-weight:normal;font-style:normal;"), []byte("font-family:"+fonts+";"))
	return p, nil
}

const fonts = "'Liberation Sans',Arial,Helvetica,sans-serif"

// Inline draws the chart for a page: without background and size, and with the
// page's colours, --ink, --muted, --faint and --line0 to --line7 (see [Colours]).
func (c *Chart) Inline() (string, error) {
	canvas := vgsvg.New(pictureWidth, c.height())
	p, err := c.svg(canvas, draw.New(canvas))
	if err != nil {
		return "", err
	}
	s := string(p)
	start := strings.Index(s, "<svg")
	end := strings.Index(s, ">")
	if start >= 0 {
		end = start + strings.Index(s[start:], ">")
	}
	if start < 0 || end < start {
		return "", fmt.Errorf("drawing %s: this is no SVG", c.Name)
	}
	head := fmt.Sprintf(`<svg viewBox="0 0 %g %g" aria-hidden="true" xmlns="http://www.w3.org/2000/svg"`, pictureWidth.Points(), c.height().Points())
	s = head + s[end:]
	var swap []string
	for name, value := range Colours() {
		swap = append(swap, value, "var(--"+name+")")
	}
	// The page sets the font once for all.
	swap = append(swap, "font-family:"+fonts+";", "", "\n\t", " ")
	return strings.NewReplacer(swap...).Replace(s), nil
}

// Colours are those of light paper by the names that [Chart.Inline] gives them.
func Colours() map[string]string {
	m := map[string]string{"ink": hex(ink), "muted": hex(muted), "faint": hex(faint)}
	for i, h := range hues {
		m[fmt.Sprint("line", i)] = hex(h)
	}
	return m
}

func hex(c color.RGBA) string { return fmt.Sprintf("#%02X%02X%02X", c.R, c.G, c.B) }
