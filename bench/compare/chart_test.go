package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
)

// A drawing holds the texts of a chart and the positions of its marks: those of the legend, and
// those of the plot, which have a title.
type drawing struct {
	width, height float64
	texts         []string
	legend        int
	dots          map[string][2]float64
}

// read reads a chart as an XML parser does.
func read(t *testing.T, chart string) drawing {
	t.Helper()
	d := drawing{dots: map[string][2]float64{}}
	var open []string
	var place [2]float64
	in := xml.NewDecoder(strings.NewReader(chart))
	for {
		token, err := in.Token()
		if errors.Is(err, io.EOF) {
			return d
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, chart)
		}
		switch token := token.(type) {
		case xml.StartElement:
			open = append(open, token.Name.Local)
			for _, a := range token.Attr {
				switch a.Name.Local {
				case "viewBox":
					scan(t, a.Value, "0 0 %f %f", &d.width, &d.height)
				case "transform":
					scan(t, a.Value, "translate(%f %f)", &place[0], &place[1])
					d.legend++
				}
			}
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			switch open := slices.Concat([]string{""}, open); open[len(open)-1] {
			case "text":
				d.texts = append(d.texts, string(token))
			case "title":
				d.legend--
				// Its height shows which row it is in.
				d.dots[fmt.Sprintf("row %d, %s", int((place[1]-plotTop)/rowHeight), token)] = place
			}
		}
	}
}

func scan(t *testing.T, text, format string, into ...any) {
	t.Helper()
	if _, err := fmt.Sscanf(text, format, into...); err != nil {
		t.Errorf("%q: %v", text, err)
	}
}

func TestEachRowAndEachPeerIsInTheChart(t *testing.T) {
	d := read(t, known().chart())
	for _, want := range []string{
		"lock, free", "gather of 1,000 & more", "memory", "5.00 ns", "4.00 µs", "3000 B",
		"plain Go", "tokio (absent)", "uvloop", "asyncio", "this library", "× 10",
	} {
		if !slices.Contains(d.texts, want) {
			t.Errorf("got the texts %q, want %q among them", d.texts, want)
		}
	}
	if d.legend != len(marks) {
		t.Errorf("the legend has %d marks, want %d", d.legend, len(marks))
	}
	want := []string{
		"row 0, asyncio: × 20.0", "row 0, sync.Mutex: × 2.00", "row 0, uvloop: × 10.0",
		"row 1, asyncio: × 10.0", "row 1, errgroup: × 0.500", "row 1, uvloop: × 2.00",
		"row 2, asyncio: × 0.333", "row 2, channel: × 0.800", "row 2, uvloop: × 0.500",
	}
	var got []string
	for title := range d.dots {
		got = append(got, title)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got the dots\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestTheChartIsDrawnToScale(t *testing.T) {
	d := read(t, known().chart())
	for title, at := range d.dots {
		if at[0] < plotLeft || at[0] > plotRight || at[1] < plotTop || at[1] > d.height {
			t.Errorf("%s is at %v, outside of the plot", title, at)
		}
	}
	x := func(title string) float64 { return d.dots[title][0] }
	ten := x("row 0, asyncio: × 20.0") - x("row 0, sync.Mutex: × 2.00")
	if same := x("row 0, uvloop: × 10.0") - x("row 1, asyncio: × 10.0"); same != 0 {
		t.Errorf("what is equal is %v apart", same)
	}
	if four := x("row 1, uvloop: × 2.00") - x("row 1, errgroup: × 0.500"); math.Abs(four/ten-math.Log10(4)) > 0.01 {
		t.Errorf("a factor of 10 is %v, and one of 4 is %v", ten, four)
	}
}

// In the widest of the fonts that readers may have, a letter takes 7 pixels.
func TestTheTitlesFit(t *testing.T) {
	const letter, figures = 7, 60
	for _, w := range workloads {
		if end := 16 + letter*len(w.title); end > plotLeft-14-figures {
			t.Errorf("%q ends at %d and is in the way of the figures", w.title, end)
		}
	}
}
