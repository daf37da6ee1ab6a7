package main

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestCountWords(t *testing.T) {
	for _, test := range []struct {
		text string
		want map[string]int
	}{
		{"", map[string]int{}},
		{" \n\t12 + 34", map[string]int{}},
		{"one", map[string]int{"one": 1}},
		{"one two One, ONE!", map[string]int{"one": 3, "two": 1}},
		{"x1y 0x2a 3.14 snake_case", map[string]int{"x1y": 1, "snake": 1, "case": 1}},
		{"Straße, straße; 日本 e\u0301", map[string]int{"straße": 2, "日本": 1, "e\u0301": 1}},
		{"a\xffb\xe6\x97", map[string]int{"a": 1, "b": 1}}, // Not UTF-8
	} {
		got, err := countWords(strings.NewReader(test.text))
		if err != nil || !maps.Equal(got, test.want) {
			t.Errorf("countWords(%q) = %v, %v, want %v", test.text, got, err, test.want)
		}
	}
}

func TestWordsAcrossTheEndOfABuffer(t *testing.T) {
	text := strings.Repeat("größer 日本語, x86 – e\u0301lan\xff Ж ", 5000)
	want := map[string]int{"größer": 5000, "日本語": 5000, "x86": 5000, "e\u0301lan": 5000, "ж": 5000}
	got, err := countWords(strings.NewReader(text))
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func TestLongRuns(t *testing.T) {
	const long = 1 << 20
	text := strings.Repeat("7", long) + " " + strings.Repeat("x", long) + " end"
	want := map[string]int{strings.Repeat("x", maxWord): 1, "end": 1}
	got, err := countWords(strings.NewReader(text))
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %d words, %v, want the beginning of the long one and the end", len(got), err)
	}
}

func TestCountWordsErrors(t *testing.T) {
	broken := errors.New("broken")
	if _, err := countWords(strings.NewReader("text\x00")); err != errBinary {
		t.Errorf("a binary file: got %v, want %v", err, errBinary)
	}
	if _, err := countWords(iotest.ErrReader(broken)); err != broken {
		t.Errorf("a broken file: got %v, want %v", err, broken)
	}
}

func TestMostFrequent(t *testing.T) {
	words := map[string]int{"b": 2, "a": 2, "c": 3, "d": 1}
	got := mostFrequent(words, 3)
	want := []wordCount{{"c", 3}, {"a", 2}, {"b", 2}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := mostFrequent(words, 10); len(got) != 4 {
		t.Errorf("the 10 most frequent of 4 are %d, want 4", len(got))
	}
}
