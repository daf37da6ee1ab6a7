package main

import (
	"fmt"
	"html"
	"math"
	"strings"

	"github.com/go-asyncio/asyncio/bench/internal/lab"
)

// The dimensions of the chart, in pixels.
const (
	chartWidth = 900
	plotLeft   = 360
	plotRight  = 880
	plotTop    = 96
	rowHeight  = 22
)

// A mark is the symbol of a peer in the chart. The shapes distinguish the peers where the colours
// do not.
type mark struct {
	name, colour string
	shape        string // centred on 0, 0
}

var marks = []mark{
	{"plain Go", "#0090b5", `<circle r="5"/>`},
	{tokio, "#b7410e", `<rect x="-4.5" y="-4.5" width="9" height="9"/>`},
	{uvloop, "#6a4c93", `<path d="M0-6.5 6 4.5H-6z"/>`},
	{cpython, "#d39e00", `<path d="M0-6.5 6.5 0 0 6.5-6.5 0z"/>`},
}

// A dot is a peer's cost as a multiple of this library's.
type dot struct {
	mark
	peer  string
	row   int
	ratio float64
}

// chart draws the costs of each peer's operations as multiples of this library's, on a logarithmic
// scale.
func (r *results) chart() string {
	dots := r.dots()
	low, high := 0.5, 2.0
	for _, d := range dots {
		low, high = min(low, d.ratio), max(high, d.ratio)
	}
	place := func(ratio float64) float64 {
		from, to := math.Log10(low)-0.06, math.Log10(high)+0.06
		return plotLeft + (plotRight-plotLeft)*(math.Log10(ratio)-from)/(to-from)
	}
	middle := func(row int) float64 { return plotTop + rowHeight*(float64(row)+0.5) }
	bottom := plotTop + rowHeight*len(r.rows)

	var s strings.Builder
	draw := func(format string, args ...any) { fmt.Fprintf(&s, format+"\n", args...) }
	draw(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="13" fill="#24292f">`, chartWidth, bottom+16)
	draw(`<rect width="100%%" height="100%%" rx="6" fill="#fff"/>`)
	draw(`<text x="16" y="28" font-size="16" font-weight="600">What an operation costs elsewhere, as a multiple of what it costs here</text>`)
	for i, m := range marks {
		x, name := 22+130*i, m.name
		if r.absent(name) != "" {
			name += " (absent)"
		}
		draw(`<g transform="translate(%d 50)" fill="%s">%s</g><text x="%d" y="54.5">%s</text>`, x, m.colour, m.shape, x+11, name)
	}
	draw(`<text x="%d" y="54.5" text-anchor="end" fill="#57606a">right of the line: costs more than here</text>`, plotRight)
	draw(`<text x="%d" y="%d" text-anchor="end" font-weight="600">here</text>`, plotLeft-14, plotTop-8)
	for i, row := range r.rows {
		if i%2 == 0 {
			draw(`<rect x="8" y="%d" width="%d" height="%d" fill="#f6f8fa"/>`, plotTop+rowHeight*i, chartWidth-16, rowHeight)
		}
		y := middle(i) + 4.5
		draw(`<text x="16" y="%.1f">%s</text>`, y, html.EscapeString(row.title))
		draw(`<text x="%d" y="%.1f" text-anchor="end" font-weight="600">%s</text>`, plotLeft-14, y, row.show(lab.Median(row.figures(0))))
	}
	for exp := math.Ceil(math.Log10(low)); math.Pow(10, exp) <= high; exp++ {
		ratio := math.Pow(10, exp)
		x, colour, label := place(ratio), "#d0d7de", fmt.Sprintf("× %g", ratio)
		if exp == 0 {
			colour, label = "#24292f", "this library"
		}
		draw(`<path d="M%.1f %dV%d" stroke="%s"/>`, x, plotTop, bottom, colour)
		draw(`<text x="%.1f" y="%d" text-anchor="middle" fill="#57606a">%s</text>`, x, plotTop-8, label)
	}
	for _, d := range dots {
		draw(`<g transform="translate(%.1f %.1f)" fill="%s" stroke="#fff" stroke-width=".7"><title>%s: × %s</title>%s</g>`,
			place(d.ratio), middle(d.row), d.colour, html.EscapeString(d.peer), digits(d.ratio), d.shape)
	}
	draw(`</svg>`)
	return s.String()
}

// peer returns the number of the contender that the m-th mark stands for, or -1. For plain Go it is
// the first of the rivals.
func (r row) peer(m int) int {
	if m == 0 {
		return 1
	}
	return r.find(marks[m].name)
}

// dots returns a dot for each peer in each row, and one for plain Go.
func (r *results) dots() (dots []dot) {
	for i, row := range r.rows {
		for m, mark := range marks {
			if c := row.peer(m); c >= 0 {
				dots = append(dots, dot{mark, row.contenders[c].name, i, 1 / lab.Median(row.ratios(row.figures(c)))})
			}
		}
	}
	return dots
}
