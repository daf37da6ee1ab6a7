package conformance

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"unicode/utf16"
)

// A Trace is a recorded trace of a scenario.
type Trace struct {
	Name  string   `json:"name"`
	Trace []string `json:"trace"`
}

// Lines returns the lines of r, of any length, without their ends, and numbered from 1. It omits
// empty lines.
func Lines(r io.Reader) iter.Seq2[int, Line] {
	return func(yield func(int, Line) bool) {
		in := bufio.NewReaderSize(r, 1<<16)
		for n := 1; ; n++ {
			text, err := in.ReadBytes('\n')
			text = bytes.TrimSpace(text)
			if len(text) > 0 && !yield(n, Line{Text: text}) {
				return
			}
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				yield(n, Line{Err: err})
				return
			}
		}
	}
}

// A Line is the text of a line, or the error of reading it.
type Line struct {
	Text []byte
	Err  error
}

// Replay reads scenarios, one in each line, and writes their traces, one in each line, in the same
// order.
func Replay(r io.Reader, w io.Writer) error {
	for n, line := range Lines(r) {
		if line.Err != nil {
			return fmt.Errorf("line %d: %w", n, line.Err)
		}
		sc, err := Decode(line.Text)
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if _, err := w.Write((&Trace{sc.Name, Run(sc)}).line()); err != nil {
			return err
		}
	}
	return nil
}

// line writes a trace as Python's json.dumps does, so that the output can be compared with that of
// the oracle byte for byte.
func (t *Trace) line() []byte {
	var b bytes.Buffer
	b.WriteString(`{"name": `)
	quote(&b, t.Name)
	b.WriteString(`, "trace": [`)
	for i, s := range t.Trace {
		if i > 0 {
			b.WriteString(", ")
		}
		quote(&b, s)
	}
	b.WriteString("]}\n")
	return b.Bytes()
}

// quote writes s as a JSON string in ASCII.
func quote(b *bytes.Buffer, s string) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always has an encoding
	for _, c := range string(bytes.TrimSuffix(text.Bytes(), []byte("\n"))) {
		switch {
		case c < 0x7f:
			b.WriteRune(c)
		case c > 0xffff:
			hi, lo := utf16.EncodeRune(c)
			fmt.Fprintf(b, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(b, `\u%04x`, c)
		}
	}
}
