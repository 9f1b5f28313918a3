package web

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/chromedp/chromedp"
)

// inManual are the pictures of greyglass-web(7), which stand in contrib/pictures: the upper
// part of a page.
var inManual = []struct {
	file, of string
	height   int
}{
	{"web-overview.png", "overview-light", 1160},
	{"web-search.png", "search-one-light", 620},
	{"web-phone.png", "done-phone", 740},
}

// picture writes a picture of the whole page, and what the manual shows of it.
func (w *window) picture(folder, name string) {
	w.t.Helper()
	var whole []byte
	w.do(chromedp.FullScreenshot(&whole, 100))
	w.write(filepath.Join(folder, name+".png"), whole)
	for _, p := range inManual {
		if p.of != name {
			continue
		}
		shown, err := png.Decode(bytes.NewReader(whole))
		if err != nil {
			w.t.Fatal(err)
		}
		var small bytes.Buffer
		encoder := png.Encoder{CompressionLevel: png.BestCompression}
		if err := encoder.Encode(&small, paletted(shown, p.height)); err != nil {
			w.t.Fatal(err)
		}
		w.write(filepath.Join(folder, "manual", p.file), small.Bytes())
	}
}

func (w *window) write(file string, text []byte) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// paletted is the upper part of a picture in the colours that are most frequent in it, so that
// its file is small.
func paletted(whole image.Image, height int) *image.Paletted {
	shown := whole.Bounds()
	shown.Max.Y = min(shown.Max.Y, shown.Min.Y+height)
	frequent := make(map[color.RGBA]int)
	for y := shown.Min.Y; y < shown.Max.Y; y++ {
		for x := shown.Min.X; x < shown.Max.X; x++ {
			frequent[color.RGBAModel.Convert(whole.At(x, y)).(color.RGBA)]++
		}
	}
	colours := slices.SortedFunc(maps.Keys(frequent), func(a, b color.RGBA) int {
		return cmp.Or(frequent[b]-frequent[a], cmp.Compare(a.R, b.R), cmp.Compare(a.G, b.G), cmp.Compare(a.B, b.B))
	})
	var palette color.Palette
	for _, c := range colours[:min(len(colours), 64)] {
		palette = append(palette, c)
	}
	small := image.NewPaletted(shown, palette)
	draw.Draw(small, shown, whole, shown.Min, draw.Src)
	return small
}
