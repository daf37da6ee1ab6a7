package main

import (
	"bytes"
	"encoding/json"

	"github.com/go-asyncio/asyncio/internal/conformance/oracle"
)

// maxTries bounds the attempts to make one scenario smaller.
const maxTries = 5000

// A shrinker makes a scenario smaller as long as its traces differ.
type shrinker struct {
	config *config
	oracle *oracle.Oracle
	best   *difference
	tries  int
}

// shrinkOne removes statements from the scenario, replaces compound statements by their bodies, and
// drops coroutines and objects, as long as there is a difference. The difference need not stay the
// same.
func (c *config) shrinkOne(d *difference) *difference {
	if d.got[0] == hung {
		return d // each attempt would leave a goroutine behind
	}
	s := &shrinker{config: c, oracle: oracle.New(c.python, c.timeout), best: d}
	defer s.oracle.Close()
	for s.pass() && s.tries < maxTries {
	}
	return s.best
}

// spec is a scenario as a tree of JSON.
type spec struct {
	Name    string         `json:"name"`
	Objects ordered        `json:"objects"`
	Coros   map[string]any `json:"coros"`
}

// ordered is a JSON object that keeps the order of its members.
type ordered []member

type member struct {
	name  string
	value json.RawMessage
}

func (o *ordered) UnmarshalJSON(text []byte) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	if _, err := dec.Token(); err != nil {
		return err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		m := member{name: name.(string)}
		if err := dec.Decode(&m.value); err != nil {
			return err
		}
		*o = append(*o, m)
	}
	return nil
}

func (o ordered) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(m.name)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(m.value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func parse(text []byte) *spec {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	sp := &spec{}
	if err := dec.Decode(sp); err != nil {
		panic(err) // it was decoded before
	}
	return sp
}

// keeps runs the scenario, keeps it if its traces still differ, and reports whether they do.
func (s *shrinker) keeps(sp *spec) bool {
	if s.tries++; s.tries > maxTries {
		return false
	}
	text, err := json.Marshal(sp)
	if err != nil {
		return false
	}
	d, err := s.config.try(s.oracle, text)
	if err != nil || d.got == nil || d.got[0] == hung {
		return false
	}
	s.best = d
	return true
}

// pass tries every single simplification once, and reports whether it kept one.
func (s *shrinker) pass() bool {
	before := len(s.best.scenario)
	for _, name := range names(parse(s.best.scenario).Coros) {
		sp := parse(s.best.scenario)
		if name != "main" {
			delete(sp.Coros, name)
			if s.keeps(sp) {
				continue
			}
			sp = parse(s.best.scenario)
		}
		body, _ := sp.Coros[name].([]any)
		s.block(body, func(b []any) bool {
			sp.Coros[name] = b
			return s.keeps(sp)
		})
	}
	for i := len(parse(s.best.scenario).Objects) - 1; i >= 0; i-- {
		sp := parse(s.best.scenario)
		sp.Objects = append(sp.Objects[:i:i], sp.Objects[i+1:]...)
		s.keeps(sp)
	}
	return len(s.best.scenario) < before
}

func names(coros map[string]any) []string {
	list := []string{"main"}
	for name := range coros {
		if name != "main" {
			list = append(list, name)
		}
	}
	return list
}

// block simplifies a block. set installs a changed block and reports whether the traces still
// differ. A change that was not kept is undone by the next set, or when the caller next reads the
// best scenario.
func (s *shrinker) block(b []any, set func([]any) bool) {
	for size := len(b); size > 0; size /= 2 {
		for i := 0; i+size <= len(b); {
			if smaller := replace(b, i, i+size); set(smaller) {
				b = smaller
			} else {
				i += size
			}
		}
	}
	for i := 0; i < len(b); i++ {
		stmt, _ := b[i].([]any)
		if body := bodyOf(stmt); body != nil {
			if smaller := replace(b, i, i+1, body...); set(smaller) {
				b = smaller
				i--
				continue
			}
		}
		s.inside(stmt, func(changed []any) bool {
			smaller := replace(b, i, i+1, any(changed))
			if !set(smaller) {
				return false
			}
			b = smaller
			return true
		})
	}
}

// replace returns a copy of b in which the statements i to j are replaced.
func replace(b []any, i, j int, by ...any) []any {
	c := append([]any{}, b[:i]...)
	c = append(c, by...)
	return append(c, b[j:]...)
}

// bodyPlace maps a statement to the index of its body.
var bodyPlace = map[string]int{"try": 1, "repeat": 2, "timeout": 2, "group": 2, "with": 2}

func bodyOf(stmt []any) []any {
	op, _ := stmt[0].(string)
	place, ok := bodyPlace[op]
	if !ok || place >= len(stmt) {
		return nil
	}
	body, _ := stmt[place].([]any)
	if body == nil {
		return nil
	}
	return body
}

// inside simplifies the blocks within a statement.
func (s *shrinker) inside(stmt []any, set func([]any) bool) {
	body := bodyOf(stmt)
	if body == nil {
		return
	}
	place := bodyPlace[stmt[0].(string)]
	at := func(i int) func(v any) bool {
		return func(v any) bool {
			changed := replace(stmt, i, i+1, v)
			if !set(changed) {
				return false
			}
			stmt = changed
			return true
		}
	}
	s.block(body, func(b []any) bool { return at(place)(b) })
	if stmt[0] != "try" {
		return
	}
	if len(stmt) > 3 {
		if final, _ := stmt[3].([]any); final != nil && !at(3)(nil) {
			s.block(final, func(b []any) bool { return at(3)(b) })
		}
	}
	handlers, _ := stmt[2].([]any)
	for i := 0; i < len(handlers); i++ {
		if fewer := replace(handlers, i, i+1); at(2)(fewer) {
			handlers = fewer
			i--
			continue
		}
		h := handlers[i].([]any)
		s.block(h[1].([]any), func(b []any) bool {
			changed := replace(handlers, i, i+1, any([]any{h[0], b}))
			if !at(2)(changed) {
				return false
			}
			handlers = changed
			return true
		})
	}
}
