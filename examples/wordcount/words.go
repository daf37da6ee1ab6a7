package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"io"
	"slices"
	"unicode"
	"unicode/utf8"
)

var errBinary = errors.New("binary file")

// maxWord limits the length of a word in bytes; the rest is ignored. So a word without an end does
// no harm.
const maxWord = 100

// countWords counts the words in r, in lower case. A word is a run of letters and digits that
// begins with a letter, so 0x2a is not a word. countWords holds no more than a buffer of r in
// memory. If there is a zero byte at the beginning of r, it returns errBinary.
func countWords(r io.Reader) (map[string]int, error) {
	buffered := bufio.NewReaderSize(r, 8<<10)
	head, err := buffered.Peek(buffered.Size())
	if err != nil && err != io.EOF {
		return nil, err
	}
	if bytes.IndexByte(head, 0) >= 0 {
		return nil, errBinary
	}

	words := make(map[string]int)
	var word []byte // as far as it has been read
	number := false // whether the run began with a digit
	for {
		r, _, err := buffered.ReadRune()
		if err == nil && (unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r)) {
			number = number || len(word) == 0 && unicode.IsDigit(r)
			if !number && len(word) < maxWord {
				word = utf8.AppendRune(word, unicode.ToLower(r))
			}
			continue
		}
		if len(word) > 0 {
			words[string(word)]++
		}
		word, number = word[:0], false
		switch err {
		case nil:
		case io.EOF:
			return words, nil
		default:
			return nil, err
		}
	}
}

// A wordCount is a word and the number of its occurrences.
type wordCount struct {
	word string
	n    int
}

// mostFrequent returns the top most frequent words, the most frequent first. Words with equal
// counts are in alphabetical order.
func mostFrequent(words map[string]int, top int) []wordCount {
	counts := make([]wordCount, 0, len(words))
	for word, n := range words {
		counts = append(counts, wordCount{word, n})
	}
	slices.SortFunc(counts, func(a, b wordCount) int {
		return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.word, b.word))
	})
	return counts[:min(top, len(counts))]
}
