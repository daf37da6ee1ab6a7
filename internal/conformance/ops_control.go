package conformance

import "context"

// controlOps are the statements of the language itself, which in Python do not involve asyncio.
var controlOps = map[string]func(a *args) step{
	"log":     compileLog,
	"return":  compileReturn,
	"raise":   compileRaise,
	"reraise": compileReraise,
	"try":     compileTry,
	"repeat":  compileRepeat,
	"call":    compileCall,
	"add":     compileAdd,
}

func compileLog(a *args) step {
	text := a.str()
	return func(ctx context.Context, f *frame) error { return f.emit(ctx, text) }
}

func compileReturn(a *args) step {
	v := a.value()
	return func(context.Context, *frame) error { return &returned{v} }
}

func compileRaise(a *args) step {
	kind, msg := a.str(), a.optStr()
	return func(context.Context, *frame) error {
		err, unknown := raising(kind, msg)
		if unknown != nil {
			return unknown
		}
		return err
	}
}

func compileReraise(*args) step {
	return func(_ context.Context, f *frame) error {
		if f.caught == nil {
			return keyError("exc")
		}
		return f.caught
	}
}

func compileRepeat(a *args) step {
	n, body := a.integer(), a.block()
	return func(ctx context.Context, f *frame) error {
		for range n {
			if err := body.run(ctx, f); err != nil {
				return err
			}
		}
		return nil
	}
}

func compileCall(a *args) step {
	name := a.str()
	return func(ctx context.Context, f *frame) error {
		v, err := f.coro(name, f.depth+1).Await(ctx)
		if err != nil {
			return err
		}
		return f.emit(ctx, name, "() = ", v)
	}
}

func compileAdd(a *args) step {
	counter, n := a.str(), a.integer()
	return func(_ context.Context, f *frame) error {
		f.counters[counter] += n
		return nil
	}
}

// A try is a try statement. Its final block runs in the normal flow and is not deferred, since a
// task that the library unwinds does nothing any more.
type try struct {
	body     block
	handlers []handler
	final    block
}

type handler struct {
	kind string
	body block
}

func compileTry(a *args) step {
	t := &try{body: a.block()}
	for _, h := range a.list() {
		vals, ok := h.([]any)
		if !ok {
			a.fail("a handler is not an array")
			break
		}
		ha := &args{vals: vals}
		t.handlers = append(t.handlers, handler{ha.str(), ha.block()})
		if err := ha.end(); err != nil {
			a.fail("handler: %w", err)
		}
	}
	t.final = a.optBlock()
	return t.run
}

func (t *try) run(ctx context.Context, f *frame) error {
	err := t.body.run(ctx, f)
	if err != nil {
		err = t.handle(ctx, f, err)
	}
	if final := t.final.run(ctx, f); final != nil {
		return final
	}
	return err
}

// handle runs the first handler that matches the error, if there is one. No handler catches a
// return or the end of the trace.
func (t *try) handle(ctx context.Context, f *frame, err error) error {
	switch err.(type) {
	case *returned, *stop:
		return err
	}
	for _, h := range t.handlers {
		ok, unknown := matches(h.kind, err)
		if unknown != nil {
			return unknown
		}
		if !ok {
			continue
		}
		if err := f.emit(ctx, "caught ", err); err != nil {
			return err
		}
		return h.body.run(ctx, &frame{run: f.run, caught: err, depth: f.depth})
	}
	return err
}
