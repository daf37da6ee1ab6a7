package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A step is one compiled statement. It returns the error that the statement raised; see exception.
type step func(ctx context.Context, f *frame) error

// A block is a list of statements, run in order until one raises.
type block []step

func (b block) run(ctx context.Context, f *frame) error {
	for _, s := range b {
		if err := s(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// A frame is the state that a statement can see of the coroutine that contains it.
type frame struct {
	*run
	caught error // the error that the innermost handler around the statement caught, or nil
	depth  int   // number of coroutines that called one another
}

// ops maps a statement's name to the function that compiles it. It is filled by init, since these
// functions compile nested blocks and so refer to ops themselves.
var ops = map[string]func(a *args) step{}

func init() {
	for _, table := range []map[string]func(a *args) step{
		controlOps, taskOps, futureOps, waitOps, scopeOps, syncOps, queueOps, loopOps,
	} {
		for name, compile := range table {
			ops[name] = compile
		}
	}
}

// Statements returns the names of all statements of the language, sorted.
func Statements() []string {
	names := make([]string, 0, len(ops))
	for name := range ops {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func compile(body []any) (block, error) {
	b := make(block, 0, len(body))
	for i, s := range body {
		vals, ok := s.([]any)
		if !ok {
			return nil, fmt.Errorf("statement %d is not an array", i)
		}
		step, err := compileStatement(vals)
		if err != nil {
			return nil, fmt.Errorf("statement %d: %w", i, err)
		}
		b = append(b, step)
	}
	return b, nil
}

func compileStatement(vals []any) (step, error) {
	a := &args{vals: vals}
	op := a.str()
	if a.err != nil {
		return nil, a.err
	}
	compile, ok := ops[op]
	if !ok {
		return nil, fmt.Errorf("unknown statement %q", op)
	}
	step := compile(a)
	if err := a.end(); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	if len(a.needs) == 0 {
		return step, nil
	}
	return func(ctx context.Context, f *frame) error {
		for _, name := range a.needs {
			if _, ok := f.vars[name]; !ok {
				return f.emit(ctx, "skip ", op)
			}
		}
		return step(ctx, f)
	}, nil
}

// args reads a statement's arguments, one after the other. The first mistake is kept in err; any
// argument read after it is a zero value.
type args struct {
	vals  []any
	needs []string // tasks and futures without which the statement is skipped
	err   error
}

func (a *args) fail(format string, v ...any) {
	if a.err == nil {
		a.err = fmt.Errorf(format, v...)
	}
}

// more reports whether there is another argument.
func (a *args) more() bool { return a.err == nil && len(a.vals) > 0 }

func (a *args) next() any {
	if !a.more() {
		a.fail("too few arguments")
		return nil
	}
	v := a.vals[0]
	a.vals = a.vals[1:]
	return v
}

// end checks that no argument is left.
func (a *args) end() error {
	if a.more() {
		a.fail("too many arguments")
	}
	return a.err
}

func (a *args) str() string {
	v := a.next()
	s, ok := v.(string)
	if !ok {
		a.fail("%v is not a string", v)
	}
	return s
}

// optStr reads a string that may be missing or null.
func (a *args) optStr() *string {
	if !a.more() {
		return nil
	}
	if a.vals[0] == nil {
		a.next()
		return nil
	}
	s := a.str()
	return &s
}

func (a *args) boolean() bool {
	v := a.next()
	b, ok := v.(bool)
	if !ok {
		a.fail("%v is not true or false", v)
	}
	return b
}

func (a *args) integer() int {
	v := a.next()
	num, _ := v.(json.Number)
	n, err := strconv.Atoi(num.String())
	if err != nil {
		a.fail("%v is not a whole number", v)
	}
	return n
}

// optInteger reads a number that may be missing.
func (a *args) optInteger(otherwise int) int {
	if !a.more() {
		return otherwise
	}
	return a.integer()
}

// units reads a length of time. It may be null, which means no limit.
func (a *args) units() *int {
	if a.more() && a.vals[0] == nil {
		a.next()
		return nil
	}
	n := a.integer()
	return &n
}

func (a *args) list() []any {
	v := a.next()
	l, ok := v.([]any)
	if !ok {
		a.fail("%v is not an array", v)
	}
	return l
}

func (a *args) block() block {
	b, err := compile(a.list())
	if err != nil {
		a.fail("%w", err)
	}
	return b
}

// optBlock reads a block that may be missing or null.
func (a *args) optBlock() block {
	if !a.more() {
		return nil
	}
	if a.vals[0] == nil {
		a.next()
		return nil
	}
	return a.block()
}

// value reads the value that a coroutine returns, a queue carries or a future is set to.
func (a *args) value() any {
	v := a.next()
	if err := checkValue(v); err != nil {
		a.fail("%w", err)
	}
	return v
}

func checkValue(v any) error {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			if err := checkValue(x); err != nil {
				return err
			}
		}
	case map[string]any:
		return errors.New("a value is null, true, false, a number, a string or an array")
	}
	return nil
}

// target reads the name of a task or future that must exist when the statement runs.
func (a *args) target() string {
	name := a.str()
	a.needs = append(a.needs, name)
	return name
}

func (a *args) targets() []string {
	l := &args{vals: a.list()}
	names := make([]string, 0, len(l.vals))
	for l.more() {
		names = append(names, l.target())
	}
	a.take(l)
	return names
}

// A ref is a reference to an awaitable: a task or future, or a new coroutine.
type ref struct {
	text string
	coro bool
	name string
}

func (a *args) ref() ref {
	text := a.str()
	kind, name, ok := strings.Cut(text, ":")
	if !ok || (kind != "t" && kind != "c") {
		a.fail("%q is not t:NAME or c:NAME", text)
	}
	if kind == "t" {
		a.needs = append(a.needs, name)
	}
	return ref{text: text, coro: kind == "c", name: name}
}

func (a *args) refs() []ref {
	l := &args{vals: a.list()}
	refs := make([]ref, 0, len(l.vals))
	for l.more() {
		refs = append(refs, l.ref())
	}
	a.take(l)
	return refs
}

// take adds the needs of a nested list to a, and its mistake.
func (a *args) take(l *args) {
	a.needs = append(a.needs, l.needs...)
	if l.err != nil {
		a.fail("%w", l.err)
	}
}
