package lab_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/go-asyncio/asyncio/bench/internal/lab"
)

func TestTextGoesBetweenTheMarkers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "README.md")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("before\n<!-- echo:begin -->\nold\n<!-- echo:end -->\nafter\n")
	if err := lab.WriteBetween(file, "echo", "new\n"); err != nil {
		t.Fatal(err)
	}
	got, _ := os.ReadFile(file)
	if want := "before\n<!-- echo:begin -->\nnew\n<!-- echo:end -->\nafter\n"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
	write("no markers")
	if err := lab.WriteBetween(file, "echo", "new\n"); err == nil {
		t.Error("without markers: got no error")
	}
}

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		figures []float64
		want    float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 9, 2}, 3},
	} {
		if got := lab.Median(test.figures); got != test.want {
			t.Errorf("of %v: got %v, want %v", test.figures, got, test.want)
		}
	}
}
