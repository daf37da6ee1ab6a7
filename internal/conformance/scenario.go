// Package conformance runs the scenarios by which asyncio is checked against CPython.
//
// A scenario is a small asyncio program in JSON. oracle/oracle.py runs it under CPython 3.13, and
// Run runs it on package asyncio, both in virtual time. Both produce a trace, with one line for
// each event. The port is right if the two traces are equal, line for line: CPython's own order of
// events is the specification. README.md beside this file describes the language.
//
// Run uses only the public interface of package asyncio. A mistake in a scenario, such as an
// undefined name or a method that an object lacks, is part of the language: CPython's answer to it
// is in the trace.
package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// A Scenario is a decoded scenario, ready to run any number of times.
type Scenario struct {
	Name    string
	eager   bool // all tasks start eagerly
	objects []object
	coros   map[string]block
}

// Decode reads one scenario from its JSON text. It rejects text that is not in the language, such
// as an unknown statement or an argument of the wrong type.
func Decode(text []byte) (*Scenario, error) {
	var raw struct {
		Name    string           `json:"name"`
		Eager   bool             `json:"eager"`
		Objects json.RawMessage  `json:"objects"`
		Coros   map[string][]any `json:"coros"`
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&raw); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("more than one JSON value")
	}
	if raw.Coros == nil {
		return nil, errors.New("no coros")
	}
	sc := &Scenario{Name: raw.Name, eager: raw.Eager, coros: map[string]block{}}
	var err error
	if sc.objects, err = decodeObjects(raw.Objects); err != nil {
		return nil, fmt.Errorf("objects: %w", err)
	}
	for name, body := range raw.Coros {
		if sc.coros[name], err = compile(body); err != nil {
			return nil, fmt.Errorf("coro %s: %w", name, err)
		}
	}
	return sc, nil
}

// decodeObjects reads the table of objects in the order of the text, which is the order of their
// creation. A Go map would lose it.
func decodeObjects(text json.RawMessage) ([]object, error) {
	if len(text) == 0 {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	var objects []object
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		var spec []any
		if err := dec.Decode(&spec); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		a := &args{vals: spec}
		o := object{name: name.(string), kind: a.str()}
		o.make = compileObject(o.kind, a)
		if err := a.end(); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		objects = append(objects, o)
	}
	return objects, nil
}
