// Picture runs the example inspect until its deadlock and takes a picture of its page.
//
//	go run ./integration/browser/picture [-dark] FILE
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/go-asyncio/asyncio/integration/browser"
)

func main() {
	dark := flag.Bool("dark", false, "take the picture of the dark page")
	width := flag.Int("width", 1200, "width of the page")
	height := flag.Int("height", 760, "height of the page")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: picture [-dark] [-width N] [-height N] FILE")
		os.Exit(2)
	}
	if err := take(flag.Arg(0), *width, *height, *dark); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

func take(file string, width, height int, dark bool) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	url, stop, err := startExample(ctx)
	if err != nil {
		return err
	}
	defer stop()
	b, err := browser.Start(ctx, width, height)
	if err != nil {
		return err
	}
	defer b.Close()
	// The transfer that waits for the second account, some seconds after the deadlock. The audits are
	// folded away.
	line := func(name string) string {
		return `[...document.querySelectorAll('#tree tbody tr')].find(r => r.row.name === '` + name + `')`
	}
	for _, step := range []func() error{
		func() error { return b.PreferDark(dark) },
		func() error { return b.Open(url) },
		func() error { return b.Wait(line("transfer out") + `?.row.waiting > 5`) },
		func() error { return b.Eval(line("customers")+`.querySelector('.fold').click()`, nil) },
		func() error { return b.Eval(line("transfer out")+`.click()`, nil) },
		func() error { return b.Eval(`window.scrollTo(0, 0)`, nil) },
		func() error { return b.Wait(`document.querySelector('#details ol')`) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	picture, err := b.Screenshot()
	if err != nil {
		return err
	}
	small, err := reduce(picture)
	if err != nil {
		return err
	}
	return os.WriteFile(file, small, 0o666)
}

// reduce returns a PNG with no more than 256 colours of the picture: the most frequent, and those whose
// lack would be seen most, such as that of a small green dot.
func reduce(picture []byte) ([]byte, error) {
	from, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		return nil, err
	}
	counts := make(map[color.Color]int)
	for y := range from.Bounds().Dy() {
		for x := range from.Bounds().Dx() {
			counts[from.At(x, y)]++
		}
	}
	colours := slices.SortedFunc(maps.Keys(counts), func(a, b color.Color) int { return counts[b] - counts[a] })
	const frequent, all = 128, 256
	lack := func(p color.Palette, c color.Color) int { return counts[c] * distance(p, c) }
	n := min(len(colours), frequent)
	palette, rest := slices.Clip(color.Palette(colours[:n])), colours[n:]
	for len(palette) < all && len(rest) > 0 {
		worst := slices.MaxFunc(rest, func(a, b color.Color) int { return cmp.Compare(lack(palette, a), lack(palette, b)) })
		palette = append(palette, worst)
		rest = slices.DeleteFunc(rest, func(c color.Color) bool { return c == worst })
	}
	to := image.NewPaletted(from.Bounds(), palette)
	draw.Draw(to, to.Bounds(), from, from.Bounds().Min, draw.Src)
	var small bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	err = encoder.Encode(&small, to)
	return small.Bytes(), err
}

// distance returns the difference between a colour and the nearest one of a palette.
func distance(p color.Palette, c color.Color) (d int) {
	near := p.Convert(c)
	r, g, b, _ := c.RGBA()
	r2, g2, b2, _ := near.RGBA()
	for _, pair := range [][2]uint32{{r, r2}, {g, g2}, {b, b2}} {
		d += int(max(pair[0], pair[1]) - min(pair[0], pair[1]))
	}
	return d
}

// startExample starts the example and returns the address of its page.
func startExample(ctx context.Context) (url string, stop func(), err error) {
	dir, err := os.MkdirTemp("", "asyncio-picture-")
	if err != nil {
		return "", nil, err
	}
	defer os.RemoveAll(dir) // the program runs on
	program := dir + "/inspect"
	if out, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", program, "./examples/inspect").CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("%w: %s", err, out)
	}
	cmd := exec.CommandContext(ctx, program)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if url, ok := strings.CutPrefix(lines.Text(), "the page is "); ok {
			return url, stop, nil
		}
	}
	stop()
	return "", nil, errors.New("the example has no address")
}
